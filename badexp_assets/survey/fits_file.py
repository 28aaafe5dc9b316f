"""A FITS file, local or behind a URL: headers, and the pixels of one extension at a time.

CFITSIO reads everything, except that `rice_tiles` decodes most compressed images to the same pixels in less time.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from badexp_assets.errors import ChangedFileError, UnreadableImageError
from badexp_assets.io.place import Place, Url
from badexp_assets.survey.fits_validation import check_headers, is_gzipped
from badexp_assets.survey.read_again import PassedError, read_again
from badexp_assets.survey.remote_fits import RemoteFits
from badexp_assets.survey.rice_tiles import RiceTiles
from badexp_assets.survey.undefined_pixels import undefined_value, undefined_where, with_nan

T = TypeVar("T")
_PIECE = 2**20  # bytes
_READ_ERROR = "FITSIO status = 108:"

# CFITSIO shares its error stack and open files among threads, and a night pass opens one file while it reads another.
cfitsio_lock = threading.RLock()

MAX_PIXELS = 2**26
"""pixels of a CCD; a damaged header with more must not exhaust the memory"""


class FitsFile:
    """An open FITS file; use as a context manager, or `close` it.

    where: the file, as messages name it; behind a URL pinned to the version that was opened. Of a file behind a URL
    only the headers are fetched when it is opened, and only the pixels that are read. With `one_image`, the primary
    header of a file that has one image, in an extension, has the cards of that, too: fpack takes an image with its
    cards out of the primary. All methods raise UnreadableImageError for a damaged file, or one that was written again
    after it was opened, and TransientError or InputError when a server does not answer or denies access. A local file
    that can't be read is opened and read again (see `read_again`), since I/O errors may pass.
    """

    def __init__(self, place: Place, one_image: bool = False) -> None:
        self.where: Place = place
        self._one_image = one_image
        self._remote: RemoteFits | None = None
        self._failed = False
        if isinstance(place, Url):
            with _unreadable_when_changed(place):
                self._remote = RemoteFits(place)
            self.where, self._path = self._remote.url, self._remote.headers
        else:
            self._path = place
        try:
            self._images = self._repeated(lambda: _Images(self._path, place))
        except BaseException:
            if self._remote is not None:
                self._remote.close()
            raise

    @property
    def size(self) -> int:
        """Bytes of the file."""
        return self._images.size

    def header(self, extension: int) -> Mapping[str, Any]:
        """Return the header of an extension; 0 is the primary."""
        header = self._header(extension)
        images = (
            [info["extnum"] for info in self.infos() if is_image(info)] if self._one_image and not extension else []
        )
        if len(images) != 1 or images == [0]:
            return header
        both = (self._header(images[0]), header)
        return {card: cards[card] for cards in both for card in cards.keys() if card}  # noqa: SIM118 (no Mapping)

    def _header(self, extension: int) -> Any:
        return self._read(lambda images: images.header(extension))

    def infos(self) -> list[Mapping[str, Any]]:
        """Return fitsio's description of each extension (`get_info`)."""
        return self._read(lambda images: images.infos())

    def pixels(
        self, extension: int, where: str, codes: npt.NDArray[np.uint8] | None = None, step: int = 1
    ) -> npt.NDArray[Any]:
        """Return the decompressed pixels (rows, columns) of an extension, which messages name `where`.

        Undefined pixels of an image of integers (BLANK) are NaN. codes: if given, a pixel n of such an image becomes
        codes[n] (uint8); its last element if there is none, or the pixel is undefined.
        step: only every step-th row is decompressed, as far as the compression allows, and returned.
        """
        if self._remote is None or self._remote.whole:
            return self._read(lambda images: images.pixels(extension, where, codes, step))
        with _unreadable_when_changed(self.where), self._remote.fetched(extension) as (path, place):
            images = _Images(path, self.where)
            try:
                return images.pixels(place, where, codes, step)
            finally:
                images.close()

    def truncation(self) -> str | None:
        """Return what is known of the end of a file that ends before its last extension does, None of a whole one."""
        end = max((info["data_end"] for info in self.infos()[-1:]), default=0)
        if self.size >= end or is_gzipped(self.where.name):
            return None
        return f"the file is truncated: {self.size} bytes, and its last readable extension alone ends at {end}"

    def _read(self, read: Callable[[_Images], T]) -> T:
        def attempt() -> T:
            if not self._failed:
                try:
                    return read(self._images)
                except UnreadableImageError:
                    self._failed = True  # CFITSIO takes a part that it could not read for one that it has read
                    raise
            images = _Images(self._path, self.where)
            try:
                if images.version != self._images.version:
                    raise UnreadableImageError(f"{self.where}: was written again while it was read")
                return read(images)
            finally:
                images.close()

        return self._repeated(attempt)

    def _repeated(self, read: Callable[[], T]) -> T:
        return read() if self._remote is not None else read_again(self._path, read)

    def close(self) -> None:
        """Close the file."""
        self._images.close()
        if self._remote is not None:
            self._remote.close()

    def __enter__(self) -> FitsFile:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def is_image(info: Mapping[str, Any]) -> bool:
    """Whether an HDU (fitsio's `get_info`) is an image; an extension may be empty, the primary must have pixels."""
    return info["hdutype"] == 0 and (info["extnum"] > 0 or info["ndims"] > 0)


