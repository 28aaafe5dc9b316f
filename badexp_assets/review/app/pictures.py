"""Pictures for the review app. They are addressed by exposure and CCD number only, and cached on disk."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from badexp_assets.config.settings import Settings
from badexp_assets.errors import InputError, UnreadableImageError
from badexp_assets.io.place import Place, Url, change_token
from badexp_assets.pixels.ccd_picture import ccd_picture, small_jpeg
from badexp_assets.review.app.home_tables import HomeTables
from badexp_assets.review.app.picture_cache import PictureCache
from badexp_assets.survey.cameras import Camera
from badexp_assets.survey.ccd_files import files_of_ccds, stands_for_ccd_files

if TYPE_CHECKING:
    from badexp_assets.survey.exposure import CcdImage

JPEG, PNG = "image/jpeg", "image/png"
SMALL = 280  # height of a picture in the grid, px
REDUCTIONS = {"newest": "path", "previous": "previous_path"}
"""reductions of an exposure that can be shown, with the column of night_exposures that names the file"""
_SMALL_CCD = 300  # width, px
_QUALITY = 82
_MADE_AS = "2"  # increased when the same pixels give another picture


class Pictures:
    """Makes pictures of exposures; each method returns (bytes, media type), or None if there is no such picture.

    Only files inside the archive are read (see `inside_archive`); the tables of nights give their paths.
    """

    def __init__(self, tables: HomeTables, settings: Settings, camera: Camera, cache: PictureCache) -> None:
        self._tables, self._settings, self._camera, self._cache = tables, settings, camera, cache
        self._drawing = threading.Lock()  # matplotlib is not thread-safe

    def mosaic(self, expnum: int, night: str, small: bool = False) -> tuple[bytes, str] | None:
        """Return the preview of the focal plane from the night pass, or a small copy of it."""
        if self._tables.row("night_previews", expnum, night, ("expnum",)) is None:
            return None

        def stored() -> bytes:
            return self._tables.blob("night_previews", "png", {"expnum": expnum}, night) or b""

        key = f"mosaic {expnum} {night} {self._version('night_previews', night)}"
        if small:
            return self._kept(f"small {key}", lambda: small_jpeg(self._kept(key, stored), SMALL, _QUALITY)), JPEG
        return self._kept(key, stored), PNG

    def patch_map(self, expnum: int, ccdnum: int) -> tuple[bytes, str] | None:
        """Return the anomaly map of candidate_explanations."""
        keys = {"expnum": expnum, "ccdnum": ccdnum}
        png = self._tables.blob("candidate_explanations", "map_png", keys)
        return (png, PNG) if png else None

    def whiskers(self, expnum: int, night: str) -> tuple[bytes, str] | None:
        """Return the orientations of sources and background with the reference: see `entropy.plots.plot_exposure`."""
        rows = self._tables.of_exposure("night_orientations", expnum, night)
        reference = self._tables.read("entropy_reference")
        if rows.empty or reference is None:
            return None

        def make() -> bytes:
            from badexp_assets.entropy.plots import plot_exposure

            with self._drawing:
                params = self._settings.options.entropy
                return plot_exposure(rows, reference, self._camera, params, f"orientations of {expnum}")

        versions = " ".join(sorted(set(reference["version"])))
        return self._kept(f"whiskers {expnum} {self._version('night_orientations', night)} {versions}", make), PNG

    def ccd(self, expnum: int, ccdnum: int, night: str, stretch: str, reduction: str = "newest") -> tuple[bytes, str]:
        """Return a CCD of one of REDUCTIONS in full resolution. Raises UnreadableImageError if it cannot be read."""
        from badexp_assets.review.app.ccd_pictures import STRETCHES, ccd_jpeg

        if stretch not in STRETCHES:
            raise InputError(f"stretch {stretch!r} is not known; allowed: {', '.join(STRETCHES)}")
        if reduction not in REDUCTIONS:
            raise InputError(f"reduction {reduction!r} is not known; allowed: {', '.join(REDUCTIONS)}")
        path = REDUCTIONS[reduction]
        return self._of_ccd(f"ccd {stretch}", expnum, ccdnum, night, lambda ccd: ccd_jpeg(ccd, stretch), path), JPEG

    def small_ccd(self, expnum: int, ccdnum: int, night: str) -> tuple[bytes, str]:
        """Return a thumbnail of a CCD, as in the reports."""

        def make(ccd: CcdImage) -> bytes:
            stream = io.BytesIO()
            ccd_picture(ccd, _SMALL_CCD).convert("L").save(stream, "JPEG", quality=_QUALITY)
            return stream.getvalue()

        return self._of_ccd("small ccd", expnum, ccdnum, night, make), JPEG

    def mask(self, expnum: int, ccdnum: int, night: str) -> tuple[bytes, str]:
        """Return the mask of a CCD, transparent for good pixels. Raises UnreadableImageError if there is none."""
        from badexp_assets.review.app.ccd_pictures import mask_png

        def make(ccd: CcdImage) -> bytes:
            if ccd.mask is None:
                raise UnreadableImageError(ccd.mask_problem or f"{expnum}: no mask (ood file) for {ccd.ccdname}")
            return mask_png(ccd)

        return self._of_ccd("mask", expnum, ccdnum, night, make, masked=True), PNG

    def _of_ccd(
        self,
        kind: str,
        expnum: int,
        ccdnum: int,
        night: str,
        make: Callable[[CcdImage], bytes],
        path: str = REDUCTIONS["newest"],
        masked: bool = False,
    ) -> bytes:
        from badexp_assets.survey.exposure import open_exposure

        row = self._tables.row("night_exposures", expnum, night)
        if row is None:
            raise UnreadableImageError(f"exposure {expnum}: night_exposures has no row with its path")
        if not row.get(path):
            raise UnreadableImageError(f"exposure {expnum}: no previous reduction was found in the archive")
        archive = self._settings.archive
        ooi = inside_archive(archive, str(row[path]), self._camera)
        ood = inside_archive(archive, str(row["ood"]), self._camera) if masked and row.get("ood") else None

        def read() -> bytes:
            with open_exposure(ooi, ood, self._camera) as exposure:
                return make(exposure.read(ccdnum))

        stats = [change_token(p) for place in (ooi, ood) if place is not None for p in _files_at(place, self._camera)]
        return self._kept(f"{kind} {ooi} {ccdnum} {stats}", read)

    def _kept(self, key: str, make: Callable[[], bytes]) -> bytes:
        return self._cache.get(f"{_MADE_AS} {key}", make)

    def _version(self, asset: str, night: str) -> str:
        return change_token(self._tables.home.table(asset, night)) or ""


def inside_archive(archive: Place | None, relative: str, camera: Camera) -> Place:
    """Return the file `relative` of the archive with all links resolved; behind a URL, pinned to its current version.

    Of a path with `{ccd}`, where each CCD has a file, the folder is resolved, and no file may lead out of the archive.
    Paths in tables are not trusted: raises UnreadableImageError if there is no archive or no such file, or if the file
    is outside of the archive by `..`, an absolute path or a link.
    """
    if archive is None:
        raise UnreadableImageError(f"{relative}: this home has no archive; start with --archive, or set BADEXP_ARCHIVE")
    if isinstance(archive, Url):
        return _below_url(archive, relative)
    if not stands_for_ccd_files(archive / relative, camera):
        return _below_folder(archive, relative)
    folder, _, name = relative.rpartition("/")
    files = _files_at(archive / relative, camera)
    if not files:
        raise UnreadableImageError(f"{relative}: not in the archive")
    for file in files:
        _below_folder(archive, str(PurePosixPath(folder, file.name)))
    return (archive / folder).resolve() / name


def _files_at(place: Place, camera: Camera) -> list[Place]:
    """Return the files at a place: several where it has `{ccd}`, and each CCD has a file."""
    return list(files_of_ccds(place, camera).values()) if stands_for_ccd_files(place, camera) else [place]


def _below_folder(archive: Path, relative: str) -> Path:
    root = archive.resolve()
    try:
        path = (root / relative).resolve(strict=True)
    except (OSError, RuntimeError, ValueError) as error:  # circular links, a null byte
        raise UnreadableImageError(f"{relative}: not in the archive") from error
    if not path.is_relative_to(root) or not path.is_file():
        raise UnreadableImageError(f"{relative}: not a file inside the archive; it is not read")
    return path


def _below_url(archive: Url, relative: str) -> Url:
    parts = PurePosixPath(relative).parts
    if not parts or relative.startswith("/") or ".." in parts or "::" in relative or not relative.isprintable():
        raise UnreadableImageError(f"{relative}: not a file inside the archive; it is not read")
    try:
        return (archive / relative).pin_version()
    except FileNotFoundError as error:
        raise UnreadableImageError(f"{relative}: not in the archive") from error
