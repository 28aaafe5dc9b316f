"""Keeps what the steps of a run print, and shows it at once on the terminal of the command that runs them."""

from __future__ import annotations

import contextlib
import os
import select
import sys
import threading
from collections.abc import Generator, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO, TextIO

from badexp_assets.orchestration.dagster_internals import CapturedLogContext, LocalComputeLogManager

_LATEST_S = 0.1  # after which a line is on the terminal
_PIECE = 1 << 16  # bytes


class StepOutput(LocalComputeLogManager):
    """Dagster's files of stdout and stderr of a run, whose content a thread copies to the terminal.

    Dagster starts four processes per run for that, two of them Python. They take 0.06 core s, delay what is printed by
    up to a second, and lose what was printed in a run's last moment.
    """

    @classmethod
    def from_config_value(cls, inst_data: Any, config_value: Any) -> StepOutput:
        """Build it from an instance's configuration, which is that of LocalComputeLogManager."""
        return cls(inst_data=inst_data, **config_value)

    @contextlib.contextmanager
    def capture_logs(self, log_key: Sequence[str]) -> Generator[CapturedLogContext, None, None]:
        """Write what this process and its children print during the block to the files of `log_key`, too."""
        with (
            _captured(sys.stdout, Path(self.get_captured_local_path(log_key, "out"))),
            _captured(sys.stderr, Path(self.get_captured_local_path(log_key, "err"))),
        ):
            yield CapturedLogContext(log_key)
        Path(self.complete_artifact_path(log_key)).touch()


@contextlib.contextmanager
def _captured(stream: TextIO, path: Path) -> Iterator[None]:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as file:
        try:
            number = stream.fileno()
        except (AttributeError, OSError, ValueError):  # not a file, or closed: there is nothing to capture
            yield
            return
        with open(os.dup(number), "wb", buffering=0) as terminal:
            stream.flush()
            os.dup2(file.fileno(), number)
            ended = threading.Event()
            copying = threading.Thread(target=_copy, args=(path, terminal, ended), name="step-output", daemon=True)
            copying.start()
            try:
                yield
            finally:
                stream.flush()
                os.dup2(terminal.fileno(), number)
                ended.set()
                copying.join()


def _copy(path: Path, terminal: BinaryIO, ended: threading.Event) -> None:
    """Copy what is added to a file until `ended` is set; the file keeps what a closed terminal does not take."""
    with contextlib.suppress(OSError), path.open("rb") as file:
        while True:
            last = ended.wait(_LATEST_S)
            while piece := file.read(_PIECE):
                _write_all(terminal, piece)
            if last:
                return


def _write_all(terminal: BinaryIO, piece: bytes) -> None:
    """Write to an unbuffered file, which takes less at once if it is non-blocking or a signal arrives."""
    left = memoryview(piece)
    while left:
        taken = terminal.write(left)
        if taken is None:  # non-blocking, and full
            select.select([], [terminal], [])
        else:
            left = left[taken:]
