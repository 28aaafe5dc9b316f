"""The rule of `merge_labels` written out row by row in pandas: slow, and the reference of the tests."""

from __future__ import annotations

import numpy as np
import pandas as pd

from badexp_assets.io.schemas import SCHEMAS
from badexp_assets.labels.merge import MergedLabels
from badexp_assets.labels.taxonomy import Taxonomy
from badexp_assets.survey.cameras import Camera

_COLUMNS = ["expnum", "ccdnum", "category", "source", "reason", "plver", "file", "line", "night"]
_KEY = ["expnum", "ccdnum"]


def slow_merge_labels(
    decals: pd.DataFrame,
    des: pd.DataFrame,
    delve: pd.DataFrame,
    reviewed: pd.DataFrame | None,
    survey_ccds: pd.DataFrame | None,
    camera: Camera,
    taxonomy: Taxonomy,
) -> MergedLabels:
    """As `merge_labels`; text columns are `str` or objects."""
    counts: dict[str, int] = {}
    sources = {"decals": decals, "des": des, "delve": delve}
    parts = []
    for name, table in sources.items():
        counts[f"{name}_lines"] = len(table)
        for status in ("label", "ignored", "unmatched"):
            counts[f"{name}_{status}"] = int((table["status"] == status).sum())
        parts.append(_tidy(table[table["status"] == "label"], name))
    if reviewed is not None:
        known = reviewed["category"].isin(taxonomy.all_categories)
        counts |= {"review_lines": len(reviewed), "review_label": int(known.sum())}
        counts["review_without_known_category"] = int((~known).sum())
        rejected = reviewed.assign(
            line=np.arange(1, len(reviewed) + 1), file="reviewed_reject_list", reason=reviewed["rule"]
        )
        parts.append(_tidy(rejected[known.to_numpy(dtype=bool)], "review"))
    parts = [p for p in parts if len(p)]
    lines = pd.concat(parts, ignore_index=True) if parts else _tidy(decals.iloc[:0], "decals")
    lines = _expand(lines, survey_ccds, camera, counts)
    return _resolve(lines, taxonomy, counts)


def _tidy(table: pd.DataFrame, source: str) -> pd.DataFrame:
    tidy = pd.DataFrame(
        {
            c: (table[c] if c in table else pd.Series(None, index=table.index, dtype=object)).astype(object)
            for c in _COLUMNS
            if c != "source"
        }
    )
    tidy["source"] = source
    tidy["expnum"] = tidy["expnum"].astype("int64")
    tidy["ccdnum"] = pd.to_numeric(tidy["ccdnum"], errors="coerce").astype("float64")
    tidy["line"] = tidy["line"].astype("int64")
    return tidy[_COLUMNS].reset_index(drop=True)


def _expand(
    lines: pd.DataFrame, survey_ccds: pd.DataFrame | None, camera: Camera, counts: dict[str, int]
) -> pd.DataFrame:
    whole = lines["ccdnum"].isna()
    lines["whole_exposure"] = whole
    wanted = pd.Index(lines.loc[whole, "expnum"].unique())
    pairs = []
    in_survey = pd.Index([], dtype="int64")
    if survey_ccds is not None and len(survey_ccds):
        there = survey_ccds.loc[survey_ccds["expnum"].isin(wanted), _KEY].drop_duplicates()
        in_survey = pd.Index(there["expnum"].unique())
        pairs.append(there)
    rest = wanted.difference(in_survey)
    dated = lines[lines["expnum"].isin(rest) & lines["night"].notna()]
    night = dated.drop_duplicates("expnum").set_index("expnum")["night"]
    for value, group in night.groupby(night):
        pairs.append(_product(group.index, [ccd.ccdnum for ccd in camera.alive(str(value))]))
    undated = rest.difference(night.index)
    lost = {d.ccdname for d in camera.dead if d.until is None}
    pairs.append(_product(undated, [c.ccdnum for c in camera.ccds if c.ccdname not in lost]))
    counts |= {
        "whole_exposure_lines": int(whole.sum()),
        "whole_exposures": len(wanted),
        "expanded_by_survey_ccds": len(in_survey),
        "expanded_by_night": len(night),
        "expanded_by_camera": len(undated),
    }
    ccds = pd.concat([p for p in pairs if len(p)] or pairs, ignore_index=True).astype({"expnum": "int64"})
    expanded = lines[whole].drop(columns="ccdnum").merge(ccds, on="expnum", how="inner")
    both = pd.concat([p for p in (lines[~whole], expanded) if len(p)] or [lines], ignore_index=True)
    return both.astype({"ccdnum": "int16", "whole_exposure": bool})


def _product(expnums: pd.Index, ccdnums: list[int]) -> pd.DataFrame:
    return pd.DataFrame(
        {"expnum": np.repeat(expnums.to_numpy(dtype="int64"), len(ccdnums)), "ccdnum": ccdnums * len(expnums)}
    )


def _resolve(lines: pd.DataFrame, taxonomy: Taxonomy, counts: dict[str, int]) -> MergedLabels:
    order = pd.DataFrame(
        {
            "expnum": lines["expnum"],
            "ccdnum": lines["ccdnum"],
            "source": lines["source"].map({s: i for i, s in enumerate(taxonomy.precedence)}),
            "whole": lines["whole_exposure"],
            "extra": ~lines["category"].isin(taxonomy.categories),
            "file": lines["file"],
            "line": lines["line"],
        }
    ).sort_values(["expnum", "ccdnum", "source", "whole", "extra", "file", "line"], kind="stable")
    lines = lines.loc[order.index].reset_index(drop=True)
    lines["holds"] = ~lines.duplicated(_KEY)
    groups = lines.groupby(_KEY, sort=False)
    lines["n_sources"] = groups["line"].transform("size").astype("int16")
    lines["conflict"] = groups["category"].transform("nunique") > 1
    held = lines[lines["holds"]].reset_index(drop=True)
    table = held[SCHEMAS["bad_ccd_labels"].column_names].astype(
        dict.fromkeys(("category", "source", "reason", "plver", "file"), "str") | {"conflict": bool}
    )
    columns = ["expnum", "ccdnum", "source", "category", "reason", "file", "line", "holds"]
    contradictions = lines.loc[lines["conflict"].astype(bool), columns].reset_index(drop=True)
    counts |= {
        "ccd_lines": len(lines),
        "ccds": len(table),
        "exposures": int(table["expnum"].nunique()),
        "duplicate_lines": len(lines) - len(table),
        "conflicts": int(table["conflict"].sum()),
    }
    counts |= {f"category_{c}": int(n) for c, n in sorted(table["category"].value_counts().items())}
    return MergedLabels(table, counts, contradictions)