def one_line(error: BaseException) -> str:
    """Return an error's message on one line, at most 200 characters.

    Of CFITSIO's messages only the status is used: the lines below it include messages of earlier errors.
    """
    # A message with bytes that are no text is a UnicodeDecodeError, or an empty OSError in Python 3.11.2. It depends on
    # earlier errors, too.
    if isinstance(error, UnicodeDecodeError) or (isinstance(error, OSError) and not error.args):
        return "bytes that are no text"
    status = re.search(r"FITSIO status = \d+: .*", str(error))
    if status:
        return status[0].strip()[:200]
    text = "; ".join(line.strip() for line in str(error).splitlines() if line.strip())
    return (text or type(error).__name__)[:200]


@contextlib.contextmanager
def _unreadable_when_changed(where: Place) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        raise UnreadableImageError(f"{where}: can't be opened (no such file)") from error
    except ChangedFileError as error:
        raise UnreadableImageError(str(error)) from error


class _Images:
    """A local file of `size` bytes, opened once for CFITSIO and for `rice_tiles`; messages name it `where`.

    version: changes when the file is written again or replaced.
    """

    def __init__(self, path: Path, where: Place) -> None:
        from badexp_assets.survey.cfitsio_file import CfitsioFile

        try:
            self._file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            raise UnreadableImageError(f"{where}: can't be opened ({error.strerror})") from error
        self._where, self._tiles = where, RiceTiles(self._file)
        self._path = Path(f"/dev/fd/{self._file}")  # CFITSIO takes brackets in a path for a part of the file
        try:
            check_headers(self._path, where)
            with self._unreadable(f"{where}:", "opened"), cfitsio_lock:
                found = os.fstat(self._file)
                self.size = found.st_size
                self.version = (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)
                self.fits = CfitsioFile(str(self._path))
        except BaseException:
            self._tiles.close()
            raise

    def header(self, extension: int) -> Any:
        """Return fitsio's header of an extension."""
        where = f"{self._where}[{extension}]: header"
        with self._unreadable(where, "read"), cfitsio_lock:  # damaged bytes can raise anything
            return self.fits[extension].read_header()

    def infos(self) -> list[Mapping[str, Any]]:
        """Return fitsio's description of each extension."""
        with self._unreadable(f"{self._where}: extensions", "listed"), cfitsio_lock:
            return [hdu.get_info() for hdu in self.fits]

    def pixels(self, extension: int, where: str, codes: npt.NDArray[np.uint8] | None, step: int) -> npt.NDArray[Any]:
        """Return the pixels of an extension as `FitsFile.pixels` does."""
        with self._unreadable(f"{where}:"), cfitsio_lock:
            hdu = self.fits[extension]
            info = hdu.get_info()
            dims = tuple(info["dims"])
        if len(dims) != 2 or not 0 < dims[0] * dims[1] <= MAX_PIXELS:
            raise UnreadableImageError(
                f"{where}: an image of {dims} px; two axes and 1 to {MAX_PIXELS} pixels are needed"
            )
        with self._unreadable(f"{where}:", info=info):
            undefined = undefined_value(self._header(hdu, info), info["is_compressed_image"])
            decoded = self._tiles.read(info, codes, step) if undefined is None else None
        if decoded is not None:
            return decoded
        with self._unreadable(f"{where}:", info=info), cfitsio_lock:
            pixels: npt.NDArray[Any] = hdu.read() if step == 1 else hdu[::step, :]
        if codes is not None and pixels.dtype.kind in "iu":
            from badexp_assets.survey.pixel_kernels import replace_by_codes

            found = replace_by_codes(pixels, codes)
            if undefined is not None:
                found[undefined_where(pixels, undefined)] = codes[-1]
            return found
        return pixels if undefined is None else with_nan(pixels, undefined)

    def _header(self, hdu: Any, info: Mapping[str, Any]) -> bytes:
        header = self._tiles.header(info)
        if header.startswith((b"SIMPLE", b"XTENSION")):
            return header
        with cfitsio_lock:  # of a file that is compressed as a whole
            cards = [record["card_string"] for record in hdu.read_header().records()]
        return "".join(card.ljust(80) for card in cards).encode(errors="replace")

    def close(self) -> None:
        """Close the file."""
        self._tiles.close()
        with cfitsio_lock:
            self.fits.close()

    @contextlib.contextmanager
    def _unreadable(
        self, what: str, action: str = "decompressed", info: Mapping[str, Any] | None = None
    ) -> Iterator[None]:
        """Raise UnreadableImageError for every error; `info`: of the extension that is read, None: only headers are."""
        try:
            yield
        except Exception as error:
            cause = error if isinstance(error, OSError) and error.errno else self._cause(error, info)
            reason = cause.strerror if isinstance(cause, OSError) and cause.strerror else one_line(cause)
            raise UnreadableImageError(f"{what} can't be {action} ({reason})") from cause

    def _cause(self, error: Exception, info: Mapping[str, Any] | None) -> Exception:
        """Return the I/O error that CFITSIO hides behind `error`, else `error`.

        That is the error with which the system still refuses to read the headers, or the extension. If it has passed
        already, it shows as a failure to read bytes that the file has.
        """
        place, end = (info["header_start"], info["data_end"]) if info is not None else (0, 0)
        if is_gzipped(self._where.name):
            place, end = 0, self.size
        try:
            check_headers(self._path, self._where)
            while place < end and (piece := os.pread(self._file, min(_PIECE, end - place), place)):
                place += len(piece)
        except (OSError, UnreadableImageError) as found:
            return found
        if info is not None and info["data_end"] <= self.size and _READ_ERROR in str(error):
            return PassedError(errno.EIO, os.strerror(errno.EIO))
        return error
