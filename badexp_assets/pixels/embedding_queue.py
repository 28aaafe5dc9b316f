"""A queue of embeddings that run in threads of their own, so that the device works while CCDs are collected."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

T = TypeVar("T")
Owner = TypeVar("Owner")


class EmbeddingQueue(Generic[Owner, T]):
    """Runs `threads` embeddings at once, in the order in which they were submitted; use it as a context manager."""

    def __init__(self, threads: int) -> None:
        self._executor = ThreadPoolExecutor(threads, "embedding")
        self._waiting: deque[tuple[Owner, Future[T]]] = deque()
        self.room = threads + 1
        """number of embeddings that keeps every thread busy: one more than there are threads"""

    def __enter__(self) -> EmbeddingQueue[Owner, T]:
        return self

    def __exit__(self, *error: object) -> None:
        self._executor.shutdown(wait=True, cancel_futures=True)

    def submit(self, owner: Owner, embedding: Callable[[], T]) -> None:
        """Add an embedding; its result comes with `owner`."""
        self._waiting.append((owner, self._executor.submit(embedding)))

    def results(self, leave: int) -> Iterator[tuple[Owner, T]]:
        """Yield results in the order of submission; wait for them until at most `leave` embeddings are unfinished.

        Raises the error of an embedding in its turn.
        """
        while self._waiting and (len(self._waiting) > leave or self._waiting[0][1].done()):
            owner, future = self._waiting.popleft()
            yield owner, future.result()
