"""FITS files behind URLs: their headers as a sparse local file, and one extension at a time as a file of its own.

A file with 60 CCDs has 300 MB, and 20 of them are wanted. So its headers are walked by ranges, from one to the next
(a header tells where the next one begins), and only the data of wanted extensions are fetched. Local files are
unlinked when they are made: nothing is left of them, however the process ends. An extension is decompressed from a file
that holds it and nothing else, never from a place that was not fetched.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO

from badexp_assets.errors import ChangedFileError, UnreadableImageError
from badexp_assets.io.place import Url
from badexp_assets.survey.fits_validation import BLOCK, Hdu, walk_headers
from badexp_assets.survey.remote_header_cache import keep_headers, kept_headers

WHOLE = 2**20
"""bytes; a file up to this size is fetched as a whole, by one request instead of one for every header"""
_FIRST = 8 * BLOCK  # bytes of the first request; a primary header of the Community Pipeline fits in
_MORE = 2 * BLOCK  # where a header turns out to be longer
_AT_ONCE = 16  # files whose headers are walked at the same time
_PRIMARY = b"".join(
    card.ljust(80)
    for card in (
        b"SIMPLE  =                    T",
        b"BITPIX  =                    8",
        b"NAXIS   =                    0",
        b"EXTEND  =                    T",
        b"END",
    )
).ljust(BLOCK)


class RemoteFits:
    """A FITS file behind a URL, in one state: `url` is pinned to it, `size` in bytes.

    headers: path of a local file of the same size with all headers in their places, and nothing between them; where
    `whole` is set, of a copy. Raises FileNotFoundError, and ChangedFileError when the file is written again.
    """

    def __init__(self, url: Url) -> None:
        self.url = url.pin_version()
        assert self.url.pinned is not None
        self.size = self.url.pinned.size
        self._hdus = [] if self.size <= WHOLE or url.suffix == ".gz" else _headers(self.url)
        self.whole = not self._hdus
        self._file = _unlinked()
        try:
            self._file.truncate(self.size)
            pieces = [(hdu.start, hdu.header) for hdu in self._hdus]
            for start, data in pieces or [(0, self.url.read_range(0, self.size))]:
                self._file.seek(start)
                self._file.write(data)
            self._file.flush()
        except BaseException:
            self.close()
            raise

    @property
    def headers(self) -> Path:
        """Path of the local file, as long as this is open."""
        return _path(self._file)

    @contextlib.contextmanager
    def fetched(self, extension: int) -> Iterator[tuple[Path, int]]:
        """Fetch an extension; give a local file with it, and its number in that file."""
        hdu = self._hdus[extension]
        data = self.url.read_range(hdu.data, min(hdu.end, self.size))
        with _unlinked() as file:
            file.write(b"" if extension == 0 else _PRIMARY)
            file.write(hdu.header)
            file.write(data)
            file.flush()
            yield _path(file), min(extension, 1)

    def close(self) -> None:
        """Remove the local file."""
        self._file.close()


def fetch_headers(urls: Iterable[Url]) -> None:
    """Walk the headers of many files at the same time and keep them: opening these files asks for little then.

    What is wrong with a file is left to be found when it is opened.
    """

    def fetch(url: Url) -> None:
        with contextlib.suppress(FileNotFoundError, ChangedFileError, UnreadableImageError):
            RemoteFits(url).close()

    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="headers") as threads:
        for done in [threads.submit(fetch, url) for url in urls]:
            done.result()


def _headers(url: Url) -> list[Hdu]:
    """The HDUs of a file; an empty list for one that is not FITS to its end, which only CFITSIO can make sense of."""
    found = kept_headers(url)
    if found is None:
        assert url.pinned is not None
        found = list(walk_headers(_Headers(url), url))
        if not found or found[-1].end < url.pinned.size:
            found = []
        keep_headers(url, found)
    return found


class _Headers:
    """The file as `walk_headers` reads it: block after block, and then on to the next header."""

    def __init__(self, url: Url) -> None:
        assert url.pinned is not None
        self._url, self._size = url, url.pinned.size
        self._header = self._place = 0
        self._start, self._data = 0, b""
        self._guess = _FIRST

    def read(self, size: int) -> bytes:
        place = self._place - self._start
        if not 0 <= place <= len(self._data) - size:
            more = self._guess if self._place == self._header else _MORE
            self._start = self._place
            self._data = self._url.read_range(self._place, min(self._place + more, self._size))
            place = 0
        self._place += size
        return self._data[place : place + size]

    def seek(self, offset: int) -> int:
        """Go to the next header, which is taken to be as long as this one was: those of CCDs are."""
        if self._header:
            self._guess = self._place - self._header
        self._header = self._place = offset
        return offset


def _unlinked() -> IO[bytes]:
    return tempfile.TemporaryFile(prefix="badexp-fits-")


def _path(file: IO[bytes]) -> Path:
    """A path under which an unlinked file can be opened, as long as it is open here."""
    return Path(f"/dev/fd/{file.fileno()}")
