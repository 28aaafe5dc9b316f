import socket

import pytest
from click.testing import CliRunner

from badexp_assets.commands.cli import badexp
from badexp_assets.errors import InputError
from badexp_assets.review.accounts import Reviewers


def run(home, *words):
    result = CliRunner().invoke(badexp, ["review", *words, "--home", str(home)], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output.strip()


def test_a_reviewer_is_added_listed_and_removed_and_the_printed_token_works(tmp_path):
    assert "no reviewers" in run(tmp_path, "reviewers", "list")
    token = run(tmp_path, "reviewers", "add", "ann")
    store = Reviewers(tmp_path / "review" / "verdicts.sqlite")
    assert store.open(token).reviewer == "ann"
    assert "ann" in run(tmp_path, "reviewers", "list")
    assert "ann" in run(tmp_path, "reviewers", "remove", "ann")
    assert store.open(token) is None


def test_the_store_is_where_the_environment_says(tmp_path, monkeypatch):
    other = tmp_path / "other.sqlite"
    monkeypatch.setenv("BADEXP_VERDICTS", str(other))
    token = run(tmp_path / "home", "reviewers", "add", "ann")
    assert Reviewers(other).open(token).reviewer == "ann"
    assert not (tmp_path / "home" / "review").exists()


@pytest.mark.parametrize("port", [None, 70_000])
def test_a_port_that_can_not_be_used_is_named(tmp_path, port):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        chosen = port or taken.getsockname()[1]
        words = ["review", "serve", "--home", str(tmp_path), "--port", str(chosen)]
        with pytest.raises(InputError, match=rf"--port {chosen}: can't listen on 127.0.0.1 .*; try another --port"):
            CliRunner().invoke(badexp, words, catch_exceptions=False, standalone_mode=False)
