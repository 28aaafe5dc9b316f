"""An exposure of which each CCD has a file of its own, read as if they were the extensions of one file."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from badexp_assets.errors import UnreadableImageError
from badexp_assets.io.place import Place, Url
from badexp_assets.survey.camera_file import CCD_PLACE
from badexp_assets.survey.cameras import Camera
from badexp_assets.survey.cp_files import parse_name, without_ending
from badexp_assets.survey.fits_file import FitsFile, is_image


def open_fits(place: Place, camera: Camera) -> FitsFile | CcdFiles:
    """Open a FITS file, or, if its name has `{ccd}` and `camera` has a file for each CCD, all files of that name."""
    if stands_for_ccd_files(place, camera):
        return CcdFiles(place, camera)
    return FitsFile(place, one_image=len(camera.ccds) == 1)


def stands_for_ccd_files(place: Place, camera: Camera) -> bool:
    """Whether the name of a place stands for the files of all CCDs of an exposure."""
    return camera.has_ccd_files and CCD_PLACE in place.name


def files_of_ccds(where: Place, camera: Camera) -> dict[str, Path]:
    """Return the files whose name is that of `where` with a CCD for `{ccd}`, and any ending, by name of the CCD.

    Of two files of a CCD this is the first by name. Raises UnreadableImageError for a place behind a URL.
    """
    if isinstance(where, Url):
        raise UnreadableImageError(f"{where}: one file per CCD is read from local folders only")
    common = without_ending(where.name)
    start, _, end = common.partition(CCD_PLACE)
    found: dict[str, Path] = {}
    for name in sorted(os.listdir(where.parent)) if where.parent.is_dir() else []:
        parts = parse_name(name, camera) if name.startswith(start) and end in name else None
        if parts is not None and without_ending(parts.together) == common:
            ccd = camera.named_or_numbered(parts.ccd)
            if ccd is not None:  # else it is named as `where` is
                found.setdefault(ccd.ccdname, where.with_name(name))
    return dict(sorted(found.items()))


class CcdFiles:
    """The files of the CCDs of an exposure, with the methods of `FitsFile`; `where` has `{ccd}` for the CCD.

    Extension 0 is the primary header of the first file that can be read, extension n the image of the n-th CCD by
    name (see `files_of_ccds`), with that as EXTNAME. The pixels and header of a file that can't be read, or has no
    image, raise UnreadableImageError with the reason, so that its CCD is known to be unreadable. One file is open at a
    time, since a process may not open those of several exposures; use it in one thread. Raises UnreadableImageError if
    there is no file, or none can be read.
    """

    def __init__(self, where: Place, camera: Camera) -> None:
        self.where = where
        self._files = list(files_of_ccds(where, camera).items())
        self._open: tuple[int, FitsFile, int] | None = None  # extension, its file, and the extension in that
        self._first, reasons = 0, []
        for extension in range(1, len(self._files) + 1):
            try:
                self._file(extension)
                self._first = extension
                return
            except UnreadableImageError as error:
                reasons.append(str(error))
        raise UnreadableImageError(reasons[0] if reasons else f"{where}: can't be opened (no such file)")

    def header(self, extension: int) -> Mapping[str, Any]:
        """Return the header of an extension; see the class."""
        file, inner = self._file(extension or self._first)
        return file.header(inner if extension else 0)

    def infos(self) -> list[Mapping[str, Any]]:
        """Return what `is_image` and `ccd_extensions` look at: hdutype, extnum, extname, ndims."""
        primary = {"hdutype": 0, "extnum": 0, "extname": "", "ndims": 0}
        names = enumerate((name for name, _ in self._files), start=1)
        return [primary, *({"hdutype": 0, "extnum": n, "extname": name, "ndims": 2} for n, name in names)]

    def pixels(
        self, extension: int, where: str, codes: npt.NDArray[np.uint8] | None = None, step: int = 1
    ) -> npt.NDArray[Any]:
        """Return pixels as `FitsFile.pixels` does."""
        file, inner = self._file(extension)
        return file.pixels(inner, where, codes, step)

    def truncation(self) -> str | None:
        """Return which files are truncated, None if all that can be read are whole."""
        found = []
        for extension, (_, place) in enumerate(self._files, start=1):
            with contextlib.suppress(UnreadableImageError):
                if words := self._file(extension)[0].truncation():
                    found.append(f"{place.name}: {words}")
        return "; ".join(found) or None

    def close(self) -> None:
        """Close the file that is open."""
        if self._open is not None:
            self._open[1].close()
        self._open = None

    def __enter__(self) -> CcdFiles:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _file(self, extension: int) -> tuple[FitsFile, int]:
        """Return the file of an extension, opened if it is not the last one, and the extension of its image there."""
        if self._open is None or self._open[0] != extension:
            self.close()
            self._open = (extension, *_opened(self._files[extension - 1][1]))
        return self._open[1:]


def _opened(place: Path) -> tuple[FitsFile, int]:
    """Return a CCD's file and the extension of its image, which is the first one."""
    file = FitsFile(place, one_image=True)
    try:
        return file, next(info["extnum"] for info in file.infos() if is_image(info))
    except StopIteration:
        file.close()
        raise UnreadableImageError(f"{place}: has no image") from None
    except BaseException:
        file.close()
        raise
