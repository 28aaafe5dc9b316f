"""Progress on a terminal; plain lines where the output is not one."""

from __future__ import annotations

import sys
import time
from typing import Any

from badexp_assets.defs.resources import Progress

_EVERY = 5.0  # seconds between plain lines


class TerminalProgress(Progress):
    """Takes the place of the run log's progress on the command line."""

    def __init__(self) -> None:
        self._interactive = sys.stdout.isatty()
        self._last = 0.0
        self._started: dict[str, float] = {}

    def report(self, context: Any, what: str, done: int, total: int) -> None:
        """Show `done` of `total`, with the time that is left at the present rate."""
        now = time.monotonic()
        start = self._started.setdefault(what, now)
        left = (now - start) / done * (total - done) if done and now > start else 0.0
        line = f"  {what}: {done} of {total}" + (f", {left:.0f} s left" if left >= 1 else "")
        if self._interactive:
            end = "\n" if done == total else ""
            sys.stdout.write(f"\r\x1b[K{line}{end}")
            sys.stdout.flush()
        elif done == total or now - self._last >= _EVERY:
            self._last = now
            print(line, flush=True)
