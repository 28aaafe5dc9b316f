"""The files of a night, grouped into exposures by their names alone."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from badexp_assets.survey.archive_tree import FoundFile, is_fits_name, printable
from badexp_assets.survey.camera_file import CCD_PLACE
from badexp_assets.survey.cameras import Camera
from badexp_assets.survey.cp_files import NOT_UTF8, PRODUCTS, UNRESOLVED, parse_name, unknown_name


@dataclass(frozen=True)
class ExposureFiles:
    """The files of one reduction of one exposure, relative to the archive, and the band in their names.

    ooi, ood, oow: as `open_fits` takes them, with `{ccd}` where each CCD has a file of its own. files: every file, by
    product.
    """

    ooi: str
    ood: str | None
    oow: str | None
    band: str
    fingerprint: str
    files: Mapping[str, tuple[str, ...]]

    @property
    def all_files(self) -> list[str]:
        """Every file of the exposure."""
        return [path for paths in self.files.values() for path in paths]


@dataclass(frozen=True)
class NightFiles:
    """Files of a night. `others`: the reason why a FITS file is neither an image nor the mask or weight map of one, by
    path. `unknown`: the stamps of those whose name is not understood; each could be an exposure. `writing`: files that
    were left out because they are still being written. All paths are `printable`.
    """

    night: str
    exposures: tuple[ExposureFiles, ...]
    others: Mapping[str, str] = field(default_factory=dict)
    unknown: Mapping[str, str] = field(default_factory=dict)
    writing: tuple[str, ...] = ()

    @property
    def n_files(self) -> int:
        """Number of files of the exposures."""
        return sum(len(exposure.all_files) for exposure in self.exposures)

    @property
    def fingerprint(self) -> str:
        """Hash over all exposures' fingerprints; it changes when a file is added, removed or written again."""
        return digest([*(f.fingerprint for f in self.exposures), *self.unknown.values()])


def group_files(night: str, files: Iterable[FoundFile], camera: Camera) -> NightFiles:
    """Group the `files` of a night, which are in the order of their folders, into exposures."""
    groups: dict[tuple[str, ...], dict[str, _Product]] = {}
    others: dict[str, str] = {}
    unknown: dict[str, str] = {}
    for file in files:
        folder, _, base = file.path.rpartition("/")
        parts = parse_name(base, camera)
        path = printable(file.path)
        if path != file.path or parts is None or parts.ccd == CCD_PLACE:
            others[path] = _why_unknown(file.path, camera)
            unknown[path] = file.stamp
            continue
        group = groups.setdefault((folder, *parts.exposure), {})
        path = f"{file.path.removesuffix(base)}{parts.together or base}"
        product = group.setdefault(parts.product, _Product(path, {}))
        ccd = camera.named_or_numbered(parts.ccd)
        # of a packed and a plain copy of one file, and of two files of one CCD, the first is used; but a copy that
        # is cut off, as by unpacking that was interrupted, must not hide a whole one
        used = product.files.setdefault(ccd.ccdnum if ccd else None, file)
        if used is not file:
            left_out = file
            if file.whole and not used.whole and not parts.together:
                group[parts.product] = _Product(path, {None: file})
                used, left_out = file, used
            others[left_out.path] = f"a second copy of {used.path.rpartition('/')[2]}"
    exposures = []
    for (_, _, _, _, band, *_), group in groups.items():
        for name, product in group.items():
            if "ooi" not in group:
                others |= dict.fromkeys(product.paths, f"{name} file of an exposure without ooi file")
            elif name not in PRODUCTS:
                others |= dict.fromkeys(product.paths, f"product {name} is not read")
        if "ooi" not in group:
            continue
        exposures.append(_exposure_files(group, camera.band(band) or ""))
    exposures.sort(key=lambda e: e.ooi)
    return NightFiles(night, tuple(exposures), dict(sorted(others.items())), dict(sorted(unknown.items())))


def _why_unknown(path: str, camera: Camera) -> str:
    if not is_fits_name(path.rpartition("/")[2]):
        return UNRESOLVED
    return unknown_name(camera) if printable(path) == path else NOT_UTF8


class _Product(NamedTuple):
    """The files of a product of an exposure: their common path, and the files by CCDNUM (None: one of all CCDs)."""

    path: str
    files: dict[int | None, FoundFile]

    @property
    def paths(self) -> tuple[str, ...]:
        return tuple(file.path for file in self.files.values())


def _exposure_files(group: Mapping[str, _Product], band: str) -> ExposureFiles:
    found = {product: group[product] for product in PRODUCTS if product in group}
    paths = {product: files.path for product, files in found.items()}
    fingerprint = digest([file.stamp for _, files in found.values() for file in files.values()])
    every = {product: files.paths for product, files in found.items()}
    return ExposureFiles(paths["ooi"], paths.get("ood"), paths.get("oow"), band, fingerprint, every)


def digest(parts: Iterable[str]) -> str:
    """Return a hash of `parts`."""
    return hashlib.blake2b("\n".join(parts).encode(), digest_size=16).hexdigest()
