"""Reliability of reviewers, estimated from their answers alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from badexp_assets.review.verdicts import VERDICTS

_STEPS, _TOLERANCE = 200, 1e-6
_PRIOR = np.array([[4.0, 1.0, 1.0], [1.0, 4.0, 1.0]])
"""prior counts of answers (bad, fine, unsure) of every reviewer on bad and on fine exposures: better than chance"""


@dataclass(frozen=True)
class Reliability:
    """P(answer | truth) of each reviewer (rows: bad, fine; columns: bad, fine, unsure), and the share of bad ones."""

    of_reviewer: dict[str, NDArray[np.float64]]
    share_bad: float

    def p_bad(self, answers: Sequence[tuple[str, str]]) -> float:
        """Return P(bad) given answers (reviewer, verdict), which are taken as independent given the truth."""
        logits = np.log(self.share_bad) - np.log1p(-self.share_bad)
        for reviewer, verdict in answers:
            column = self.of_reviewer.get(reviewer, _normalised(_PRIOR))[:, VERDICTS.index(verdict)]
            logits += np.log(column[0] / column[1])
        return float(1 / (1 + np.exp(-logits)))

    def table(self) -> pd.DataFrame:
        """Return columns reviewer, sensitivity = P(says bad | bad), specificity = P(says fine | fine), by name."""
        rows = [(name, p[0, 0], p[1, 1]) for name, p in sorted(self.of_reviewer.items())]
        return pd.DataFrame(rows, columns=["reviewer", "sensitivity", "specificity"])


def estimate_reliability(answers: pd.DataFrame) -> Reliability:
    """Estimate the error rates of reviewers, together with P(bad) of the exposures, by expectation maximisation.

    `answers`: expnum, ccdnum, plver, reviewer, verdict, one answer of a reviewer on each. The method is that of Dawid
    and Skene (1979, Applied Statistics 28, 20), with a prior that every reviewer is better than chance and a prior of
    one bad and one fine exposure. Three or more reviewers, most of them better than chance, are needed to tell their
    reliabilities apart. If the data contain only rejected candidates, the sensitivity is overestimated. Without answers
    there are no reviewers and the share of bad exposures is one half.
    """
    if answers.empty:
        return Reliability({}, 0.5)
    subject = answers.groupby(["expnum", "ccdnum", "plver"], dropna=False, sort=False).ngroup().to_numpy()
    who, names = pd.factorize(answers["reviewer"], sort=True)
    said = np.array([VERDICTS.index(v) for v in answers["verdict"]], dtype=np.int64)
    of_bad, of_fine = (who, np.zeros_like(said), said), (who, np.ones_like(said), said)
    votes = np.zeros((subject.max() + 1, 3))
    np.add.at(votes, (subject, said), 1)
    p = (votes[:, 0] + 0.5 * votes[:, 2]) / votes.sum(axis=1)
    for _ in range(_STEPS):
        share = (p.sum() + 1) / (len(p) + 2)
        table = np.repeat(_PRIOR[None], len(names), axis=0)
        np.add.at(table, of_bad, p[subject])
        np.add.at(table, of_fine, 1 - p[subject])
        table = _normalised(table)
        logits = np.full(len(p), np.log(share) - np.log1p(-share))
        np.add.at(logits, subject, np.log(table[of_bad] / table[of_fine]))
        before, p = p, 1 / (1 + np.exp(-logits))
        if np.abs(p - before).max() < _TOLERANCE:
            break
    return Reliability({str(name): table[k] for k, name in enumerate(names)}, float(share))


def _normalised(table: NDArray[np.float64]) -> NDArray[np.float64]:
    return table / table.sum(axis=-1, keepdims=True)
