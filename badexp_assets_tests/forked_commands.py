"""Processes of the `badexp` command that start in a moment: forked from one that has imported what they need."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import psutil

from badexp_assets_tests.repository import PYTHON_PATH


class ForkedCommands:
    """A process that imports `modules` and starts commands on request; use it as a context manager."""

    def __init__(self, *modules: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", __name__, *modules],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": PYTHON_PATH},
        )

    def start(self, words: Sequence[str], env: Mapping[str, str], log: Path) -> psutil.Process:
        """Start `badexp` with `words` and `env` in the folder of `log`, to which its output is added."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        order = {"words": list(words), "env": dict(env), "log": str(log)}
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        return psutil.Process(int(self._process.stdout.readline()))

    def __enter__(self) -> "ForkedCommands":
        return self

    def __exit__(self, *error: object) -> None:
        self._process.communicate()  # it ends at the end of its orders


def _run(words: list[str], env: dict[str, str], log: str) -> None:
    """Be the command, in a process of its own."""
    from badexp_assets.commands.cli import main

    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for number, place in enumerate((os.open(os.devnull, os.O_RDONLY), output, output)):
        os.dup2(place, number)
    os.environ.clear()
    os.environ.update(env)
    os.chdir(Path(log).parent)
    sys.argv = ["badexp", *words]
    main()


if __name__ == "__main__":
    for module in sys.argv[1:]:
        __import__(module)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for them here
    for line in sys.stdin:
        order = json.loads(line)
        if child := os.fork():
            print(child, flush=True)
        else:
            _run(**order)
            sys.exit()
