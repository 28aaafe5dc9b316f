"""A FITS file as CFITSIO reads it, wherever it lies: its headers, and the pixels of one extension at a time."""

from __future__ import annotations

import contextlib
import os
import re
import threading
from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any

import numpy.typing as npt

from badexp_assets.errors import ChangedFileError, UnreadableImageError
from badexp_assets.io.place import Place, Url
from badexp_assets.survey.fits_validation import check_headers
from badexp_assets.survey.remote_fits import RemoteFits

if TYPE_CHECKING:
    import fitsio

# Errors and open files of CFITSIO are the process's: a night opens one file while it reads another.
_CFITSIO = threading.RLock()

MAX_PIXELS = 2**26
"""pixels of a CCD; a damaged header that promises more must not cost all memory"""


class FitsFile:
    """An open FITS file; use as a context manager, or `close` it.

    where: the file, as messages name it; behind a URL in the state in which it was opened. size in bytes. Of a file
    behind a URL only headers are fetched when it is opened, and of the pixels those that are asked for. Everything
    raises UnreadableImageError where the file is at fault, a file that was written again since it was opened included,
    and TransientError or InputError where a server does not answer or refuses.
    """

    def __init__(self, place: Place) -> None:
        self.where: Place = place
        self._remote: RemoteFits | None = None
        if isinstance(place, Url):
            with _unreadable_when_changed(place):
                self._remote = RemoteFits(place)
            self.where, path = self._remote.url, self._remote.headers
        else:
            path = place
        try:
            check_headers(path, place)
            self.size = os.path.getsize(path)
            with _CFITSIO:
                self._fits = _open(path, place)
        except BaseException:
            if self._remote is not None:
                self._remote.close()
            raise

    def header(self, extension: int) -> Mapping[str, Any]:
        """The header of an extension; 0 is the primary."""
        with _CFITSIO:
            try:
                return self._fits[extension].read_header()
            except Exception as error:  # fitsio raises whatever the bytes lead it to, UnicodeDecodeError among them
                where = f"{self.where}[{extension}]"
                raise UnreadableImageError(f"{where}: header can't be read ({one_line(error)})") from error

    def infos(self) -> list[Mapping[str, Any]]:
        """What fitsio tells of each extension (`get_info`)."""
        with _CFITSIO:
            try:
                return [hdu.get_info() for hdu in self._fits]
            except Exception as error:
                raise UnreadableImageError(f"{self.where}: extensions can't be listed ({one_line(error)})") from error

    def pixels(self, extension: int, where: str) -> npt.NDArray[Any]:
        """The pixels (rows, columns) of an extension, decompressed; messages name it `where`."""
        if self._remote is None or self._remote.whole:
            with _CFITSIO:
                return _read_pixels(self._fits, where, extension)
        with _unreadable_when_changed(self.where), self._remote.fetched(extension) as (path, place), _CFITSIO:
            fits = _open(path, self.where)
            try:
                return _read_pixels(fits, where, place)
            finally:
                fits.close()

    def close(self) -> None:
        """Close the file."""
        with _CFITSIO:
            self._fits.close()
        if self._remote is not None:
            self._remote.close()

    def __enter__(self) -> FitsFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def is_image(info: Mapping[str, Any]) -> bool:
    """Whether a HDU (fitsio's `get_info`) is an image; extensions count even when empty, the primary with pixels."""
    return info["hdutype"] == 0 and (info["extnum"] > 0 or info["ndims"] > 0)


def one_line(error: BaseException) -> str:
    """Return an error's message on one line, at most 200 characters.

    Of CFITSIO's only the status: below it stand messages of earlier errors too, so it would depend on what was read
    before.
    """
    if isinstance(error, UnicodeDecodeError):  # a position in that stack
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


def _open(path: Any, where: Place) -> fitsio.FITS:
    import fitsio

    try:
        return fitsio.FITS(str(path))
    except Exception as error:
        raise UnreadableImageError(f"{where}: can't be opened ({one_line(error)})") from error


def _read_pixels(fits: fitsio.FITS, where: str, extension: int) -> npt.NDArray[Any]:
    try:
        hdu = fits[extension]
        dims = tuple(hdu.get_info()["dims"])
        if len(dims) != 2 or not 0 < dims[0] * dims[1] <= MAX_PIXELS:
            raise UnreadableImageError(
                f"{where}: an image of {dims} px; two axes and 1 to {MAX_PIXELS} pixels are needed"
            )
        return hdu.read()
    except UnreadableImageError:
        raise
    except Exception as error:
        raise UnreadableImageError(f"{where}: can't be decompressed ({one_line(error)})") from error
