"""How large an archive is."""

from __future__ import annotations

import statistics
from dataclasses import dataclass

from badexp_assets.errors import InputError, UnreadableImageError
from badexp_assets.io.place import Place, as_place
from badexp_assets.orchestration.plan.number_checks import need_number
from badexp_assets.survey.archive import ExposureFiles, group_files
from badexp_assets.survey.archive_tree import list_folder, night_folders
from badexp_assets.survey.cameras import Camera
from badexp_assets.survey.exposure import open_exposure

_OPENED = 8  # exposures whose headers are read


@dataclass(frozen=True)
class Archive:
    """Exposures to read. Raises InputError for a value out of range.

    `images_per_exposure`: CCDs that are read of the `ccds_in_file`; `exposure_bytes`: of its image and mask files;
    `megapixels`: 10^6 pixels of a CCD. `whole_files`: storage gives files as a whole only (downloads, `.gz`), else the
    CCDs that are read. `mosaics`: the network also sees every focal plane, as the night pass does.
    """

    exposures: int
    nights: int
    images_per_exposure: int = 20
    ccds_in_file: int = 60
    exposure_bytes: float = 380e6
    megapixels: float = 8.4
    whole_files: bool = False
    mosaics: bool = True

    def __post_init__(self) -> None:
        need_number("exposures", self.exposures, 1, whole=True)
        need_number("nights", self.nights, 1, whole=True)
        need_number("ccds-per-exposure", self.images_per_exposure, 1, whole=True)
        need_number("file-size", self.exposure_bytes, above=True)
        need_number("ccd-megapixels", self.megapixels, above=True)
        if self.ccds_in_file < self.images_per_exposure:
            raise InputError(
                f"ccds-in-file: {self.ccds_in_file}, and {self.images_per_exposure} of them are to be read"
            )

    @property
    def images(self) -> int:
        """CCD images that are read."""
        return self.exposures * self.images_per_exposure

    @property
    def bytes_read(self) -> float:
        """Bytes that are moved from the storage."""
        share = 1.0 if self.whole_files else self.images_per_exposure / self.ccds_in_file
        return self.exposures * self.exposure_bytes * share


def scan_archive(archive: Place, camera: Camera, n_draw: int) -> Archive:
    """Return the size of the CP tree `archive`: names and sizes of all files, headers of a few.

    Of each exposure `n_draw` CCDs are read, or all that it has. Raises InputError for a tree without a readable image.
    """
    n_exposures, size = 0, 0
    nights: set[str] = set()
    sample: list[ExposureFiles] = []
    for night, folder in night_folders(as_place(archive), _refuse):
        found, _ = list_folder(as_place(archive), folder)
        sizes = {file.path: max(0, file.size) for file in found}
        exposures = group_files(night, found).exposures
        n_exposures += len(exposures)
        size += sum(sizes[path] for e in exposures for path in (e.ooi, e.ood) if path is not None)
        nights |= {night} if exposures else set()
        sample += exposures[:1]
    shapes = _shapes(as_place(archive), sample, camera)
    if not shapes:
        raise InputError(f"archive {archive}: none of {len(sample)} exposures looked at can be opened")
    n_ccds = round(statistics.median(n for n, _ in shapes))
    return Archive(
        exposures=n_exposures,
        nights=len(nights),
        images_per_exposure=min(n_draw, n_ccds),
        ccds_in_file=n_ccds,
        exposure_bytes=size / n_exposures,
        megapixels=statistics.median(pixels for _, pixels in shapes),
    )


def _shapes(archive: Place, sample: list[ExposureFiles], camera: Camera) -> list[tuple[int, float]]:
    """CCDs and 10^6 pixels of a CCD, of a few exposures spread over the sample."""
    found = []
    for files in sample[:: max(1, len(sample) // _OPENED)]:
        try:
            with open_exposure(archive / files.ooi, camera=camera) as exposure:
                if exposure.ccds:
                    image = exposure.read(exposure.ccds[0].ccdnum).image
                    found.append((len(exposure.ccds), image.size / 1e6))
        except UnreadableImageError:
            continue
    return found


def _refuse(error: OSError) -> None:
    raise InputError(f"archive: {error.filename} can't be read ({error.strerror})") from error
