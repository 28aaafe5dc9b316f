"""The training set: labelled bad images and drawn good ones, balanced, split by exposure; every step counted."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from badexp_assets.errors import InputError
from badexp_assets.labels.taxonomy import GOOD, Taxonomy
from badexp_assets.tables.schemas import SCHEMAS
from badexp_assets.training.good import choose_good, draw_per_exposure
from badexp_assets.training.params import TrainingParams
from badexp_assets.training.split import priority, split_exposures

_KEY = ["expnum", "ccdnum"]


@dataclass
class Funnel:
    """Counts of exposures and CCD images after each step, in order."""

    rows: list[tuple[str, int, int, str]] = field(default_factory=list)

    def add(self, step: str, ccds: pd.DataFrame, note: str = "") -> None:
        """Count the exposures and rows of `ccds` (a table with expnum, one row per CCD image)."""
        self.rows.append((step, int(ccds["expnum"].nunique()), len(ccds), note))

    def table(self) -> pd.DataFrame:
        """Columns step, exposures, ccds, note."""
        return pd.DataFrame(self.rows, columns=["step", "exposures", "ccds", "note"])


@dataclass(frozen=True)
class TrainingSet:
    """The table (`training_set` schema), how it came about, and labelled CCD images that could not be used.

    `missing`: expnum, ccdnum, category, source, reason.
    """

    table: pd.DataFrame
    funnel: pd.DataFrame
    missing: pd.DataFrame
    warnings: tuple[str, ...] = ()


def build_training_set(
    labels: pd.DataFrame,
    exposures: pd.DataFrame,
    ccds: pd.DataFrame,
    survey_ccds: pd.DataFrame | None,
    taxonomy: Taxonomy,
    params: TrainingParams | None = None,
    listed: Iterable[int] | None = None,
) -> TrainingSet:
    """Build the training set from `bad_ccd_labels`, and from `night_exposures` and `night_ccds` of all nights.

    Only CCD images that were read (status `read`) are used; labelled ones that were not are listed in `missing`.
    Bad: labels of the taxonomy's trained categories. Good: scored exposures that are in no list (`listed`: exposure
    numbers on any line of any list, ignored and unmatched lines too; labelled exposures always count), without a
    ccd_cuts bit and below max_ebv where the survey table knows them; without any E(B-V) there is a warning and no cut.
    Large categories keep a share of their exposures, chosen by a hash of the exposure number, at least one; weight is
    1 / kept share of CCD images. Split and folds by exposure: see `split_exposures`; the category of an exposure with
    several is that of most of its images. The same input and seed give the same table, whatever the order of rows.

    Raises InputError when no labelled image, no good candidate, or (with hold_out_nights) no image of a side is there.
    """
    params = params or TrainingParams()
    funnel = Funnel()
    exposures = exposures.drop_duplicates("expnum", keep="last")
    read = ccds.loc[ccds["status"] == "read", _KEY].drop_duplicates().astype({"expnum": "int64", "ccdnum": "int16"})
    read = read[read["expnum"].isin(exposures["expnum"])].sort_values(_KEY).reset_index(drop=True)
    bad, missing = _bad(labels, exposures, ccds, read, taxonomy, params, funnel)
    everywhere = {int(e) for e in labels["expnum"]}
    everywhere |= {int(e) for e in ([] if listed is None else listed) if not pd.isna(e)}
    good, warnings = choose_good(exposures, read, everywhere, survey_ccds, params, funnel)
    if bad.empty:
        raise InputError(
            "training set: no labelled bad CCD image was read; add label files that name exposures of the archive, or "
            "materialise the nights of the labelled exposures"
        )
    if good.empty:
        raise InputError(
            "training set: no good candidate is left; materialise nights with exposures that are in no label list, or "
            f"relax the cuts ({'; '.join(f'{r[0]}: {r[1]} exposures' for r in funnel.rows if r[0].startswith('good'))})"
        )
    table = pd.concat(
        [bad, good.assign(category=GOOD, source="candidate", weight=1.0)], ignore_index=True
    )  # a good exposure is in no list, so no CCD image is on both sides
    table = table.merge(exposures[["expnum", "night"]], on="expnum", how="left")
    sides = _split(table, params)
    table = table.merge(sides, on="expnum", how="left").sort_values(_KEY).reset_index(drop=True)
    for side in ("train", "test"):
        note = f"{params.folds} folds" if side == "train" else _share_note(params)
        funnel.add(side, table[table["split"] == side], note)
    columns = SCHEMAS["training_set"].column_names
    table = table[columns].astype({"expnum": "int64", "ccdnum": "int16", "fold": "int8", "weight": "float32"})
    return TrainingSet(table, funnel.table(), missing, tuple(warnings))


def _bad(
    labels: pd.DataFrame,
    exposures: pd.DataFrame,
    ccds: pd.DataFrame,
    read: pd.DataFrame,
    taxonomy: Taxonomy,
    params: TrainingParams,
    funnel: Funnel,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    labels = labels.drop_duplicates(_KEY).astype({"expnum": "int64", "ccdnum": "int16"}).sort_values(_KEY)
    funnel.add("bad: labelled CCD images", labels)
    labels = labels[labels["category"].isin(taxonomy.categories)]
    funnel.add("bad: of a trained category", labels, f"{len(taxonomy.categories)} categories")
    bad = labels.merge(read, on=_KEY)[["expnum", "ccdnum", "category", "source"]]
    missing = _missing(labels, exposures, ccds, read)
    funnel.add("bad: read from the archive", bad, f"{len(missing)} CCD images are missing, listed with reasons")
    if params.max_ccds_per_bad_exposure:
        n = params.max_ccds_per_bad_exposure
        bad = bad.merge(draw_per_exposure(bad, n, params.seed), on=_KEY)
        funnel.add("bad: at most so many CCDs of an exposure", bad, f"max_ccds_per_bad_exposure = {n}")
    bad = bad.assign(weight=1.0)
    for category, share in params.shares.items():
        rows = bad["category"] == category
        n_before = int(rows.sum())
        if share == 1 or n_before <= params.thin_above:
            continue
        expnums = sorted(bad.loc[rows, "expnum"].unique(), key=lambda e: priority(params.seed, int(e), "thin"))
        kept = rows & bad["expnum"].isin(expnums[: int(np.ceil(share * len(expnums)))])
        weight = n_before / int(kept.sum())
        bad.loc[kept, "weight"] = weight
        bad = bad[~rows | kept].reset_index(drop=True)
        note = f"{int(kept.sum())} of {n_before} CCD images kept, weight {weight:.3g}"
        funnel.add(f"bad: {category} thinned", bad, note)
    return bad, missing


def _missing(labels: pd.DataFrame, exposures: pd.DataFrame, ccds: pd.DataFrame, read: pd.DataFrame) -> pd.DataFrame:
    both = labels.merge(read.assign(read=True), on=_KEY, how="left")
    missing = both.loc[both["read"].isna(), ["expnum", "ccdnum", "category", "source"]]
    exposure = exposures[["expnum", "status", "status_reason"]].rename(
        columns={"status": "e_status", "status_reason": "e_reason"}
    )
    ccd = ccds.loc[ccds["status"] != "read", [*_KEY, "status", "status_reason"]].drop_duplicates(_KEY)
    found = missing.merge(exposure, on="expnum", how="left").merge(ccd, on=_KEY, how="left")
    detail = found["e_reason"].astype(object).where(found["e_reason"].notna(), "no reason given")
    ccd_detail = found["status_reason"].astype(object).where(found["status_reason"].notna(), "no reason given")
    reason = np.select(
        [
            found["e_status"].isna().to_numpy(dtype=bool),
            (found["e_status"] != "scored").to_numpy(dtype=bool, na_value=False),
            found["status"].notna().to_numpy(dtype=bool),
        ],
        [
            np.full(len(found), "the exposure is not among the nights that were read", dtype=object),
            ("the exposure was " + found["e_status"].astype(object).astype(str) + ": " + detail).to_numpy(dtype=object),
            ("the CCD could not be read: " + ccd_detail).to_numpy(dtype=object),
        ],
        default=np.array("the exposure's file has no such CCD, or the night pass did not want it", dtype=object),
    )
    found = found[["expnum", "ccdnum", "category", "source"]].assign(reason=pd.Series(reason, dtype="str"))
    return found.reset_index(drop=True)


def _split(table: pd.DataFrame, params: TrainingParams) -> pd.DataFrame:
    sizes = table.groupby(["expnum", "category"]).size().reset_index(name="n")
    main = sizes.sort_values(["expnum", "n", "category"], ascending=[True, False, True]).drop_duplicates("expnum")
    held_out: set[int] = set()
    if params.hold_out_nights:
        held_out = {int(e) for e in table.loc[table["night"].isin(params.hold_out_nights), "expnum"]}
        if not held_out or held_out == {int(e) for e in table["expnum"]}:
            found = "no image" if not held_out else "every image"
            raise InputError(
                f"training: hold_out_nights = {', '.join(params.hold_out_nights)} holds out {found}; "
                "name some, but not all, of the nights that were read"
            )
    return split_exposures(
        main.set_index("expnum")["category"], params.test_fraction, params.folds, params.seed, held_out
    )


def _share_note(params: TrainingParams) -> str:
    if params.hold_out_nights:
        return f"nights {', '.join(params.hold_out_nights)}"
    return f"{params.test_fraction:.0%} of the exposures of each category"
