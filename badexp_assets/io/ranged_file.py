"""A remote file as Python reads files, by ranges of one state of it."""

from __future__ import annotations

import io
from typing import Any

from badexp_assets.io.place import Url
from badexp_assets.io.remote_files import pin, read_range

_TAIL = 2**16  # bytes; what Arrow reads first of a Parquet file


class RangedFile(io.RawIOBase):
    """The file `url`, opened for reading in the state that it is in; only what is read is fetched.

    Its last 64 KiB are fetched once and kept: a small table is one request. Raises FileNotFoundError when there is no
    file, and ChangedFileError when it is written again while it is read.
    """

    def __init__(self, url: Url) -> None:
        self._url = pin(url)
        assert self._url.pinned is not None
        self._size = self._url.pinned.size
        self._place = 0
        self._tail: bytes | None = None

    def readable(self) -> bool:
        """True."""
        return True

    def seekable(self) -> bool:
        """True."""
        return True

    def size(self) -> int:
        """Bytes of the file."""
        return self._size

    def tell(self) -> int:
        """Where the next read begins."""
        return self._place

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a place in the file."""
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._place, io.SEEK_END: self._size}[whence]
        self._place = max(0, start + offset)
        return self._place

    def readinto(self, buffer: Any) -> int:
        """Fill `buffer` with what comes next."""
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def read(self, size: int | None = -1) -> bytes:
        """Return up to `size` bytes; all that is left when it is negative."""
        left = max(0, self._size - self._place)
        n = left if size is None or size < 0 else min(size, left)
        data = self._range(self._place, self._place + n)
        self._place += n
        return data

    def readall(self) -> bytes:
        """Return all that is left."""
        return self.read()

    def _range(self, start: int, end: int) -> bytes:
        tail = max(0, self._size - _TAIL)
        if start < tail:
            return read_range(self._url, start, end)
        if self._tail is None:
            self._tail = read_range(self._url, tail, self._size)
        return self._tail[start - tail : end - tail]
