"""How far the bad exposure list, read by the paper's rules and by the taxonomy, agrees with the number in the paper."""

from __future__ import annotations

import pandas as pd

from badexp_assets.labels.taxonomy import Taxonomy
from badexp_assets.labels.taxonomy_file import load_taxonomy

PAPER_EXPOSURES = 3014  # bad exposures of DR10.2's list "after the rules", in the paper on ViT + kNN


def paper_comparison(table: pd.DataFrame, taxonomy: Taxonomy | None = None) -> pd.DataFrame:
    """Compare a table of `read_bad_expid` with the paper's number of bad exposures, one row per step.

    Columns: step, lines, exposures (distinct; null where not known), note. Steps: all lines; each category that the
    paper's rules give (`paper` is True) and their sum; what the other entries of the taxonomy add, its trained
    categories and the others apart; all labels; ignored and unmatched lines; last the paper's 3,014 with the
    difference. Steps share exposures that have several lines. The paper words its rules without their code, so the
    difference can be bounded, not removed: the note says between which of our counts the paper's lies.
    """
    taxonomy = taxonomy or load_taxonomy()
    label, paper = table["status"] == "label", table["paper"].astype("boolean").fillna(False).astype(bool)
    trained = table["category"].isin(taxonomy.categories)
    rules, more = label & paper, label & ~paper
    steps = [("all lines", table["line"] > 0, "lines that are neither blank nor comments")]
    for category in taxonomy.all_categories:
        by_rule = rules & (table["category"] == category)
        if by_rule.any():
            steps.append((f"paper's rules: {category}", by_rule, ""))
    steps += [
        ("paper's rules", rules, "the rules as the paper words them"),
        ("taxonomy: other lines of trained categories", more & trained, _categories(table[more & trained])),
        ("taxonomy: other categories", more & ~trained, _categories(table[more & ~trained])),
        ("taxonomy: trained categories", label & trained, "paper's rules and other lines"),
        ("taxonomy: all categories", label, "every line with a reason"),
        ("ignored", table["status"] == "ignored", "no kind of bad named"),
        ("unmatched", table["status"] == "unmatched", "not understood"),
    ]
    counts = {step: table.loc[where, "expnum"].nunique() for step, where, _ in steps}
    rows: list[tuple[object, ...]] = [(step, int(where.sum()), counts[step], note) for step, where, note in steps]
    rows.append(("the paper", None, PAPER_EXPOSURES, _difference(counts)))
    found = pd.DataFrame(rows, columns=["step", "lines", "exposures", "note"])
    return found.astype({"lines": "Int64", "exposures": "Int64"})


def _categories(lines: pd.DataFrame) -> str:
    return ", ".join(f"{category} {n:,}" for category, n in lines["category"].value_counts().items())


def _difference(counts: dict[str, int]) -> str:
    ours = ("paper's rules", "taxonomy: trained categories", "taxonomy: all categories")
    against = "; ".join(f"{PAPER_EXPOSURES - counts[step]:+,} to {step} ({counts[step]:,})" for step in ours)
    below = [step for step in ours if counts[step] <= PAPER_EXPOSURES]
    above = [step for step in ours if counts[step] > PAPER_EXPOSURES]
    if below and above:
        where = f"the paper counts more than {below[-1]} and less than {above[0]}"
    elif below:
        where = "the paper counts more than any step here"
    else:
        where = "the paper counts less than any step here"
    listed = counts["all lines"]
    if listed >= PAPER_EXPOSURES:
        left = [f"{listed - n:,}" for n in (PAPER_EXPOSURES, counts[ours[-1]])]
        where += f"; of {listed:,} listed exposures it leaves out {left[0]}, this taxonomy {left[1]}"
    return f"{against}. {where}"
