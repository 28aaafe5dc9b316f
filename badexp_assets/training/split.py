"""Splits the training set: all CCDs of an exposure are in one split and fold, and each category in both splits."""

from __future__ import annotations

from collections.abc import Collection

import pandas as pd

from badexp_assets.survey.seeded_sampling import priority


def strata(table: pd.DataFrame, group: pd.Series) -> pd.Series:
    """Return the stratum of each group, indexed by group: the rarest category among the group's rows.

    `group`: number of the group (usually the exposure) of each row of `table`, which has a column category. The rarest
    category is that in the fewest groups, then the first by name. A category that shares its exposures with a common
    one is therefore still in both splits.
    """
    pairs = pd.DataFrame({"group": group, "category": table["category"]}).drop_duplicates()
    pairs["n"] = pairs.groupby("category")["group"].transform("size")
    rarest = pairs.sort_values(["group", "n", "category"]).drop_duplicates("group")
    return rarest.set_index("group")["category"]


def split_groups(
    strata: pd.Series, test_fraction: float, folds: int, seed: int, held_out: Collection[int] = ()
) -> pd.DataFrame:
    """Return columns group, split (`train`, `test`) and fold (-1 in the test split), one row per group.

    `strata`: category of each group, indexed by the group's number. `test_fraction` of a category's groups, rounded, go
    to the test split, but at least one of two or more and never all; the only group of a category goes to training.
    The other groups are assigned to the folds in turn, starting with the fold that has the fewest groups. If `held_out`
    is given, the test split is these groups and no others.
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
