"""Which of a reviewer's answers holds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import pandas as pd

from badexp_assets.labels.taxonomy import UNKNOWN
from badexp_assets.review.verdicts import tidy_verdicts

KEY = ["expnum", "ccdnum"]


def category_of_most(named: Iterable[str]) -> str:
    """The category that is named most often, the first in the alphabet of several; `unknown` when none is named."""
    counts = Counter(named)
    return min(counts, key=lambda category: (-counts[category], category)) if counts else UNKNOWN


def holding_answers(verdicts: pd.DataFrame) -> pd.DataFrame:
    """Return the latest answer of every reviewer on every exposure or CCD and CP version, oldest first.

    Latest by `at`; without it, by the order of rows, and before every dated one. Answers on a CCD and on its whole
    exposure are different ones, and so are those on two CP versions (plver) or on none that is known.
    """
    answers = tidy_verdicts(verdicts)
    time = pd.to_datetime(answers["at"], utc=True, errors="coerce", format="ISO8601")
    answers = answers.loc[time.sort_values(kind="stable", na_position="first").index]
    return answers.drop_duplicates([*KEY, "plver", "reviewer"], keep="last").reset_index(drop=True)
