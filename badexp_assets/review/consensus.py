"""From answers to a reject list, by a stated rule."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from badexp_assets.errors import InputError
from badexp_assets.labels.taxonomy import UNKNOWN
from badexp_assets.review.verdicts import VERDICTS, tidy_verdicts
from badexp_assets.tables.schemas import SCHEMAS

_KEY = ["expnum", "ccdnum"]


@dataclass(frozen=True)
class ConsensusRule:
    """An exposure (or CCD) is rejected when min_bad reviewers say bad and, with `majority`, more say bad than fine."""

    min_bad: int = 2
    majority: bool = True

    def __post_init__(self) -> None:
        if isinstance(self.min_bad, bool) or not isinstance(self.min_bad, int) or self.min_bad < 1:
            raise InputError(f"consensus: min_bad is {self.min_bad!r}; a whole number from 1 is needed")

    @property
    def words(self) -> str:
        """The rule in words."""
        least = f"at least {self.min_bad} reviewer{'s' if self.min_bad > 1 else ''} say bad"
        return f"{least}, and more say bad than fine" if self.majority else least


def consensus(verdicts: pd.DataFrame, rule: ConsensusRule | None = None) -> pd.DataFrame:
    """Return the `reviewed_reject_list` that follows from `review_verdicts` by `rule`.

    Of a reviewer's answers on the same exposure or CCD the latest holds (by `at`; without it, by the order of rows, and
    before every dated one). Answers on a CCD and on its whole exposure are counted apart. category: named by most of
    those who say bad, the first in the alphabet of several, `unknown` when nobody names one. plver: that of the latest
    answer that has one. Where simulated reviewers answered, `simulated` is set and the rule says so.
    """
    rule = rule or ConsensusRule()
    answers = tidy_verdicts(verdicts)
    time = pd.to_datetime(answers["at"], utc=True, errors="coerce", format="ISO8601")
    answers = answers.loc[time.sort_values(kind="stable", na_position="first").index]
    answers = answers.drop_duplicates([*_KEY, "reviewer"], keep="last")
    columns = SCHEMAS["reviewed_reject_list"].column_names
    groups = answers.groupby(_KEY, dropna=False, sort=True)
    counts = pd.DataFrame(
        {f"n_{v}": (answers["verdict"] == v).groupby([answers[k] for k in _KEY], dropna=False).sum() for v in VERDICTS}
    )
    counts["plver"] = groups["plver"].last()
    counts["simulated"] = groups["simulated"].any()
    on_list = counts["n_bad"] >= rule.min_bad
    if rule.majority:
        on_list &= counts["n_bad"] > counts["n_fine"]
    rejected = counts[on_list].reset_index()
    bad = answers[(answers["verdict"] == "bad") & answers["category"].notna()]
    named = bad.groupby([*_KEY, "category"], dropna=False).size().reset_index(name="n")
    named = named.sort_values([*_KEY, "n", "category"], ascending=[True, True, False, True]).drop_duplicates(_KEY)
    rejected = rejected.merge(named[[*_KEY, "category"]], on=_KEY, how="left")
    rejected["category"] = rejected["category"].fillna(UNKNOWN)
    rejected["rule"] = np.where(rejected["simulated"], f"{rule.words} (simulated reviewers)", rule.words)
    types: dict[str, Any] = {
        "expnum": "int64",
        "ccdnum": "Int16",
        "simulated": "bool",
        "category": "str",
        "plver": "str",
        "rule": "str",
    }
    types |= {f"n_{v}": "int16" for v in VERDICTS}
    rejected = rejected[columns].astype(types)
    return rejected.sort_values(_KEY, na_position="first").reset_index(drop=True)
