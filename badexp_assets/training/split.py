"""Test split and folds: an exposure is on one side only, and every category is on both where it can be."""

from __future__ import annotations

from collections.abc import Collection

import pandas as pd

from badexp_assets.survey.seeded_sampling import priority


def strata(table: pd.DataFrame, group: pd.Series) -> pd.Series:
    """Return the category by group for which the group is dealt out: its rarest one, of all groups of `table`.

    `group`: the group's number per row of `table` (with category). Rarest: in the fewest groups, then by name. So a
    category that shares its exposures with a common one is still on both sides.
    """
    pairs = pd.DataFrame({"group": group, "category": table["category"]}).drop_duplicates()
    pairs["n"] = pairs.groupby("category")["group"].transform("size")
    rarest = pairs.sort_values(["group", "n", "category"]).drop_duplicates("group")
    return rarest.set_index("group")["category"]


def split_groups(
    strata: pd.Series, test_fraction: float, folds: int, seed: int, held_out: Collection[int] = ()
) -> pd.DataFrame:
    """Return split (`train`, `test`) and fold (-1 in the test split) per group, usually an exposure; columns group too.

    `strata`: category by the group's number (index). Of each category, `test_fraction` of the groups, rounded, go to
    the test split: at least one when there are two or more, never all of them; the only group of a category goes to
    training. Folds are dealt in turn, from the fold with fewest groups on, so a group of a category with fewer groups
    than folds is missing in the others. With `held_out` these groups are the test split, nothing else.
    """
    rows: list[tuple[int, str, int]] = []
    sizes = [0] * folds
    for _, members in sorted(strata.groupby(strata), key=lambda item: (len(item[1]), str(item[0]))):
        order = sorted((int(g) for g in members.index), key=lambda g: priority(seed, g, "split"))
        if held_out:
            test = [g for g in order if g in held_out]
        else:
            n = round(test_fraction * len(order))
            test = order[: min(max(n, 1), len(order) - 1)]
        rows += [(g, "test", -1) for g in test]
        taken = set(test)
        start = min(range(folds), key=lambda f: (sizes[f], f))
        for i, number in enumerate(g for g in order if g not in taken):
            fold = (start + i) % folds
            sizes[fold] += 1
            rows.append((number, "train", fold))
    return pd.DataFrame(rows, columns=["group", "split", "fold"]).astype({"group": "int64", "fold": "int8"})
