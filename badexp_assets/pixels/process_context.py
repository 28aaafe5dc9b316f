"""Context and life of the processes that a pass starts."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from multiprocessing.context import ForkServerContext

_PRELOADED = ["badexp_assets.pixels.reader_process"]


def context() -> ForkServerContext:
    """Return where processes come from: a server that has imported what they need.

    They start in milliseconds, share its memory, and have nothing of the threads and the GPU of this process. One that
    they start themselves comes from the same server.
    """
    found = multiprocessing.get_context("forkserver")
    found.set_forkserver_preload(_PRELOADED)
    return found


def end_with_parent() -> None:
    """Make this process end when its parent is gone, however that ended, and leave interrupts to it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal sends it to all; the parent ends the others
    threading.Thread(target=_wait_for_parent, name="end-with-parent", daemon=True).start()


def _wait_for_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
