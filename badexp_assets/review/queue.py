"""Assignment of candidates to reviewers: their order, and how many reviewers each one needs."""

from __future__ import annotations

import numpy as np
import pandas as pd

from badexp_assets.config.review_options import ORDERS, ConsensusRule, ReviewParams
from badexp_assets.errors import InputError
from badexp_assets.review.consensus import undecided_exposures
from badexp_assets.review.learned_ranking import Learned
from badexp_assets.review.orders import in_order, random_shares
from badexp_assets.review.reliability import Reliability, estimate_reliability
from badexp_assets.review.verdicts import KEY, is_reviewer, latest_verdict_per_reviewer, own_verdicts


def assign_candidates(
    candidates: pd.DataFrame,
    verdicts: pd.DataFrame,
    reviewer: str,
    params: ReviewParams,
    order: str | None = None,
    learned: Learned | None = None,
    rule: ConsensusRule | None = None,
    skill: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Return `candidates` in the order in which `reviewer` should see them, with four additional columns.

    - `mine`: the reviewer's own latest answer, or None.
    - `n_wanted`: number of reviewers needed: one, or two for a random share of the exposures. If somebody calls the
      exposure or a CCD bad, at least as many as must say so by `rule` (`rule.needed`), and with `third_on_tie` one more
      while the rule decides nothing (see `undecided_exposures`) and at most `2 rule.needed` have answered. `n_answers`:
      number of reviewers who have answered.
    - `open`: the reviewer has not answered, and fewer than n_wanted have.

    Answers on the whole exposure and on any of its CCDs count if they are on the CP version (plver) of the candidate or
    on an unknown version, so a new reduction is reviewed again. Simulated reviewers do not count. The order does not
    reveal the answers of others.

    `order`: `rank` (of the candidates), `night` (then rank) or `information` (most uncertain first, by the binary
    entropy of p_bad; 1 bit without p_bad); None: that of `params`. Raises InputError for other values. `skill`:
    review_skill, by which answers are weighed (see `decide_outcome`).
    """
    rule = rule or ConsensusRule()
    order = order or params.order
    if order not in ORDERS:
        raise InputError(f"review: order is {order!r}; allowed: {', '.join(ORDERS)}")
    table = candidates.reset_index(drop=True)
    answers = answers_on_candidates(table, verdicts)
    own = own_verdicts(answers, reviewer)
    # as for the outcome, an answer that names the version takes precedence over one that does not
    counted = answers.sort_values("plver", kind="stable", na_position="first")
    counted = counted.drop_duplicates([*KEY, "reviewer"], keep="last")
    n_answers = counted.drop_duplicates(["expnum", "reviewer"])["expnum"].value_counts()
    answered = table["expnum"].map(n_answers).fillna(0).to_numpy(np.int64)
    called_bad = table["expnum"].isin(counted.loc[counted["verdict"] == "bad", "expnum"]).to_numpy()
    # a random choice that is independent for each exposure
    wanted = 1 + (random_shares(table["expnum"].to_numpy(), f"{params.seed}") < params.second_share)
    wanted = np.maximum(wanted, np.where(called_bad, rule.needed, 0))
    if params.third_on_tie:
        open_to_more = called_bad & (answered >= wanted) & (answered <= 2 * rule.needed)
        doubtful = counted[counted["expnum"].isin(table.loc[open_to_more, "expnum"])]
        undecided = undecided_exposures(doubtful, rule, _reliability(verdicts, rule, skill))
        wanted = np.where(table["expnum"].isin(undecided), answered + 1, wanted)
    table["mine"] = table["expnum"].map(own).astype(object).where(table["expnum"].isin(own.index), None)
    table["n_wanted"] = wanted.astype("int16")
    table["n_answers"] = answered.astype("int16")
    table["open"] = table["mine"].isna() & (answered < table["n_wanted"])
    return in_order(table, order, params.seed, learned)


def _reliability(verdicts: pd.DataFrame, rule: ConsensusRule, skill: pd.DataFrame | None) -> Reliability:
    """Return the reliability of reviewers, which takes a while and is estimated only if answers are weighed by it."""
    if rule.rule != "weighted" and (skill is None or skill.empty):
        return Reliability({}, 0.5)
    return estimate_reliability(latest_verdict_per_reviewer(verdicts), skill)


def visible_answers(verdicts: pd.DataFrame, reviewer: str) -> pd.DataFrame:
    """Return the answers that `reviewer` may see: their own, and others' on exposures that they have answered."""
    own = verdicts.loc[is_reviewer(verdicts["reviewer"], reviewer), "expnum"]
    return verdicts[verdicts["expnum"].isin(own)]


def answers_on_candidates(candidates: pd.DataFrame, verdicts: pd.DataFrame) -> pd.DataFrame:
    """Return the latest answers of people, oldest first, that count for the CP versions of the candidates."""
    held = latest_verdict_per_reviewer(verdicts)
    held = held[~held["simulated"]]
    now = held["expnum"].map(candidates.set_index("expnum")["plver"])
    return held[
        held["expnum"].isin(candidates["expnum"]) & (held["plver"].isna() | now.isna() | (held["plver"] == now))
    ]
