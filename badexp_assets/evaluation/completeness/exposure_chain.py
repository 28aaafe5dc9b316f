"""The detection chain on one exposure: night pass, classifier, exposure decision and entropy scores."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from badexp_assets.classify.vote import votes_bad
from badexp_assets.errors import InputError
from badexp_assets.evaluation.completeness.results import Verdict
from badexp_assets.io.parquet_reading import read_table

if TYPE_CHECKING:
    from badexp_assets.classify.classifier import Classifier
    from badexp_assets.config.classifier_options import DecisionParams, VoteRule
    from badexp_assets.evaluation.completeness.entropy_cuts import EntropyCuts
    from badexp_assets.pixels.device_shares import PassSetup
    from badexp_assets.survey.cameras import Camera


@dataclass(frozen=True)
class Chain:
    """The detection chain, as configured for the survey.

    exposures, predictions, mosaics: the stored `night_exposures`, `night_predictions` and `night_mosaic_embeddings`, by
    night. The goals `capacity` and `purity` depend on the other exposures of the night, so an exposure is decided on
    together with them.
    """

    setup: PassSetup
    camera: Camera
    model: Classifier
    decision: DecisionParams
    vote: VoteRule
    reference: pd.DataFrame
    cuts: EntropyCuts
    exposures: Mapping[str, pd.DataFrame]
    predictions: Mapping[str, pd.DataFrame]
    mosaics: Mapping[str, pd.DataFrame]

    def check(self, night: str) -> None:
        """Raise InputError unless the stored predictions of `night` are of this model."""
        if night not in set(self.predictions):
            raise InputError(f"night_predictions: {night} is not stored; score the night (badexp run)")
        found = set(self.predictions[night]["model"])
        if found - {self.model.version}:
            raise InputError(
                f"night_predictions of {night}: made by model {', '.join(sorted(found))}, the current one is "
                f"{self.model.version}; score the night again (badexp run)"
            )

    def __call__(self, archive: Path, night: str, expnum: int, out: Path) -> Verdict:
        """Read the only exposure of `archive` and return the verdicts of the methods.

        The tables of the pass are written to the folder `out`. CCDs are chosen as in the night pass.
        """
        from badexp_assets.pixels.night_pass import run_pass
        from badexp_assets.pixels.night_tables import PASS_TABLES

        shutil.rmtree(out, ignore_errors=True)  # a pass reuses the tables that it finds
        # neither previews nor stamps are needed
        setup = self.setup._replace(params=replace(self.setup.params, preview_height=0, stamps_per_exposure=0))
        paths = {name: out / f"{name}.parquet" for name in PASS_TABLES}
        run_pass(archive, night, self.camera, *setup, paths)
        tables = {name: read_table(path) for name, path in paths.items()}
        is_bad, category, bad_ccds = self._classified(tables, night, expnum)
        seen = frozenset(int(n) for name in ("night_ccds", "night_focal_planes") for n in tables[name]["ccdnum"])
        return Verdict(is_bad, category, bad_ccds, self._flagged(tables), seen)

    def _classified(
        self, tables: Mapping[str, pd.DataFrame], night: str, expnum: int
    ) -> tuple[bool | None, str | None, frozenset[int]]:
        from badexp_assets import classify

        ccds, exposures = tables["night_ccds"], tables["night_exposures"]
        if tables["night_embeddings"].empty:
            return None, None, frozenset()
        features = classify.describe_ccds(ccds, exposures, tables["night_orientations"], self.camera)
        tokens = classify.FocalPlanes.of_table(tables["night_focal_planes"], self.camera)
        found = classify.predict_night(self.model, tables["night_embeddings"], ccds, features, tokens)
        others = self.predictions[night]
        together = pd.concat([others[others["expnum"] != expnum], found], ignore_index=True)
        stored = self.mosaics[night]
        planes = [stored[stored["expnum"] != expnum], tables["night_mosaic_embeddings"]]
        mosaics = classify.Mosaics.of_table(pd.concat(planes, ignore_index=True))
        decided = classify.decide_night(
            together, self.exposures[night], self.model, self.camera, self.decision, self.vote, mosaics
        ).set_index("expnum")
        if expnum not in decided.index:
            return None, None, frozenset()
        row = decided.loc[[expnum]].iloc[0]
        return bool(row["is_bad"]), str(row["category"]), called_bad_ccds(row, found, self.vote)

    def _flagged(self, tables: Mapping[str, pd.DataFrame]) -> bool | None:
        from badexp_assets.entropy.scores import score_exposures

        scores = score_exposures(
            tables["night_orientations"], tables["night_exposures"], self.reference, self.setup.entropy
        )
        return self.cuts.flagged(scores.iloc[0]) if len(scores) else None


def called_bad_ccds(decided: pd.Series, predictions: pd.DataFrame, vote: VoteRule) -> frozenset[int]:
    """Return the CCDNUMs that are called bad: those named in the exposure's row or, by the vote, those that vote bad.

    The row of an exposure that was decided by the vote of Luo et al. 2025 names no CCDs. `predictions`:
    `night_predictions` of the exposure.
    """
    if "bad_ccds" in decided:
        return frozenset(int(n) for n in str(decided["bad_ccds"]).split(",") if n)
    return frozenset(predictions.loc[votes_bad(predictions, vote), "ccdnum"].astype(int))
