"""Merges the labels of all sources: expands whole exposures, resolves and counts duplicates and conflicts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from badexp_assets.io.schemas import SCHEMAS
from badexp_assets.labels.exposure_ccds import ExposureCcds, find_ccds
from badexp_assets.labels.taxonomy import Taxonomy
from badexp_assets.survey.cameras import Camera

_TEXTS = ["category", "source", "reason", "plver", "file", "night"]
_CELLS = 2**22  # cells of the grid of exposures and CCDs, or lines, that are resolved at once
MAX_CONTRADICTIONS = 1_000_000  # lines that are listed; all of them are counted


@dataclass(frozen=True)
class MergedLabels:
    """The `bad_ccd_labels` table (one row per CCD image, text columns categorical), counts, and contradictory lines.

    `contradictions`: the lines of CCD images whose lines name different categories: expnum, ccdnum, source, category,
    reason, file, line and holds (bool: this line gave the label). At most MAX_CONTRADICTIONS lines are listed;
    `counts["contradicting_lines"]` is the number of all.
    """

    table: pd.DataFrame
    counts: dict[str, int]
    contradictions: pd.DataFrame = field(repr=False)


def merge_labels(
    decals: pd.DataFrame,
    des: pd.DataFrame,
    delve: pd.DataFrame,
    reviewed: pd.DataFrame | None,
    survey_ccds: pd.DataFrame | None,
    camera: Camera,
    taxonomy: Taxonomy,
) -> MergedLabels:
    """Merge the label tables and `reviewed` (a `reviewed_reject_list`) into one label per CCD image.

    `survey_ccds`: expnum, ccdnum of the survey's CCD images. A line for a whole exposure labels the CCDs that
    `find_ccds` returns. If several lines name a CCD image, the label comes from the first one in this order: precedence
    of the source in the taxonomy; lines that name the CCD, then lines for whole exposures; trained categories, then
    extra ones; file and line. Reviewed rows whose category the taxonomy does not know are skipped and counted. plver is
    that of the line.

    Memory is bounded: lines are compared as integers, for a block of exposures at a time.
    """
    counts: dict[str, int] = {}
    parts = []
    for name, table in {"decals": decals, "des": des, "delve": delve}.items():
        counts[f"{name}_lines"] = len(table)
        for status in ("label", "ignored", "unmatched"):
            counts[f"{name}_{status}"] = int((table["status"] == status).sum())
        parts.append(_normalized(table[table["status"] == "label"], name))
    if reviewed is not None:
        known = reviewed["category"].isin(taxonomy.all_categories)
        counts |= {"review_lines": len(reviewed), "review_label": int(known.sum())}
        counts["review_without_known_category"] = int((~known).sum())
        rejected = reviewed.assign(
            line=np.arange(1, len(reviewed) + 1), file="reviewed_reject_list", reason=reviewed["rule"]
        )
        parts.append(_normalized(rejected[known.to_numpy(dtype=bool)], "review"))
    lines = _concatenated(parts)
    ccds = find_ccds(lines, survey_ccds, camera)
    return _resolve(_by_precedence(lines, taxonomy), ccds, counts | ccds.counts)


def _normalized(table: pd.DataFrame, source: str) -> pd.DataFrame:
    """Return expnum, ccdnum (-1: the whole exposure), line, and the text columns as categoricals."""
    ccdnum = pd.to_numeric(table["ccdnum"], errors="coerce").astype("float64")
    columns: dict[str, pd.Series] = {
        "expnum": table["expnum"].astype("int64"),
        "ccdnum": ccdnum.fillna(-1).astype("int16"),
        "line": table["line"].astype("int64"),
    }
    for name in _TEXTS:
        values = table[name] if name in table else pd.Series(None, index=table.index, dtype="str")
        columns[name] = values.astype("str").astype("category")
    columns["source"] = pd.Series(source, index=table.index, dtype="str").astype("category")
    return pd.DataFrame(columns)


def _concatenated(parts: list[pd.DataFrame]) -> pd.DataFrame:
    columns: dict[str, object] = {c: np.concatenate([part[c] for part in parts]) for c in ("expnum", "ccdnum", "line")}
    for name in _TEXTS:
        columns[name] = pd.api.types.union_categoricals([part[name] for part in parts], sort_categories=True)
    return pd.DataFrame(columns, copy=False)


def _by_precedence(lines: pd.DataFrame, taxonomy: Taxonomy) -> pd.DataFrame:
    """Return the lines in the order of `merge_labels`: the first line of a CCD image gives its label."""
    rank = {source: i for i, source in enumerate(taxonomy.precedence)}
    keys = (
        lines["source"].cat.rename_categories(rank).astype("int8"),
        lines["ccdnum"] < 0,
        ~lines["category"].isin(taxonomy.categories),
        lines["file"].cat.codes,  # the categories are sorted
        lines["line"],
    )
    return lines.take(np.lexsort([key.to_numpy() for key in reversed(keys)])).reset_index(drop=True)


@dataclass(frozen=True)
class _Images:
    """Labelled CCD images: the line that gives the label, the number of lines, and whether their categories differ.

    `conflicting`: (index of the image, line) of the lines of images with conflicts, by image, the label's line first.
    """

    expnum: NDArray[np.int64]
    ccdnum: NDArray[np.int16]
    line: NDArray[np.int64]
    n_lines: NDArray[np.int64]
    conflict: NDArray[np.bool_]
    conflicting: tuple[NDArray[np.int64], NDArray[np.int64]]


def _resolve(lines: pd.DataFrame, ccds: ExposureCcds, counts: dict[str, int]) -> MergedLabels:
    width = int(max(lines["ccdnum"].max(), ccds.ccdnums.max(initial=0))) + 1 if len(lines) else 1
    blocks: list[_Images] = []
    left = MAX_CONTRADICTIONS
    for rows in _blocks(lines, ccds, width):
        blocks.append(_images(lines, rows, ccds, width, left))
        left -= len(blocks[-1].conflicting[1])
    expnum, ccdnum, line, n_lines, conflict = (
        np.concatenate([getattr(block, name) for block in blocks])
        for name in ("expnum", "ccdnum", "line", "n_lines", "conflict")
    )
    values = {
        "expnum": expnum,
        "ccdnum": ccdnum,
        "n_sources": np.minimum(n_lines, np.iinfo("int16").max).astype("int16"),
        "conflict": conflict,
        "whole_exposure": (lines["ccdnum"] < 0).to_numpy()[line],
        "line": lines["line"].to_numpy()[line],
    }
    texts = {name: _select(lines[name], line) for name in _TEXTS}
    columns = SCHEMAS["bad_ccd_labels"].column_names
    table = pd.DataFrame({name: values.get(name, texts.get(name)) for name in columns}, copy=False)
    counts |= {
        "ccd_lines": int(n_lines.sum()),
        "ccds": len(table),
        "exposures": int(table["expnum"].nunique()),
        "duplicate_lines": int(n_lines.sum()) - len(table),
        "conflicts": int(conflict.sum()),
        "contradicting_lines": int(n_lines[conflict].sum()),
    }
    counts |= {f"category_{c}": int(n) for c, n in sorted(table["category"].value_counts().items())}
    return MergedLabels(table, counts, _contradictions(lines, blocks))


def _blocks(lines: pd.DataFrame, ccds: ExposureCcds, width: int) -> Iterator[NDArray[np.int64]]:
    """Yield indices of the lines, about _CELLS cells or lines at a time, ordered by exposure and then as `lines`."""
    if lines.empty:
        return iter([np.empty(0, dtype="int64")])
    expnum, whole = lines["expnum"].to_numpy(), (lines["ccdnum"] < 0).to_numpy()
    sizes = np.ones(len(lines), dtype="int64")
    sizes[whole] = ccds.sizes(expnum[whole])
    order = np.argsort(expnum, kind="stable")
    starts = np.flatnonzero(np.diff(expnum[order], prepend=-1))
    weights = np.maximum(np.add.reduceat(sizes[order], starts), width)
    block = np.cumsum(weights) // _CELLS
    return iter(np.split(order, starts[1:][np.diff(block) > 0]))


def _images(lines: pd.DataFrame, rows: NDArray[np.int64], ccds: ExposureCcds, width: int, listed: int) -> _Images:
    """Resolve the lines with indices `rows` (ordered by exposure, then precedence); CCD numbers are below `width`.

    `conflicting` has at most `listed` lines.
    """
    expnum, ccdnum = lines["expnum"].to_numpy()[rows], lines["ccdnum"].to_numpy()[rows]
    whole = ccdnum < 0
    sizes = np.ones(len(rows), dtype="int64")
    sizes[whole], expanded = ccds.sizes(expnum[whole]), ccds.expand(expnum[whole])
    line = np.repeat(rows, sizes)
    ccd = np.repeat(ccdnum, sizes)
    ccd[np.repeat(whole, sizes)] = expanded
    # a dense grid of exposures and CCDs avoids sorting
    exposure, expnums = pd.factorize(np.repeat(expnum, sizes))
    cell = exposure * width + ccd
    n_lines = np.bincount(cell, minlength=len(expnums) * width)
    held = np.full(len(n_lines), -1)
    held[cell[::-1]] = line[::-1]  # if a cell gets several values, the last one stays
    category = lines["category"].cat.codes.to_numpy()
    conflict = np.zeros(len(n_lines), dtype=bool)
    conflict[cell[category[line] != category[held[cell]]]] = True
    labelled = np.flatnonzero(held >= 0)
    chosen = conflict & (np.cumsum(np.where(conflict, n_lines, 0)) <= listed)
    disagree = np.flatnonzero(chosen[cell])
    disagree = disagree[np.argsort(cell[disagree], kind="stable")]
    image = np.searchsorted(labelled, cell[disagree])
    image_expnum, image_ccdnum = expnums[labelled // width], (labelled % width).astype("int16")
    found = image_expnum, image_ccdnum, held[labelled], n_lines[labelled], conflict[labelled]
    return _Images(*found, conflicting=(image, line[disagree]))


def _contradictions(lines: pd.DataFrame, blocks: list[_Images]) -> pd.DataFrame:
    line = np.concatenate([block.conflicting[1] for block in blocks])
    held = np.concatenate([block.line[block.conflicting[0]] for block in blocks])
    return pd.DataFrame(
        {
            "expnum": lines["expnum"].to_numpy()[line],
            "ccdnum": np.concatenate([block.ccdnum[block.conflicting[0]] for block in blocks]),
            **{c: pd.Series(_select(lines[c], line)).astype("str") for c in ("source", "category", "reason", "file")},
            "line": lines["line"].to_numpy()[line],
            "holds": line == held,
        }
    )


def _select(texts: pd.Series, rows: NDArray[np.int64]) -> pd.Categorical:
    """Return the texts of the given rows as a categorical without unused categories."""
    codes, categories = texts.cat.codes.to_numpy()[rows], texts.cat.categories
    used = np.zeros(len(categories) + 1, dtype=bool)  # the last one is for null, code -1
    used[codes] = True
    place = np.where(used, np.cumsum(used) - 1, -1)
    place[-1] = -1
    return pd.Categorical.from_codes(place.astype(codes.dtype)[codes], categories[used[:-1]])
