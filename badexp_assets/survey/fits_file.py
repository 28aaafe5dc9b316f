"""A FITS file, local or behind a URL, read with CFITSIO: headers, and the pixels of one extension at a time."""

from __future__ import annotations

import contextlib
import os
import re
import threading
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy.typing as npt

from badexp_assets.errors import ChangedFileError, UnreadableImageError
from badexp_assets.io.place import Place, Url
from badexp_assets.survey.fits_validation import check_headers
from badexp_assets.survey.remote_fits import RemoteFits

if TYPE_CHECKING:
    import fitsio

# CFITSIO shares its error stack and open files among threads, and a night pass opens one file while it reads another.
_CFITSIO = threading.RLock()

MAX_PIXELS = 2**26
"""pixels of a CCD; a damaged header with more must not exhaust the memory"""


class FitsFile:
    """An open FITS file; use as a context manager, or `close` it.

    where: the file, as messages name it; behind a URL pinned to the version that was opened. size is in bytes. Of a
    file behind a URL only the headers are fetched when it is opened, and only the pixels that are read. All methods
    raise UnreadableImageError for a damaged file, or one that was written again after it was opened, and TransientError
    or InputError when a server does not answer or denies access.
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
        """Return the header of an extension; 0 is the primary."""
        with _CFITSIO:
            try:
                return self._fits[extension].read_header()
            except Exception as error:  # damaged bytes can raise anything, such as UnicodeDecodeError
                where = f"{self.where}[{extension}]"
                raise UnreadableImageError(f"{where}: header can't be read ({one_line(error)})") from error

    def infos(self) -> list[Mapping[str, Any]]:
        """Return fitsio's description of each extension (`get_info`)."""
        with _CFITSIO:
            try:
                return [hdu.get_info() for hdu in self._fits]
            except Exception as error:
                raise UnreadableImageError(f"{self.where}: extensions can't be listed ({one_line(error)})") from error

    def pixels(self, extension: int, where: str) -> npt.NDArray[Any]:
        """Return the decompressed pixels (rows, columns) of an extension, which messages name `where`."""
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

    def __exit__(self, *error: object) -> None:
        self.close()


def is_image(info: Mapping[str, Any]) -> bool:
    """Whether an HDU (fitsio's `get_info`) is an image; an extension may be empty, the primary must have pixels."""
    return info["hdutype"] == 0 and (info["extnum"] > 0 or info["ndims"] > 0)


def one_line(error: BaseException) -> str:
    """Return an error's message on one line, at most 200 characters.

    Of CFITSIO's messages only the status is used: the lines below it include messages of earlier errors.
    """
    if isinstance(error, UnicodeDecodeError):  # its message depends on earlier errors too
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
