"""The trial with the options of a home beside those of Alonso, Zhang & Li (arXiv:2310.15481, Entropy Method)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import pandas as pd

from badexp_assets.config.presets import load_preset
from badexp_assets.evaluation.entropy_trial.params import TrialParams
from badexp_assets.evaluation.entropy_trial.rates import found_rates, rate_lines
from badexp_assets.evaluation.entropy_trial.surveys import measure_settings

PRESET = "entropy-2024"
_SAMPLED = 20 / 60
"""share of a DECam exposure's CCDs that is sampled by default"""


def compare_with_published(
    params: TrialParams, workers: int = 1, progress: Callable[[int, int], None] | None = None
) -> pd.DataFrame:
    """Return `found_rates` for three settings on the same simulated pixels, with the column `setting` in front.

    Settings: `here`, the options params.entropy with all CCDs; `here, a third of the CCDs`, the same with as large a
    share of each exposure's CCDs as is sampled by default; `published`, the preset entropy-2024 with all CCDs.
    """
    published = replace(params, entropy=load_preset(PRESET).options.entropy)
    truth, (here, theirs) = measure_settings(params, [params.entropy, published.entropy], workers, progress)
    settings = {
        "here": (here, params),
        "here, a third of the CCDs": (sample_rows(here, _SAMPLED, params.seed), params),
        "published": (theirs, published),
    }
    tables = [found_rates(truth, rows, options).assign(setting=name) for name, (rows, options) in settings.items()]
    table = pd.concat(tables, ignore_index=True)
    return table[["setting", *table.columns.drop("setting")]]


def sample_rows(orientations: pd.DataFrame, share: float, seed: int) -> pd.DataFrame:
    """Return the rows of a random `share` of each exposure's CCDs, at least one, the same ones for the same seed."""
    order = pd.Series(np.random.default_rng([seed, 9]).random(len(orientations)), index=orientations.index)
    place = order.groupby(orientations["expnum"]).rank(method="first")
    n = orientations.groupby("expnum")["ccdnum"].transform("size")
    return orientations[place <= np.maximum(1, (share * n).round())]


def comparison_lines(table: pd.DataFrame) -> Iterator[str]:
    """Yield the table of `compare_with_published` as text lines, one block per setting."""
    for setting, rates in table.groupby("setting", sort=False):
        yield f"--- {setting}"
        yield from rate_lines(rates)
