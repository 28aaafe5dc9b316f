"""What of a night is to be read: exposure by exposure, which CCDs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from badexp_assets.config.night_pass import PassParams
from badexp_assets.errors import UnreadableImageError
from badexp_assets.io.place import Place, pin_if_exists
from badexp_assets.pixels.measure_ccd import CcdTask
from badexp_assets.pixels.previews import FocalPlane
from badexp_assets.survey.cameras import Camera
from badexp_assets.survey.exposure import open_exposure
from badexp_assets.survey.seeded_sampling import draw_ccds


@dataclass(frozen=True)
class OpenedExposure:
    """An exposure of which `wanted` CCDs follow, by CCDNUM.

    `row` is its row of `list_exposures`, `present` the CCDNUMs in its file, `problem` extensions that are no CCD;
    `reason` is set if it could not be opened.
    """

    row: Mapping[str, Any]
    present: frozenset[int] = frozenset()
    wanted: tuple[int, ...] = ()
    problem: str | None = None
    reason: str | None = None

    @property
    def expnum(self) -> int:
        """Exposure number."""
        return int(self.row["expnum"])


def choose_ccds(
    expnum: int, present: frozenset[int], labelled: Iterable[int], params: PassParams
) -> tuple[frozenset[int], frozenset[int]]:
    """Return (CCDNUMs drawn for the vote, CCDNUMs to read: the drawn, the labelled, or all), of those `present`."""
    drawn = frozenset(draw_ccds(expnum, present, params.n_draw, params.seed))
    return drawn, present if params.all_ccds else drawn | (frozenset(labelled) & present)


def plan_reading(
    archive: Place,
    ready: Iterable[Mapping[str, Any]],
    camera: Camera,
    labelled: Mapping[int, set[int]],
    params: PassParams,
) -> Iterator[OpenedExposure | CcdTask]:
    """Yield every exposure of `ready` (rows of `list_exposures`), each followed by its wanted CCDs, by CCDNUM.

    Only headers are read here; files behind URLs are read in the state in which they are now. An exposure that can't be
    opened is yielded with its reason; nothing is raised for it.
    """
    for row in ready:
        expnum = int(row["expnum"])
        ooi = archive / row["ooi"]
        ood = archive / row["ood"] if isinstance(row["ood"], str) else None
        try:
            with open_exposure(ooi, camera=camera) as exposure:
                ccds, problems = exposure.ccds, exposure.problems
                ooi = exposure.path
            ood = pin_if_exists(ood) if ood is not None else None
        except UnreadableImageError as error:
            yield OpenedExposure(row, reason=str(error))
            continue
        present = frozenset(ccd.ccdnum for ccd in ccds)
        drawn, wanted = choose_ccds(expnum, present, labelled.get(expnum, ()), params)
        slot = FocalPlane(camera, params.preview_height, present).slot if params.preview_height else None
        chosen = [ccd for ccd in ccds if ccd.ccdnum in wanted]
        numbers = tuple(ccd.ccdnum for ccd in chosen)
        yield OpenedExposure(row, present, numbers, "; ".join(problems) or None)
        for ccd in chosen:
            yield CcdTask(expnum, ooi, ood, ccd, ccd.ccdnum in drawn, slot)
