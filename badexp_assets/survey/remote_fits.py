"""FITS files behind URLs: their headers as a sparse local file, and one extension at a time as a file of its own.

A file of 60 CCDs has 300 MB, and 20 of them are wanted. So its headers are read by ranges, one after the other (a
header says where the next one begins), and only the data of wanted extensions are fetched. Local files are unlinked as
soon as they are made, so that nothing is left of them, however the process ends. An extension is decompressed from a
file that holds nothing else, so pixels never come from a place that was not fetched.

Headers are also kept in the folder of temporary files (TMPDIR), compressed, by URL and version, so that they are
fetched once per machine: about 100 KB for a file of 60 CCDs. Headers that are damaged there, or in a folder of another
user, are fetched again.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
import zlib
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path
from typing import IO

from badexp_assets.errors import ChangedFileError, StorageError, UnreadableImageError
from badexp_assets.io.parquet import atomic_path
from badexp_assets.io.place import Url
from badexp_assets.survey.fits_validation import BLOCK, Hdu, is_gzipped, walk_headers

WHOLE = 2**20
"""bytes; a file up to this size is fetched whole, by one request instead of one per header"""
_FIRST = 8 * BLOCK  # bytes of the first request; a primary header of the Community Pipeline fits in
_MORE = 2 * BLOCK  # where a header turns out to be longer
_AT_ONCE = 16  # files whose headers are walked at the same time
KEPT = 4096
"""files whose headers are kept in the folder of temporary files"""
_CLEAN_EVERY = 256  # files after which the oldest are removed
_CACHE_VERSION = "1"
_kept = count()
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
    """One version of a FITS file behind a URL: `url` is pinned to it, `size` is in bytes.

    headers: path of a local file of the same size with all headers at their offsets and nothing between them; if
    `whole`, of a copy. Raises FileNotFoundError, and ChangedFileError when the file is written again.
    """

    def __init__(self, url: Url) -> None:
        self.url = url.pin_version()
        assert self.url.pinned is not None
        self.size = self.url.pinned.size
        self._hdus = [] if self.size <= WHOLE or is_gzipped(url.name) else _headers(self.url)
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
        """Fetch an extension; give a local file that holds it, and its number in that file."""
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
    """Fetch and keep the headers of many files in parallel, so that opening these files takes few requests.

    Files that can't be read are skipped; opening them says why. So are those of gzip: they are read whole and not kept.
    """

    def fetch(url: Url) -> None:
        with contextlib.suppress(FileNotFoundError, ChangedFileError, UnreadableImageError):
            RemoteFits(url).close()

    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="headers") as threads:
        for done in [threads.submit(fetch, url) for url in urls if not is_gzipped(url.name)]:
            done.result()


def _headers(url: Url) -> list[Hdu]:
    """Return the HDUs of a file; an empty list for one that is not FITS to its end, which is left to CFITSIO."""
    found = kept_headers(url)
    if found is None:
        assert url.pinned is not None
        found = list(walk_headers(_Headers(url), url))
        if not found or found[-1].end < url.pinned.size:
            found = []
        keep_headers(url, found)
    return found


class _Headers:
    """The file as `walk_headers` reads it: block after block of a header, then on to the next header."""

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
        """Go to the next header, which is assumed to be as long as this one was, as those of CCDs are."""
        if self._header:
            self._guess = self._place - self._header
        self._header = self._place = offset
        return offset


def _unlinked() -> IO[bytes]:
    return tempfile.TemporaryFile(prefix="badexp-fits-")


def _path(file: IO[bytes]) -> Path:
    """Return a path under which an unlinked file can be opened, as long as it is open here."""
    return Path(f"/dev/fd/{file.fileno()}")


def kept_headers(url: Url) -> list[Hdu] | None:
    """Return the HDUs that `keep_headers` kept for this version of a file; None where there are none."""
    try:
        place = _cache_path(url)
        if place.parent.stat().st_uid != os.getuid():
            return None
        stored = zlib.decompress(place.read_bytes())
        spans, _, headers = stored.partition(b"\n")
        found, done = [], 0
        for start, data, end in json.loads(spans):
            found.append(Hdu(start, data, end, headers[done : done + data - start]))
            done += data - start
        return found if done == len(headers) else None
    except (OSError, zlib.error, ValueError):
        return None


def keep_headers(url: Url, hdus: list[Hdu]) -> None:
    """Keep the headers of a pinned file, unless the folder can't be written."""
    spans = json.dumps([(hdu.start, hdu.data, hdu.end) for hdu in hdus])
    text = spans.encode() + b"\n" + b"".join(hdu.header for hdu in hdus)
    place = _cache_path(url)
    with contextlib.suppress(OSError, StorageError):
        place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if place.parent.stat().st_uid != os.getuid():
            return
        with atomic_path(place) as path:
            path.write_bytes(zlib.compress(text, 1))
        if next(_kept) % _CLEAN_EVERY == 0:
            _remove_oldest(place.parent)


def _cache_path(url: Url) -> Path:
    name = hashlib.blake2b(
        "|".join(map(str, (_CACHE_VERSION, url, *(url.pinned or ())))).encode(), digest_size=16
    ).hexdigest()
    return Path(tempfile.gettempdir()) / f"badexp-headers-{os.getuid()}" / f"{name}.z"


def _remove_oldest(folder: Path) -> None:
    written: list[tuple[float, Path]] = []
    for path in folder.glob("*.z"):
        with contextlib.suppress(FileNotFoundError):
            written.append((path.stat().st_mtime, path))
    for _, path in sorted(written)[:-KEPT]:
        path.unlink(missing_ok=True)
