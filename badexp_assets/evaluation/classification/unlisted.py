"""Bad exposures that no list names: what a classifier finds beyond the labels, where the truth is known."""

from __future__ import annotations

from collections.abc import Collection
from functools import partial

import numpy as np
import pandas as pd

from badexp_assets.evaluation.classification.ranking import Ranking, Resamples, with_interval

COLUMNS = ("which", "n_bad", "n_good", "average_precision", "average_precision_low", "average_precision_high")


def unlisted_table(
    scores: pd.Series, truth: pd.Series, listed: Collection[int], n_draws: int = 300, seed: int = 0
) -> pd.DataFrame:
    """Return the average precision of bad exposures in a list and of those in no list, with 95 % intervals.

    `scores`: by expnum, of exposures that the classifier was not trained on; `truth`: whether each is bad, by expnum
    (exposures without a truth are ignored). Both rows have the same good exposures, those in no list, and the base rate
    at which as many are bad as good, so they can be compared. The third row is the difference, in no list minus in a
    list; its interval comes from the same bootstrap samples of exposures. No rows without good exposures.
    """
    known = scores.index.intersection(truth.index)
    score, bad = scores.loc[known].to_numpy(float), truth.loc[known].to_numpy(bool)
    in_list = np.isin(known, list(listed))
    good = ~bad & ~in_list
    if not good.any():
        return pd.DataFrame(columns=list(COLUMNS))
    rows, drawn = [], []
    for name, some in (("in a list", bad & in_list), ("in no list", bad & ~in_list)):
        keep = some | good
        resamples = Resamples(known.to_numpy(), n_draws, seed)
        ranking = Ranking(bad[keep], score[keep])
        measure = partial(ranking.average_precision, base_rate=0.5)
        values = resamples.values(known.to_numpy()[keep], measure)
        drawn.append(values)
        numbers = {"n_bad": int(some.sum()), "n_good": int(good.sum())}
        rows.append({"which": name} | numbers | with_interval("average_precision", values))
    rows.append({"which": "difference"} | with_interval("average_precision", drawn[1] - drawn[0]))
    return pd.DataFrame(rows, columns=list(COLUMNS))
