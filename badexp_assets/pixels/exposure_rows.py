"""Rows that one exposure adds to the night's tables, collected CCD by CCD."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from badexp_assets.config.night_options import PassParams
from badexp_assets.errors import ModelError
from badexp_assets.pixels.focal_plane_images import MosaicImages, MosaicRenderer, PlaneImages, PlaneImagesTask
from badexp_assets.pixels.measure_ccd import MeasuredCcd
from badexp_assets.pixels.mosaic import MosaicPlan
from badexp_assets.pixels.night_tables import MISSING, PASS_TABLES
from badexp_assets.pixels.previews import FocalPlane
from badexp_assets.pixels.stamps import StampsOfExposure
from badexp_assets.survey.cameras import Camera

if TYPE_CHECKING:
    from badexp_assets.vision.embedder import Embedder
    from badexp_assets.vision.focal_plane_tokens import FocalPlaneEmbedder

_ABSENT = {
    "ccdname": "",
    "status": "absent",
    "status_reason": "the exposure's file has no such CCD",
    "drawn": False,
    "has_mask": False,
}
TableRows = dict[str, list[dict[str, Any]]]
"""rows by table"""
Embedding = Callable[[], TableRows]
"""computes vectors and returns their rows"""


@dataclass(frozen=True)
class OpenedExposure:
    """An exposure, which is followed by its `wanted` CCDs, in order of CCDNUM.

    `row`: its row of `list_exposures`; `place`: among the exposures that are read, from 0; `present`: CCDNUMs in its
    file; `problem`: extensions that are not CCDs; `reason`: why it could not be opened; `absent`: CCDNUMs that were
    asked for and are not in the file; `missing`: those that it should have, with the reason; `only_seen`: CCDNUMs
    that are shown on the focal plane and not measured, which come in between.
    """

    row: Mapping[str, Any]
    place: int
    present: frozenset[int] = frozenset()
    wanted: tuple[int, ...] = ()
    problem: str | None = None
    reason: str | None = None
    absent: tuple[int, ...] = ()
    missing: Mapping[int, str] = field(default_factory=dict)
    only_seen: frozenset[int] = frozenset()

    @property
    def expnum(self) -> int:
        """Exposure number."""
        return int(self.row["expnum"])


class PlaneEmbedders(NamedTuple):
    """Layout of mosaics, the embedder of a whole one, and that of the CCDs in it, which are `ccdnums` in this order."""

    plan: MosaicPlan
    whole: Embedder
    ccds: FocalPlaneEmbedder
    ccdnums: tuple[int, ...]

    @property
    def renderer(self) -> MosaicRenderer:
        """Makes the images that both embedders take."""
        return MosaicRenderer(self.plan, self.whole.recipe, self.ccds.renderer)


class ExposureRows:
    """Rows of one exposure, by table. Call `take` for each CCD and `store` for each embedding until it is `finished`.

    `planes`: the embedders of the mosaic of the focal plane; None: no mosaic is made. `start_images` starts a
    PlaneImagesTask and returns a function that waits for its images.

    CCDs may be taken in any order; they are used in that of `opened.wanted`. The last bits of a vector depend on which
    images share its batch, so batches are made in this order, and hold images of this exposure only.
    """

    def __init__(
        self,
        opened: OpenedExposure,
        camera: Camera,
        embedder: Embedder,
        planes: PlaneEmbedders | None,
        params: PassParams,
        start_images: Callable[[PlaneImagesTask], Callable[[], PlaneImages]],
    ) -> None:
        self._opened, self._embedder, self._planes, self._start_images = opened, embedder, planes, start_images
        self._early: dict[int, MeasuredCcd] = {}  # by CCDNUM, taken before one that comes first
        self._batch: list[MeasuredCcd] = []
        self._n_embedding = 0  # embeddings that are not stored yet
        self._tiles: dict[int, np.ndarray] = {}
        self._rows: TableRows = {name: [] for name in PASS_TABLES}
        self._reasons: list[str] = []
        self._n_added = 0
        self._n_seen = 0  # of the CCDs that are only seen, unreadable ones included
        self._unseen: list[str] = []  # reasons
        self._stamps = StampsOfExposure(params.stamps_per_exposure)
        self._rows["night_ccds"] += [{"expnum": opened.expnum, "ccdnum": n} | _ABSENT for n in opened.absent]
        self._rows["night_ccds"] += missing_rows(opened.row, opened.missing, camera)
        self._plane: FocalPlane | None = None
        if opened.wanted and params.preview_height:
            self._plane = FocalPlane(camera, params.preview_height, opened.present)

    @property
    def n_early(self) -> int:
        """Number of CCDs that wait for one that comes before them."""
        return len(self._early)

    @property
    def finished(self) -> bool:
        """Whether all CCDs were taken and all embeddings stored."""
        return self._complete and not self._n_embedding

    @property
    def _complete(self) -> bool:
        return self._n_added == len(self._opened.wanted) and self._n_seen == len(self._opened.only_seen)

    def take(self, ccd: MeasuredCcd) -> list[Embedding]:
        """Add a CCD and return the embeddings that can be computed now, in the order in which to store their rows.

        The last one makes the rows of the focal plane as a whole, its preview included. They may run in another thread,
        and raise ModelError if the embedder does not return every vector.
        """
        wanted, found = self._opened.wanted, list[Embedding]()
        if ccd.task.only_seen:
            self._see(ccd)
        else:
            self._early[ccd.task.ccd.ccdnum] = ccd
        while self._n_added < len(wanted) and (following := self._early.pop(wanted[self._n_added], None)):
            self._add(following)
            if self._batch and (self._n_added == len(wanted) or len(self._batch) == self._embedder.batch_size):
                found.append(partial(_embed, self._embedder, self._batch))
                self._batch = []
        if self._complete and (self._planes is not None or self._plane is not None):
            mosaics = self._planes.renderer if self._planes is not None else None
            task = PlaneImagesTask(self._opened.expnum, self._plane, self._tiles, mosaics)
            found.append(partial(self._plane_rows, self._start_images(task)))
        self._n_embedding += len(found)
        return found

    def store(self, rows: TableRows) -> None:
        """Add what an embedding of `take` returned."""
        self._n_embedding -= 1
        for name, made in rows.items():
            self._rows[name] += made

    def finish(self) -> TableRows:
        """Return the rows of all tables."""
        row, expnum = self._opened.row, self._opened.expnum
        name = {"expnum": expnum, "filter": row["filter"]}
        self._rows["night_exposures"].append(self._outcome(row))
        self._rows["night_stamps"] += [name | stamp for stamp in self._stamps.rows()]
        self._rows["night_ccds"].sort(key=lambda ccd: ccd["ccdnum"])
        return self._rows

    def _add(self, ccd: MeasuredCcd) -> None:
        self._n_added += 1
        ccdnum = ccd.task.ccd.ccdnum
        keys = {"expnum": ccd.task.expnum, "ccdnum": ccdnum}
        self._rows["night_ccds"].append(keys | _ccd_row(ccd))
        if ccd.reason is not None:
            self._reasons.append(ccd.reason)
            self._show(ccd)
            return
        assert ccd.orientations is not None
        assert ccd.stamps is not None
        orientations = keys | {"filter": self._opened.row["filter"]} | vars(ccd.orientations)
        self._rows["night_orientations"].append(orientations)
        self._stamps.offer(ccd.stamps)
        self._show(ccd)
        self._batch.append(replace(ccd, stamps=None))

    def _see(self, ccd: MeasuredCcd) -> None:
        """Add a CCD that is only seen."""
        self._n_seen += 1
        if ccd.reason is not None:
            self._unseen.append(ccd.reason)
        self._show(ccd)

    def _show(self, ccd: MeasuredCcd) -> None:
        """Add the tiles of a CCD to the images of the focal plane."""
        ccdnum = ccd.task.ccd.ccdnum
        if self._plane is not None and ccd.reason is not None:
            self._plane.fail(ccdnum)
        elif self._plane is not None and ccd.tile is not None:
            self._plane.add(ccdnum, ccd.tile)
        if self._planes is not None and ccd.mosaic_tile is not None and np.isfinite(ccd.mosaic_tile).any():
            self._tiles[ccdnum] = ccd.mosaic_tile

    def _plane_rows(self, wait: Callable[[], PlaneImages]) -> TableRows:
        """Return the rows of the focal plane as a whole. `wait` returns its images once they are made."""
        images, row, expnum = wait(), self._opened.row, self._opened.expnum
        rows: TableRows = {}
        if images.png is not None and self._plane is not None:
            width, height = self._plane.size
            ccds = ",".join(str(ccdnum) for ccdnum in sorted(self._opened.present))
            keys = {"expnum": expnum, "filter": row["filter"], "night": row["night"]}
            rows["night_previews"] = [keys | {"width": width, "height": height, "png": images.png, "ccds": ccds}]
        if images.mosaic is not None and self._planes is not None:
            rows |= _embed_mosaic(self._planes, expnum, images.mosaic)
        return rows

    def _outcome(self, row: Mapping[str, Any]) -> dict[str, Any]:
        n_failed = len(self._reasons)
        n_read = self._n_added - n_failed
        status, reason = "scored", None
        if not n_read:
            status = "failed"
            first = f": {self._reasons[0]}" if self._reasons else ""
            reason = self._opened.reason or f"none of {n_failed} CCDs could be read{first}"
        unseen = None
        if self._unseen:
            which = f"{len(self._unseen)} CCDs that were" if len(self._unseen) > 1 else "1 CCD that was"
            unseen = f"{which} not sampled can't be shown on the focal plane: {min(self._unseen)}"
        notes = (row["note"], self._opened.problem, unseen)
        return exposure_row(row, status, reason) | {
            # of the camera; the header of the file also counts other extensions, and a second one of a CCD
            "n_ccds": len(self._opened.present),
            "n_ccds_read": n_read,
            "n_ccds_failed": n_failed,
            "note": "; ".join(note for note in notes if isinstance(note, str)) or None,
        }


def _embed(embedder: Embedder, batch: list[MeasuredCcd]) -> TableRows:
    keys = [(ccd.task.expnum, ccd.task.ccd.ccdnum) for ccd in batch]
    vectors = dict(embedder.embed(keys, [ccd.prepared for ccd in batch if ccd.prepared is not None]))
    for ccd in batch:
        if ccd.free is not None:
            ccd.free()
    missing = [key for key in keys if key not in vectors]
    if missing:
        raise ModelError(
            f"backbone {embedder.backbone_id}: no vector for {len(missing)} CCD images, "
            f"(expnum, ccdnum) = {missing[0]} among them"
        )
    rows = [{"expnum": e, "ccdnum": c} | _vector_columns(embedder, vector) for (e, c), vector in vectors.items()]
    return {"night_embeddings": rows}


def _embed_mosaic(planes: PlaneEmbedders, expnum: int, mosaic: MosaicImages) -> TableRows:
    """Embed the mosaic of the CCDs that were read or seen, as a whole and by CCD."""
    whole = planes.whole
    found = whole.embed([expnum], [mosaic.prepared])
    if len(found) != 1:
        raise ModelError(f"backbone {whole.backbone_id}: no vector for the mosaic of {expnum}")
    row = {"expnum": expnum, "n_ccds": mosaic.n_ccds} | _vector_columns(whole, found[0][1])
    (tokens,) = planes.ccds.embed_rendered([mosaic.rendered])
    limit = np.finfo(np.float16).max
    ids = {"expnum": expnum, "backbone": planes.ccds.backbone_id, "recipe": planes.ccds.recipe_id}
    rows = [
        ids | {"ccdnum": ccdnum, "token": np.clip(token, -limit, limit).astype(np.float16)}
        for ccdnum, token in sorted(zip(planes.ccdnums, tokens, strict=True), key=lambda pair: pair[0])
        if np.isfinite(token).all()
    ]
    return {"night_mosaic_embeddings": [row], "night_focal_planes": rows}


def _vector_columns(embedder: Embedder, vector: np.ndarray) -> dict[str, Any]:
    ids = {"backbone": embedder.backbone_id, "recipe": embedder.recipe_id}
    return ids | {"embedding": np.asarray(vector, dtype=np.float32)}


def _ccd_row(ccd: MeasuredCcd) -> dict[str, Any]:
    """Return the columns of `night_ccds` except the keys; status_reason is None for a CCD that was read."""
    features = ccd.features
    notes = (ccd.mask_problem, features.reason if features else None)
    return {
        "ccdname": ccd.task.ccd.ccdname,
        "status": "read" if ccd.reason is None else "failed",
        "status_reason": ccd.reason,
        "drawn": ccd.task.drawn,
        "height": ccd.height,
        "width": ccd.width,
        "sky": features.sky if features else None,
        "noise": features.noise if features else None,
        "fwhm": ccd.fwhm,
        "n_sources": ccd.orientations.n_sources if ccd.orientations else None,
        "saturated_fraction": features.saturated_fraction if features else None,
        "masked_fraction": features.masked_fraction if features else None,
        "has_mask": ccd.has_mask,
        "note": "; ".join(n for n in notes if n) or None,
        **_measured(ccd.structure),
        **_measured(ccd.shapes),
    }


def _measured(part: Any) -> dict[str, float | None]:
    """Return the fields of `part` with None for NaN; no fields for None, because the columns are nullable."""
    values = {} if part is None else asdict(part)
    return {name: value if math.isfinite(value) else None for name, value in values.items()}


def missing_rows(row: Mapping[str, Any], missing: Mapping[int, str], camera: Camera) -> list[dict[str, Any]]:
    """Return rows of `night_ccds` for the CCDs that an exposure should have: the reasons by CCDNUM in `missing`."""
    return [
        {
            "expnum": int(row["expnum"]),
            "ccdnum": ccdnum,
            **_ABSENT,
            "ccdname": camera.by_number[ccdnum].ccdname,
            "status": MISSING,
            "status_reason": f"{row['path']}: {reason}",
        }
        for ccdnum, reason in missing.items()
    ]


def exposure_row(row: Mapping[str, Any], status: str, reason: str | None) -> dict[str, Any]:
    """Return a row of `night_exposures` from a row of `list_exposures`, with counts of CCDs still 0."""
    counts = dict.fromkeys(("n_ccds_read", "n_ccds_failed"), 0)
    return {**row, "status": status, "status_reason": reason} | counts
