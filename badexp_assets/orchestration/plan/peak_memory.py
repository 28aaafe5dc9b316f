"""Peak memory of a process and its children, which share pages."""

from __future__ import annotations

import contextlib
import threading
from types import TracebackType

import psutil

_SECONDS = 0.05


class TreePeak:
    """Samples the memory of this process and of all below it during a `with` block; `mib` is the largest sum.

    Counted is proportional memory (PSS), in which a page that n processes share counts 1/n for each; where the system
    does not tell (other than Linux), resident memory, in which it counts for all of them. What comes and goes within
    0.05 s may be missed.
    """

    def __init__(self) -> None:
        self.mib = 0.0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._sample, name="memory", daemon=True)

    def __enter__(self) -> TreePeak:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    def _sample(self) -> None:
        this = psutil.Process()
        while True:
            total = 0
            for process in [this, *this.children(recursive=True)]:
                with contextlib.suppress(psutil.Error):  # it has ended
                    memory = process.memory_full_info()
                    total += getattr(memory, "pss", memory.rss)
            self.mib = max(self.mib, total / 2**20)
            if self._stop.wait(_SECONDS):
                return
