"""What one exposure gives to the night's tables, CCD by CCD."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from badexp_assets.errors import InputError, ModelError
from badexp_assets.night.features import CcdFeatures, measure_features
from badexp_assets.night.params import PassParams
from badexp_assets.night.previews import FocalPlane
from badexp_assets.night.reading import CcdRead, ExposureEnd
from badexp_assets.night.rows import ccd_row, exposure_row, key_columns
from badexp_assets.night.stamps import StampChoice
from badexp_assets.night.tables import PassTables
from badexp_assets.survey.cameras import Camera
from badexp_assets.survey.exposure import CcdImage

if TYPE_CHECKING:
    from badexp_assets.entropy import CcdOrientations, EntropyParams
    from badexp_assets.vision import Embedder

Vectors = Iterable[tuple[tuple[int, int], np.ndarray]]


class ExposurePass:
    """Measures the CCDs of one exposure after the other; keeps only what is known of the exposure being read.

    Call `take` for every CCD, `finish` after each exposure, `flush` at the end of the night.
    """

    def __init__(
        self,
        tables: PassTables,
        camera: Camera,
        labelled: Mapping[int, set[int]],
        embedder: Embedder,
        entropy: EntropyParams,
        params: PassParams,
    ) -> None:
        self._tables, self._camera, self._labelled = tables, camera, labelled
        self._embedder, self._entropy, self._params = embedder, entropy, params
        self._pending: set[tuple[int, int]] = set()
        self._clear()

    def _clear(self) -> None:
        self._n_read = 0
        self._reasons: list[str] = []
        self._plane: FocalPlane | None = None
        self._stamps: StampChoice | None = None

    def take(self, row: Mapping[str, Any], read: CcdRead) -> None:
        """Measure one CCD and store what it gives."""
        if self._plane is None and self._params.preview_height:
            self._plane = FocalPlane(self._camera, self._params.preview_height, read.present)
        if self._stamps is None:
            self._stamps = StampChoice(self._params.stamps_per_exposure, read.expnum, self._params.seed)
        image, reason = read.image, read.reason
        features = measure_features(image) if image is not None else None
        where = f"{row['path']}[{read.ccd.ccdname}]"
        if image is None or features is None:
            self._fail(read, None, reason or f"{where}: not read")
            return
        if features.sky is None or features.noise is None:
            self._fail(read, features, f"{where}: {features.reason}")
            return
        try:
            found = self._orientations(read, image)
            key = (read.expnum, read.ccd.ccdnum)
            noise = features.noise or 1.0  # a constant image is embedded too: nothing divides by its noise
            vectors = self._embedder.add(key, image.image, image.mask, features.sky, noise)
        except InputError as error:
            self._fail(read, features, f"{where}: {error}")
            return
        self._pending.add(key)
        self._store_vectors(vectors)
        self._n_read += 1
        self._tables.add("night_ccds", ccd_row(read, self._is_labelled(read), features, found.n_sources, None))
        self._tables.add(
            "night_orientations",
            key_columns(read)
            | {
                "filter": row["filter"],
                "n_sources": found.n_sources,
                "source_counts": found.source_counts,
                "n_points": found.n_points,
                "gradient_counts": found.gradient_counts,
            },
        )
        if read.drawn or self._params.all_ccds:  # so that labels do not change what the autoencoder sees
            self._stamps.offer(read.ccd.ccdnum, found)
        if self._plane is not None:
            self._plane.add(image)

    def finish(self, row: Mapping[str, Any], end: ExposureEnd) -> None:
        """Store what is known only when all CCDs of the exposure have been read."""
        labelled = self._labelled.get(end.expnum, set())
        name = {"expnum": end.expnum, "filter": row["filter"]}
        self._tables.add(
            "night_exposures", self._outcome(row, end) | {"n_labelled_absent": len(labelled - end.present)}
        )
        for ccdnum, x, y, stamp in self._stamps.chosen() if self._stamps else ():
            self._tables.add("night_stamps", name | {"ccdnum": ccdnum, "x": x, "y": y, "stamp": stamp.ravel()})
        if self._plane is not None and self._n_read:
            png = self._plane.render(labelled)
            width, height = self._plane.size
            self._tables.add(
                "night_previews", name | {"night": row["night"], "width": width, "height": height, "png": png}
            )
        self._clear()

    def flush(self) -> None:
        """Store the vectors still in the embedder. Raises ModelError when it has not returned one for every CCD."""
        self._store_vectors(self._embedder.flush())
        if self._pending:
            raise ModelError(
                f"backbone {self._embedder.backbone_id}: no vector for {len(self._pending)} CCD images, "
                f"(expnum, ccdnum) = {min(self._pending)} among them"
            )

    def _outcome(self, row: Mapping[str, Any], end: ExposureEnd) -> dict[str, Any]:
        n_failed = len(self._reasons)
        status, reason = "scored", None
        if not self._n_read:
            status = "failed"
            first = f": {self._reasons[0]}" if self._reasons else ""
            reason = end.reason or f"none of {n_failed} CCDs could be read{first}"
        notes = (row["note"], end.problem)
        return exposure_row(row, status, reason) | {
            "n_ccds_read": self._n_read,
            "n_ccds_failed": n_failed,
            "note": "; ".join(note for note in notes if isinstance(note, str)) or None,
        }

    def _orientations(self, read: CcdRead, image: CcdImage) -> CcdOrientations:
        from badexp_assets.entropy import measure_ccd

        seed = (self._params.seed, read.expnum, read.ccd.ccdnum)
        saturate = np.inf if image.saturate is None else image.saturate
        return measure_ccd(image.image, image.mask, self._entropy, seed, saturate)

    def _fail(self, read: CcdRead, features: CcdFeatures | None, reason: str) -> None:
        self._reasons.append(reason)
        if self._plane is not None:
            self._plane.fail(read.ccd.ccdnum)
        self._tables.add("night_ccds", ccd_row(read, self._is_labelled(read), features, None, reason))

    def _is_labelled(self, read: CcdRead) -> bool:
        return read.ccd.ccdnum in self._labelled.get(read.expnum, ())

    def _store_vectors(self, vectors: Vectors) -> None:
        for key, vector in vectors:
            self._pending.remove(key)
            self._tables.add(
                "night_embeddings",
                {
                    "expnum": key[0],
                    "ccdnum": key[1],
                    "backbone": self._embedder.backbone_id,
                    "recipe": self._embedder.recipe_id,
                    "embedding": np.asarray(vector, dtype=np.float32),
                },
            )
