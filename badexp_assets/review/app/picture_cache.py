"""A cache of pictures on disk that removes the least recently used ones."""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

_LOGGER = logging.getLogger(__name__)
_SHARE_KEPT = 0.9  # of the size after a removal, so that not every new picture triggers one


class PictureCache:
    """Files in `folder`, at most `max_bytes` in total. It is thread-safe, and processes may share the folder."""

    def __init__(self, folder: Path, max_bytes: int) -> None:
        self.folder, self.max_bytes = folder, max_bytes
        self._lock = threading.Lock()
        self._making: dict[Path, threading.Lock] = {}
        self._size: int | None = None
        self._refused = False

    def get(self, key: str, make: Callable[[], bytes]) -> bytes:
        """Return the picture `key`. If it is missing, `make` is called, once for all waiting threads.

        A picture that can't be stored (full disk, no permission) is returned all the same, and made again next time.
        """
        path = self.folder / hashlib.blake2b(key.encode(), digest_size=16).hexdigest()
        found = _read(path)
        if found is not None:
            return found
        with self._lock:
            making = self._making.setdefault(path, threading.Lock())
        try:
            with making:
                found = _read(path)
                if found is None:
                    found = make()
                    self._store(path, found)
        finally:
            with self._lock:
                self._making.pop(path, None)
        return found

    def _store(self, path: Path, picture: bytes) -> None:
        if len(picture) > self.max_bytes:
            return
        try:
            self._write(path, picture)
        except OSError as error:
            if not self._refused:
                _LOGGER.warning("%s: pictures are not kept: %s", self.folder, error.strerror)
            self._refused = True
            return
        with self._lock:
            if self._size is None:
                self._size = sum(size for _, size, _ in self._files())
            else:
                self._size += len(picture)
            if self._size > self.max_bytes:
                self._remove_oldest()

    def _write(self, path: Path, picture: bytes) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=self.folder, delete=False) as file:
            try:
                file.write(picture)
                file.flush()
                os.replace(file.name, path)  # not synced: a picture lost in a power failure is made again
            except OSError:
                os.unlink(file.name)
                raise

    def _remove_oldest(self) -> None:
        files = sorted(self._files())
        self._size = sum(size for _, size, _ in files)
        for _, size, path in files:
            if self._size <= _SHARE_KEPT * self.max_bytes:
                return
            path.unlink(missing_ok=True)
            self._size -= size

    def _files(self) -> list[tuple[float, int, Path]]:
        found = []
        for entry in os.scandir(self.folder):
            with contextlib.suppress(FileNotFoundError):
                stat = entry.stat()
                found.append((stat.st_mtime, stat.st_size, Path(entry.path)))
        return found


def _read(path: Path) -> bytes | None:
    try:
        found = path.read_bytes()
        os.utime(path)  # the time of the last use
    except FileNotFoundError:
        return None
    return found or None
