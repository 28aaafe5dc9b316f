"""Read ahead in one background thread, so that decompression and the backbone overlap."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Generator, Iterator
from typing import TypeVar

T = TypeVar("T")
_END = object()
_POLL = 0.1


def ahead(make: Callable[[], Iterator[T]], depth: int = 1) -> Generator[T, None, None]:
    """Yield the items of `make()`, in order; a thread makes up to `depth` (at least 1) of them ahead.

    An error in `make()` is raised here, after the items before it. Closing this iterator early, or an error in its
    consumer, ends the thread and closes `make()`.
    """
    items: queue.Queue[object] = queue.Queue(maxsize=depth)
    stop = threading.Event()
    failure: list[BaseException] = []

    def put(item: object) -> bool:
        while not stop.is_set():
            try:
                items.put(item, timeout=_POLL)
                return True
            except queue.Full:
                continue
        return False

    def work() -> None:
        try:
            source = make()
            try:
                for item in source:
                    if not put(item):
                        return
            finally:
                close = getattr(source, "close", None)
                if close is not None:
                    close()
        except BaseException as error:  # handed over to the consumer
            failure.append(error)
        finally:
            put(_END)

    thread = threading.Thread(target=work, name="read-ahead", daemon=True)
    thread.start()
    try:
        while (item := items.get()) is not _END:
            yield item  # type: ignore[misc]
        if failure:
            raise failure[0]
    finally:
        stop.set()
        thread.join()
