"""The command line as a user meets it."""

import sys

import pytest

from badexp_assets.commands import cli


@pytest.fixture
def badexp(monkeypatch, capfd):
    """Run the command in this process; gives (exit code, what it said, what it complained of)."""

    def run(*words) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["badexp", *map(str, words)])
        code = 0
        try:
            cli.main()
        except SystemExit as end:
            code = int(end.code or 0)
        said = capfd.readouterr()
        return code, said.out, said.err

    return run
