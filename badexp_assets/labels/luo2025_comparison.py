"""Numbers of Luo et al. 2025 (arXiv:2507.12784) about their labels, and a comparison of a bad_expid list with them."""

from __future__ import annotations

import pandas as pd

from badexp_assets.labels.taxonomy import Taxonomy
from badexp_assets.labels.taxonomy_file import load_taxonomy

LUO2025_EXPOSURES = 3014  # bad exposures of the DR10.2 list after the rules of Luo et al.

# CCD images per category (Table 2) and after thinning clouds to 1/3, ghosts to 1/2 and nobjects to 3/4, as the authors'
# notebook build_train_test_dataset.ipynb prints them (github.com/Brookluo/ssl-bad-exposure-identification). It counts
# 73,990 images in all; some have another reason (bad seeing, Canopus) or none that it knows. An image with two reasons
# counts twice.
LUO2025_IMAGES = 73_990
LUO2025_TABLE_2 = {
    "saturated": 778, "clouds_transparency": 23_338, "psf": 7_641, "nonoptimal_exposure": 3_194,
    "ghost_scatter": 15_756, "nobjects": 10_093, "bad_ccd": 2_623, "noise": 2_467, "wonky": 667,
    "telescope_moving": 2_729, "out_of_focus": 2_340,
}  # fmt: skip
LUO2025_THINNED = LUO2025_TABLE_2 | {
    "clouds_transparency": 7_772, "psf": 7_630, "nonoptimal_exposure": 2_954, "ghost_scatter": 7_878,
    "nobjects": 7_570, "bad_ccd": 2_622,
}  # fmt: skip

_RULES = "rules of Luo et al."


def compare_with_luo2025(table: pd.DataFrame, taxonomy: Taxonomy | None = None) -> pd.DataFrame:
    """Compare a `read_bad_expid` table with the number of bad exposures of Luo et al., one row per step.

    Columns: step, lines, exposures (distinct; null if unknown), note. Steps: all lines; each category that the rules of
    Luo et al. give (`paper` is True) and all of them; the lines of trained and of other categories that the taxonomy
    adds; all labels; ignored and unmatched lines; last the 3,014 exposures of Luo et al. and the differences. An
    exposure with several lines can be in several steps. Luo et al. describe their rules in words only, so the numbers
    need not agree; the note says between which of our counts theirs is.
    """
    taxonomy = taxonomy or load_taxonomy()
    label, paper = table["status"] == "label", table["paper"].astype("boolean").fillna(False).astype(bool)
    trained = table["category"].isin(taxonomy.categories)
    rules, more = label & paper, label & ~paper
    steps = [("all lines", table["line"] > 0, "neither blank nor comments")]
    for category in taxonomy.all_categories:
        by_rule = rules & (table["category"] == category)
        if by_rule.any():
            steps.append((f"rules of Luo et al.: {category}", by_rule, ""))
    steps += [
        (_RULES, rules, "as described in their text"),
        ("taxonomy: other lines of trained categories", more & trained, _categories(table[more & trained])),
        ("taxonomy: other categories", more & ~trained, _categories(table[more & ~trained])),
        ("taxonomy: trained categories", label & trained, "by these rules and other lines"),
        ("taxonomy: all categories", label, "every line with a reason"),
        ("ignored", table["status"] == "ignored", "no kind of bad exposure is named"),
        ("unmatched", table["status"] == "unmatched", "not understood"),
    ]
    counts = {step: table.loc[where, "expnum"].nunique() for step, where, _ in steps}
    rows: list[tuple[object, ...]] = [(step, int(where.sum()), counts[step], note) for step, where, note in steps]
    rows.append(("Luo et al.", None, LUO2025_EXPOSURES, _difference(counts)))
    found = pd.DataFrame(rows, columns=["step", "lines", "exposures", "note"])
    return found.astype({"lines": "Int64", "exposures": "Int64"})


def _categories(lines: pd.DataFrame) -> str:
    return ", ".join(f"{category} {n:,}" for category, n in lines["category"].value_counts().items())


def _difference(counts: dict[str, int]) -> str:
    ours = (_RULES, "taxonomy: trained categories", "taxonomy: all categories")
    against = "; ".join(f"{LUO2025_EXPOSURES - counts[step]:+,} to {step} ({counts[step]:,})" for step in ours)
    below = [step for step in ours if counts[step] <= LUO2025_EXPOSURES]
    above = [step for step in ours if counts[step] > LUO2025_EXPOSURES]
    if below and above:
        where = f"Luo et al. count more than {below[-1]} and less than {above[0]}"
    elif below:
        where = "Luo et al. count more than any step here"
    else:
        where = "Luo et al. count less than any step here"
    listed = counts["all lines"]
    if listed >= LUO2025_EXPOSURES:
        left = [f"{listed - n:,}" for n in (LUO2025_EXPOSURES, counts[ours[-1]])]
        where += f"; of {listed:,} listed exposures they leave out {left[0]}, this taxonomy {left[1]}"
    return f"{against}. {where}"
