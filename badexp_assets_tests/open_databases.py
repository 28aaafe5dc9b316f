"""SQLite databases whose connections stay open from one statement to the next, and the scripts that make them."""

import os
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from sqlalchemy.engine import make_url
from sqlalchemy.pool import QueuePool

_MOST = 32  # files, each with up to three descriptors per connection


class OpenDatabases:
    """The databases used last; use it as a context manager, which closes them."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[str, int], Any] = OrderedDict()
        self._inherited: list[Any] = []
        os.register_at_fork(after_in_child=self._after_fork)

    def engine(self, create: Callable[..., Any], url: str, **options: Any) -> Any:
        """Return the engine of the file that is at `url` now; `create` makes it as `sqlalchemy.create_engine` does."""
        key = url, _inode(url)
        kept = self._kept.pop(key, None)
        if kept is None:
            kept = create(url, **options | {"poolclass": QueuePool, "pool_size": 1, "max_overflow": -1})
            kept.dispose = lambda close=True: None  # Dagster does so after each statement
            if not key[1]:  # it is created by the first connection
                kept.connect().close()
                key = url, _inode(url)
        self._kept[key] = kept
        if len(self._kept) > _MOST:
            _close(self._kept.popitem(last=False)[1])
        return kept

    def __enter__(self) -> "OpenDatabases":
        return self

    def __exit__(self, *error: object) -> None:
        while self._kept:
            _close(self._kept.popitem()[1])

    def _after_fork(self) -> None:
        """Use no connection of the parent, and don't close it, which would take away the parent's locks."""
        self._inherited.append(self._kept)
        self._kept = OrderedDict()


def keep_scripts(read: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Return what `read` of an Alembic configuration returns, which reads the scripts of each place once."""
    kept: dict[str, Any] = {}

    def scripts(config: Any) -> Any:
        place = config.get_main_option("script_location")
        if place not in kept:
            kept[place] = read(config)
        return kept[place]

    return scripts


def _inode(url: str) -> int:
    path = make_url(url).database
    return os.stat(path).st_ino if path and os.path.exists(path) else 0


def _close(engine: Any) -> None:
    del engine.dispose  # back to that of the class
    engine.dispose()
