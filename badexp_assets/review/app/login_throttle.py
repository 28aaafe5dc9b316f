"""Wrong tokens are refused for a while after a few."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable

TRIES = 5
SECONDS = 60.0
_ADDRESSES = 10_000


class Throttle:
    """Counts wrong tokens by address: after TRIES of them within SECONDS, none is looked at until some are older."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._wrong: OrderedDict[str, list[float]] = OrderedDict()
        self._lock = threading.Lock()

    def wait(self, address: str) -> float:
        """Return how long the address must wait before its next try, s; 0: not at all."""
        with self._lock:
            recent = self._recent(address)
            return recent[-TRIES] + SECONDS - self._clock() if len(recent) >= TRIES else 0.0

    def wrong(self, address: str) -> None:
        """Note a wrong token."""
        with self._lock:
            self._wrong[address] = [*self._recent(address), self._clock()]
            self._wrong.move_to_end(address)
            while len(self._wrong) > _ADDRESSES:
                self._wrong.popitem(last=False)

    def _recent(self, address: str) -> list[float]:
        return [at for at in self._wrong.get(address, ()) if at > self._clock() - SECONDS]
