"""An exposure of which each CCD has a file of its own, read as if they were the extensions of one file."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from badexp_assets.errors import UnreadableImageError
from badexp_assets.io.place import Place, Url
from badexp_assets.survey.camera_file import CCD_PLACE
from badexp_assets.survey.cameras import Camera
from badexp_assets.survey.cp_files import parse_name
from badexp_assets.survey.fits_file import FitsFile, is_image


def open_fits(place: Place, camera: Camera) -> FitsFile | CcdFiles:
    """Open a FITS file, or, if its name has `{ccd}` and `camera` has a file for each CCD, all files of that name."""
    if camera.has_ccd_files and CCD_PLACE in place.name:
        return CcdFiles(place, camera)
    return FitsFile(place)


class CcdFiles:
    """The files of the CCDs of an exposure, with the methods of `FitsFile`; `where` has `{ccd}` for the CCD.

    Extension 0 is the primary header of the first file that can be read, extension n the image of the n-th file by
    name, with the name of its CCD as EXTNAME. A file that can't be read has an extension whose pixels and header raise
    UnreadableImageError with the reason, so that its CCD is known to be unreadable. Raises UnreadableImageError if
    there is no file, or none can be read.
    """

    def __init__(self, where: Place, camera: Camera) -> None:
        self.where = where
        self._files: list[tuple[str, FitsFile | None, int, str]] = []  # name of CCD, file, extension of image, problem
        problem = f"{where}: can't be opened (no such file)"
        try:
            for name, place in sorted(_files_of(where, camera)):
                self._files.append(_opened(name, place))
        except BaseException:
            self.close()
            raise
        if all(file is None for _, file, _, _ in self._files):
            raise UnreadableImageError(next((reason for *_, reason in self._files), problem))

    def header(self, extension: int) -> Mapping[str, Any]:
        """Return the header of an extension; see the class."""
        if extension == 0:
            return next(file for _, file, _, _ in self._files if file is not None).header(0)
        file, inner = self._file(extension)
        return file.header(inner)

    def infos(self) -> list[Mapping[str, Any]]:
        """Return what `is_image` and `ccd_extensions` look at: hdutype, extnum, extname, ndims."""
        primary = {"hdutype": 0, "extnum": 0, "extname": "", "ndims": 0}
        names = enumerate((name for name, *_ in self._files), start=1)
        return [primary, *({"hdutype": 0, "extnum": n, "extname": name, "ndims": 2} for n, name in names)]

    def pixels(
        self, extension: int, where: str, codes: npt.NDArray[np.uint8] | None = None, step: int = 1
    ) -> npt.NDArray[Any]:
        """Return pixels as `FitsFile.pixels` does."""
        file, inner = self._file(extension)
        return file.pixels(inner, where, codes, step)

    def truncation(self) -> str | None:
        """Return which files are truncated, None if all are whole."""
        found = [(file.where.name, words) for _, file, _, _ in self._files if file and (words := file.truncation())]
        return "; ".join(f"{name}: {words}" for name, words in found) or None

    def close(self) -> None:
        """Close the files."""
        for _, file, _, _ in self._files:
            if file is not None:
                file.close()

    def __enter__(self) -> CcdFiles:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _file(self, extension: int) -> tuple[FitsFile, int]:
        _, file, inner, problem = self._files[extension - 1]
        if file is None:
            raise UnreadableImageError(problem)
        return file, inner


def _files_of(where: Place, camera: Camera) -> Iterator[tuple[str, Place]]:
    """Yield (what names the CCD, file) of the files whose name is that of `where` with a CCD in it."""
    if isinstance(where, Url):
        raise UnreadableImageError(f"{where}: one file per CCD is read from local folders only")
    start, _, end = where.name.partition(CCD_PLACE)
    for name in os.listdir(where.parent) if where.parent.is_dir() else []:
        if name.startswith(start) and name.endswith(end):
            parts = parse_name(name, camera)
            if parts is not None and parts.together == where.name and parts.ccd != CCD_PLACE:
                ccd = camera.named(parts.ccd) or camera.by_number[int(parts.ccd)]
                yield ccd.ccdname, where.with_name(name)


def _opened(name: str, place: Place) -> tuple[str, FitsFile | None, int, str]:
    """Return the parts of a CCD's file, whose image is its first one."""
    try:
        file = FitsFile(place)
    except UnreadableImageError as error:
        return name, None, 0, str(error)
    try:
        image = next((info["extnum"] for info in file.infos() if is_image(info)), None)
    except UnreadableImageError as error:
        file.close()
        return name, None, 0, str(error)
    if image is None:
        file.close()
        return name, None, 0, f"{place}: has no image"
    return name, file, image, ""
