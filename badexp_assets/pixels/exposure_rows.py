"""What one exposure gives to the night's tables, CCD by CCD."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from badexp_assets.config.night_pass import PassParams
from badexp_assets.errors import ModelError
from badexp_assets.pixels.measure_ccd import MeasuredCcd
from badexp_assets.pixels.mosaic import MosaicPlan, has_value, level_and_scale
from badexp_assets.pixels.previews import FocalPlane
from badexp_assets.pixels.reading_plan import OpenedExposure
from badexp_assets.pixels.stamp_sample import StampChoice
from badexp_assets.pixels.table_rows import ccd_row, exposure_row, key_columns
from badexp_assets.pixels.table_writers import PASS_TABLES
from badexp_assets.survey.cameras import Camera

if TYPE_CHECKING:
    from badexp_assets.vision.embedder import Embedder

Vectors = Iterable[tuple[tuple[int, int], np.ndarray]]


class ExposureRows:
    """Rows of one exposure, by table. Call `take` for every CCD until it is `complete`, then `finish`.

    The embedder is flushed after each exposure, so that its vectors depend on no other exposure: which images share a
    batch changes their last bits.
    """

    def __init__(
        self,
        opened: OpenedExposure,
        camera: Camera,
        labelled: set[int],
        embedder: Embedder,
        mosaic: MosaicPlan,
        mosaics: Embedder,
        params: PassParams,
    ) -> None:
        self._opened, self._labelled, self._embedder = opened, labelled, embedder
        self._mosaic, self._mosaics = mosaic, mosaics
        self._tiles: dict[int, np.ndarray] = {}
        self._rows: dict[str, list[dict[str, Any]]] = {name: [] for name in PASS_TABLES}
        self._pending: set[tuple[int, int]] = set()
        self._reasons: list[str] = []
        self._n_taken = 0
        self._stamps = StampChoice(params.stamps_per_exposure)
        self._plane: FocalPlane | None = None
        if opened.wanted and params.preview_height:
            self._plane = FocalPlane(camera, params.preview_height, opened.present)

    @property
    def expnum(self) -> int:
        """Exposure number."""
        return self._opened.expnum

    @property
    def complete(self) -> bool:
        """Whether all wanted CCDs were taken."""
        return self._n_taken == len(self._opened.wanted)

    def take(self, ccd: MeasuredCcd) -> None:
        """Add the rows of one CCD."""
        self._n_taken += 1
        ccdnum = ccd.task.ccd.ccdnum
        self._rows["night_ccds"].append(ccd_row(ccd, ccdnum in self._labelled))
        if ccd.reason is not None:
            self._reasons.append(ccd.reason)
            if self._plane is not None:
                self._plane.fail(ccdnum)
            return
        assert ccd.orientations is not None
        assert ccd.prepared is not None
        orientations = key_columns(ccd.task) | {"filter": self._opened.row["filter"]} | vars(ccd.orientations)
        self._rows["night_orientations"].append(orientations)
        self._stamps.offer(ccd.stamps)
        if self._plane is not None and ccd.tile is not None:
            self._plane.add(ccdnum, ccd.tile)
        if ccd.mosaic_tile is not None and has_value(ccd.mosaic_tile):
            self._tiles[ccdnum] = ccd.mosaic_tile
        key = (ccd.task.expnum, ccdnum)
        self._pending.add(key)
        self._store_vectors(self._embedder.add_prepared(key, ccd.prepared))

    def finish(self) -> dict[str, list[dict[str, Any]]]:
        """Return the rows of all tables. Raises ModelError when the embedder has not returned every vector."""
        self._store_vectors(self._embedder.flush())
        if self._pending:
            raise ModelError(
                f"backbone {self._embedder.backbone_id}: no vector for {len(self._pending)} CCD images, "
                f"(expnum, ccdnum) = {min(self._pending)} among them"
            )
        self._add_mosaic()
        row, expnum = self._opened.row, self._opened.expnum
        name = {"expnum": expnum, "filter": row["filter"]}
        self._rows["night_exposures"].append(self._outcome(row))
        self._rows["night_stamps"] += [
            name | {"ccdnum": stamp.ccdnum, "x": stamp.x, "y": stamp.y, "stamp": stamp.pixels.ravel()}
            for stamp in self._stamps.chosen()
        ]
        if self._plane is not None and self._n_taken > len(self._reasons):
            png = self._plane.render(self._labelled)
            width, height = self._plane.size
            preview = name | {"night": row["night"], "width": width, "height": height, "png": png}
            ccds = ",".join(str(ccdnum) for ccdnum in sorted(self._opened.present))
            self._rows["night_previews"].append(preview | {"ccds": ccds})
        return self._rows

    def _add_mosaic(self) -> None:
        """Embed the focal plane of the CCDs that were read; no row when none of their pixels has a value."""
        scale = level_and_scale(self._tiles)
        if scale is None:
            return
        prepared = self._mosaics.recipe.prepare(self._mosaic.draw(self._tiles), None, *scale)
        found = [*self._mosaics.add_prepared(self.expnum, prepared), *self._mosaics.flush()]
        if len(found) != 1:
            raise ModelError(f"backbone {self._mosaics.backbone_id}: no vector for the mosaic of {self.expnum}")
        row = {"expnum": self.expnum, "n_ccds": len(self._tiles)} | _made_by(self._mosaics)
        self._rows["night_mosaic_embeddings"].append(row | {"embedding": np.asarray(found[0][1], dtype=np.float32)})

    def _outcome(self, row: Mapping[str, Any]) -> dict[str, Any]:
        n_failed = len(self._reasons)
        n_read = self._n_taken - n_failed
        status, reason = "scored", None
        if not n_read:
            status = "failed"
            first = f": {self._reasons[0]}" if self._reasons else ""
            reason = self._opened.reason or f"none of {n_failed} CCDs could be read{first}"
        notes = (row["note"], self._opened.problem)
        return exposure_row(row, status, reason) | {
            "n_ccds_read": n_read,
            "n_ccds_failed": n_failed,
            "n_labelled_absent": len(self._labelled - self._opened.present),
            "note": "; ".join(note for note in notes if isinstance(note, str)) or None,
        }

    def _store_vectors(self, vectors: Vectors) -> None:
        for key, vector in vectors:
            self._pending.remove(key)
            row = {"expnum": key[0], "ccdnum": key[1]} | _made_by(self._embedder)
            self._rows["night_embeddings"].append(row | {"embedding": np.asarray(vector, dtype=np.float32)})


def _made_by(embedder: Embedder) -> dict[str, str]:
    return {"backbone": embedder.backbone_id, "recipe": embedder.recipe_id}
