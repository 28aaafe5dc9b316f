"""Reliability of reviewers, estimated from their answers to candidates and to known cases."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from badexp_assets.labels.taxonomy import GOOD
from badexp_assets.review.skill import OVERALL
from badexp_assets.review.verdicts import VERDICTS, person

_STEPS, _TOLERANCE = 200, 1e-6
_PRIOR = np.array([[4.0, 1.0, 1.0], [1.0, 4.0, 1.0]])
"""prior counts of answers (bad, fine, unsure) of every reviewer on bad and on fine exposures: better than chance"""
_AS_ALL_BAD = 30.0
"""answers as on all bad cases that count, besides those on the known cases of a category, for that category"""


@dataclass(frozen=True)
class Reliability:
    """P(answer | truth) of each reviewer (rows: bad, fine; columns: bad, fine, unsure), and the share of bad ones.

    `of_category`: P(answer | bad of a category), (3,), by reviewer and category, of those who answered known cases of
    it. `measured`: reviewers who answered known cases.
    """

    of_reviewer: dict[str, NDArray[np.float64]]
    share_bad: float
    of_category: dict[tuple[str, str], NDArray[np.float64]] = field(default_factory=dict)
    measured: frozenset[str] = frozenset()

    def p_bad(self, answers: Sequence[tuple[str, str]], category: str | None = None) -> float:
        """Return P(bad) given answers (reviewer, verdict), which are taken as independent given the truth.

        `category`: the one that it would be bad of, if known.
        """
        logits = np.log(self.share_bad) - np.log1p(-self.share_bad) + self.log_odds(answers, category)
        return float(1 / (1 + np.exp(-logits)))

    def log_odds(self, answers: Sequence[tuple[str, str]], category: str | None = None) -> float:
        """Return the log-odds of bad that the answers alone give: positive if they weigh more for bad."""
        odds = 0.0
        for reviewer, verdict in answers:
            bad, fine = self.of_reviewer.get(reviewer, _normalised(_PRIOR))
            bad, column = self.of_category.get((reviewer, category or ""), bad), VERDICTS.index(verdict)
            odds += float(np.log(bad[column] / fine[column]))
        return odds

    def table(self) -> pd.DataFrame:
        """Return columns reviewer, sensitivity = P(says bad | bad), specificity = P(says fine | fine), by name."""
        rows = [(name, p[0, 0], p[1, 1]) for name, p in sorted(self.of_reviewer.items())]
        return pd.DataFrame(rows, columns=["reviewer", "sensitivity", "specificity"])


def estimate_reliability(answers: pd.DataFrame, skill: pd.DataFrame | None = None) -> Reliability:
    """Estimate the error rates of reviewers, together with P(bad) of the exposures, by expectation maximisation.

    `answers`: expnum, ccdnum, plver, reviewer, verdict, one answer of a reviewer on each. The method is that of Dawid
    and Skene (1979, Applied Statistics 28, 20), with a prior that every reviewer is better than chance and a prior of
    one bad and one fine exposure. Three or more reviewers, most of them better than chance, are needed to tell their
    reliabilities apart. If the data contain only rejected candidates, the sensitivity is overestimated. Without answers
    there are no reviewers and the share of bad exposures is one half.

    `skill`: review_skill; its counts of answers to known cases are added to those on candidates, whose truth is
    estimated.
    """
    if answers.empty:
        return Reliability({}, 0.5)
    subject = answers.groupby(["expnum", "ccdnum", "plver"], dropna=False, sort=False).ngroup().to_numpy()
    who, names = pd.factorize(answers["reviewer"], sort=True)
    said = np.array([VERDICTS.index(v) for v in answers["verdict"]], dtype=np.int64)
    of_bad, of_fine = (who, np.zeros_like(said), said), (who, np.ones_like(said), said)
    votes = np.zeros((subject.max() + 1, 3))
    np.add.at(votes, (subject, said), 1)
    if skill is not None:  # with names as in `answers`; nobody's for those who have not answered
        spelled = {person(str(name)): str(name) for name in names}
        skill = skill.assign(reviewer=skill["reviewer"].map(person).map(spelled))
    known = np.array([_known_counts(skill, str(name)) for name in names])
    p = (votes[:, 0] + 0.5 * votes[:, 2]) / votes.sum(axis=1)
    for _ in range(_STEPS):
        share = (p.sum() + 1) / (len(p) + 2)
        table = _PRIOR + known
        np.add.at(table, of_bad, p[subject])
        np.add.at(table, of_fine, 1 - p[subject])
        table = _normalised(table)
        logits = np.full(len(p), np.log(share) - np.log1p(-share))
        np.add.at(logits, subject, np.log(table[of_bad] / table[of_fine]))
        before, p = p, 1 / (1 + np.exp(-logits))
        if np.abs(p - before).max() < _TOLERANCE:
            break
    of_reviewer = {str(name): table[k] for k, name in enumerate(names)}
    if skill is None:
        return Reliability(of_reviewer, float(share))
    kinds = skill[~skill["known"].isin(OVERALL) & skill["reviewer"].isin(of_reviewer)]
    of_category = {
        (row["reviewer"], row["known"]): _normalised(_answers_in(row) + _AS_ALL_BAD * of_reviewer[row["reviewer"]][0])
        for row in kinds.to_dict("records")
    }
    return Reliability(of_reviewer, float(share), of_category, frozenset(map(str, skill["reviewer"].dropna())))


def _known_counts(skill: pd.DataFrame | None, reviewer: str) -> NDArray[np.float64]:
    """Return counts of a reviewer's answers on known bad and on known good cases, as _PRIOR has them."""
    counts = np.zeros_like(_PRIOR)
    if skill is not None:
        for row in skill[(skill["reviewer"] == reviewer) & skill["known"].isin(OVERALL)].to_dict("records"):
            counts[int(row["known"] == GOOD)] = _answers_in(row)
    return counts


def _answers_in(row: Mapping[Hashable, Any]) -> NDArray[np.float64]:
    return np.array([float(row[f"n_{verdict}"]) for verdict in VERDICTS])


def _normalised(table: NDArray[np.float64]) -> NDArray[np.float64]:
    return table / table.sum(axis=-1, keepdims=True)
