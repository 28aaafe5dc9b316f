"""A file behind a URL as a Python file object that fetches only the ranges that are read."""

from __future__ import annotations

import io
from typing import Any

from badexp_assets.io.place import Url

_TAIL = 2**16  # bytes; what Arrow reads first of a Parquet file


class RangedFile(io.RawIOBase):
    """The current version of the file `url`, opened for reading; its last 64 KiB are fetched once and kept.

    A small table is therefore one request. Raises FileNotFoundError when there is no file, and ChangedFileError when it
    is written again while it is read.
    """

    def __init__(self, url: Url) -> None:
        self._url = url.pin_version()
        assert self._url.pinned is not None
        self.size = self._url.pinned.size  # bytes
        self._position = 0
        self._tail: bytes | None = None

    def readable(self) -> bool:
        """True."""
        return True

    def seekable(self) -> bool:
        """True."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Set the position of the next read, in bytes, and return it from the beginning of the file."""
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self.size}[whence]
        self._position = max(0, start + offset)
        return self._position

    def readinto(self, buffer: Any) -> int:
        """Fill `buffer` with the next bytes and return how many."""
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def read(self, size: int | None = -1) -> bytes:
        """Return up to `size` bytes; all that is left when it is negative."""
        left = max(0, self.size - self._position)
        start = self._position
        self._position += left if size is None or size < 0 else min(size, left)
        tail = max(0, self.size - _TAIL)
        if start < tail:
            return self._url.read_range(start, self._position)
        if self._tail is None:
            self._tail = self._url.read_range(tail, self.size)
        return self._tail[start - tail : self._position - tail]
