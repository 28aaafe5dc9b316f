"""The sequential reader of a night: exposure by exposure, CCD by CCD, each wanted one decompressed once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from badexp_assets.errors import UnreadableImageError
from badexp_assets.night.params import PassParams
from badexp_assets.survey.cameras import Camera
from badexp_assets.survey.draw import draw_ccds
from badexp_assets.survey.exposure import CcdImage, CcdInfo, open_exposure


@dataclass(frozen=True)
class CcdRead:
    """A wanted CCD of exposure `expnum`: its image, or the reason why there is none. present: CCDNUMs in the file."""

    expnum: int
    ccd: CcdInfo
    drawn: bool
    present: frozenset[int]
    image: CcdImage | None
    reason: str | None = None


@dataclass(frozen=True)
class ExposureEnd:
    """All that was wanted of exposure `expnum` has been given.

    `present` are the CCDNUMs in its file, `problem` extensions that are no CCD; `reason` is set if it could not be
    opened.
    """

    expnum: int
    present: frozenset[int] = frozenset()
    problem: str | None = None
    reason: str | None = None


def choose_ccds(
    expnum: int, present: frozenset[int], labelled: set[int], params: PassParams
) -> tuple[frozenset[int], frozenset[int]]:
    """Return (CCDNUMs drawn for the vote, CCDNUMs to read: the drawn, the labelled, or all), of those `present`."""
    drawn = frozenset(draw_ccds(expnum, present, params.n_draw, params.seed))
    return drawn, present if params.all_ccds else drawn | (labelled & present)


def read_exposures(
    archive: Path,
    ready: Iterable[Mapping[str, Any]],
    camera: Camera,
    labelled: Mapping[int, set[int]],
    params: PassParams,
) -> Iterator[CcdRead | ExposureEnd]:
    """Yield every wanted CCD of every exposure of `ready` (rows of `list_exposures`), and an end after each exposure.

    CCDs come by CCDNUM. What can't be read is yielded with its reason; nothing is raised for it.
    """
    for row in ready:
        expnum = int(row["expnum"])
        ood = archive / row["ood"] if isinstance(row["ood"], str) else None
        try:
            exposure = open_exposure(archive / row["ooi"], ood, camera)
        except UnreadableImageError as error:
            yield ExposureEnd(expnum, reason=str(error))
            continue
        with exposure:
            present = frozenset(ccd.ccdnum for ccd in exposure.ccds)
            drawn, wanted = choose_ccds(expnum, present, set(labelled.get(expnum, ())), params)
            for ccd in exposure.ccds:
                if ccd.ccdnum not in wanted:
                    continue
                try:
                    image, reason = exposure.read(ccd.ccdnum), None
                except UnreadableImageError as error:
                    image, reason = None, str(error)
                yield CcdRead(expnum, ccd, ccd.ccdnum in drawn, present, image, reason)
            yield ExposureEnd(expnum, present, "; ".join(exposure.problems) or None)
