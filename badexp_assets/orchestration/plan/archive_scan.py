"""Measures the size of an archive: names and sizes of all files, and the headers of a few."""

from __future__ import annotations

import statistics

from badexp_assets.errors import InputError, UnreadableImageError
from badexp_assets.io.place import Place, as_place
from badexp_assets.orchestration.plan.inputs import Archive
from badexp_assets.survey.archive import list_files_outside
from badexp_assets.survey.archive_tree import raise_unreadable
from badexp_assets.survey.cameras import Camera
from badexp_assets.survey.exposure import open_exposure
from badexp_assets.survey.night_files import ExposureFiles, group_files
from badexp_assets.survey.night_folders import files_of_night, night_folders

_MAX_OPENED = 8  # exposures whose headers are read


def list_left_out(archive: Place, camera: Camera) -> dict[str, str]:
    """Return the FITS files of `archive` that are not read as part of an exposure, with the reason, by path."""
    archive = as_place(archive)
    left_out = list_files_outside(archive, camera)
    for night, folder in night_folders(archive, camera, raise_unreadable):
        left_out |= group_files(night, files_of_night(archive, folder, night, camera), camera).others
    return left_out


def scan_archive(archive: Place, camera: Camera, n_read: int | None) -> Archive:
    """Return the size of the Community Pipeline tree `archive` if `n_read` CCDs of each exposure are read; None: all.

    Raises InputError for a tree without a readable image.
    """
    n_exposures, size = 0, 0
    nights: set[str] = set()
    sample: list[ExposureFiles] = []
    for night, folder in night_folders(as_place(archive), camera, raise_unreadable):
        found = files_of_night(as_place(archive), folder, night, camera)
        sizes = {file.path: max(0, file.size) for file in found}
        exposures = group_files(night, found, camera).exposures
        n_exposures += len(exposures)
        size += sum(sizes[path] for e in exposures for of in ("ooi", "ood") for path in e.files.get(of, ()))
        nights |= {night} if exposures else set()
        sample += exposures[:1]
    shapes = _shapes(as_place(archive), sample, camera)
    if not shapes:
        raise InputError(f"archive {archive}: none of the {len(sample)} exposures that were tried can be opened")
    n_ccds = round(statistics.median(n for n, _ in shapes))
    return Archive(
        exposures=n_exposures,
        nights=len(nights),
        images_per_exposure=n_ccds if n_read is None else min(n_read, n_ccds),
        ccds_in_file=n_ccds,
        exposure_bytes=size / n_exposures,
        megapixels=statistics.median(pixels for _, pixels in shapes),
    )


def _shapes(archive: Place, sample: list[ExposureFiles], camera: Camera) -> list[tuple[int, float]]:
    """Return the number of CCDs and 10^6 pixels per CCD of a few exposures spread over the sample."""
    found = []
    for files in sample[:: max(1, len(sample) // _MAX_OPENED)]:
        try:
            with open_exposure(archive / files.ooi, camera=camera) as exposure:
                if exposure.ccds:
                    image = exposure.read(exposure.ccds[0].ccdnum).image
                    found.append((len(exposure.ccds), image.size / 1e6))
        except UnreadableImageError:
            continue
    return found
