"""How well known cases in the queue measure reviewers, and what weights by their skill are worth in the consensus."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

import numpy as np
import pandas as pd

from badexp_assets.config.review_options import ConsensusRule
from badexp_assets.review.consensus import build_consensus
from badexp_assets.review.skill import OVERALL, reviewer_skill
from badexp_assets.review.verdicts import tidy_verdicts
from benchmarks.measure import BenchOptions
from benchmarks.scores import Score

SHARES = (0.05, 0.1, 0.2)
SEEDS = 40
SIZES = (100, 600)
"""candidates of a survey"""
REVIEWERS = {"ann": (0.97, 0.97), "ben": (0.9, 0.92), "cat": (0.8, 0.85), "dan": (0.7, 0.75), "eve": (0.6, 0.65)}
"""P(says bad | bad) and P(says fine | fine) of each simulated reviewer"""
RULES = {"majority": ConsensusRule(), "weighted": ConsensusRule("weighted", min_bad=1)}
_CATEGORIES = ("psf", "noise", "clouds_transparency", "ghost_scatter")
_SHARE_BAD = 0.3
_SHARE_GOOD = 1 / 3  # of the known cases
_RESAMPLES = 2000


@dataclass(frozen=True)
class Simulated:
    """Answers to candidates (`review_verdicts`) and to known cases, and the bad candidates."""

    verdicts: pd.DataFrame
    known: pd.DataFrame
    bad: set[int]


def simulate(share: float, seed: int, n: int = SIZES[-1]) -> Simulated:
    """Simulate a review of `n` candidates with a `share` of known cases in each queue.

    Two reviewers, drawn at random, answer each candidate, and a third one where they contradict each other. As many
    known cases come with the candidates of a reviewer as `share` says. Who says bad names the right category in 9 of 10
    cases.
    """
    rng = np.random.default_rng([seed, round(1000 * share)])
    names, truth = list(REVIEWERS), rng.random(n) < _SHARE_BAD
    kinds = np.where(truth, rng.choice(_CATEGORIES, n), "good")
    rows = []
    for expnum, kind in enumerate(kinds, start=1):
        asked = rng.permutation(names)[:3]
        said = [_answer(str(name), str(kind), rng) for name in asked]
        n_asked = 2 if said[0][0] == said[1][0] else 3
        rows += [(expnum, str(name), *words) for name, words in zip(asked[:n_asked], said, strict=False)]
    verdicts = pd.DataFrame(rows, columns=["expnum", "reviewer", "verdict", "category"])
    known = []
    for name, own in verdicts.groupby("reviewer"):
        for number in range(round(share / (1 - share) * len(own))):
            kind = "good" if rng.random() < _SHARE_GOOD else str(rng.choice(_CATEGORIES))
            known.append((n + 1 + number, None, str(name), *_answer(str(name), kind, rng), kind))
    columns = ["expnum", "ccdnum", "reviewer", "verdict", "category", "known"]
    return Simulated(
        tidy_verdicts(verdicts), pd.DataFrame(known, columns=columns), {int(e) + 1 for e in np.flatnonzero(truth)}
    )


def _answer(name: str, kind: str, rng: np.random.Generator) -> tuple[str, str | None]:
    sensitivity, specificity = REVIEWERS[name]
    bad = rng.random() < (1 - specificity if kind == "good" else sensitivity)
    category = kind if kind != "good" and rng.random() < 0.9 else str(rng.choice(_CATEGORIES))
    return ("bad", category) if bad else ("fine", None)


def f1(simulated: Simulated, rule: ConsensusRule, weighted: bool) -> float:
    """Return the F1 of the rejected candidates, with or without weights by the skill on known cases."""
    skill = reviewer_skill(simulated.known) if weighted else None
    rejected = set(build_consensus(simulated.verdicts, rule, skill)["expnum"])
    return 2 * len(rejected & simulated.bad) / max(len(rejected) + len(simulated.bad), 1)


def ranked_rightly(simulated: Simulated) -> float:
    """Return the share of pairs of reviewers whose skills, by known cases, are in the order of the true ones.

    The skill is the mean of those on bad and on good cases.
    """
    table = reviewer_skill(simulated.known)
    skill = table[table["known"].isin(OVERALL)].groupby("reviewer")["skill"].mean()
    found = skill.reindex(list(REVIEWERS), fill_value=0.5).to_numpy()  # they are in order of true skill
    pairs = [(a, b) for a in range(len(found)) for b in range(a + 1, len(found))]
    return float(np.mean([found[a] > found[b] for a, b in pairs]))


def bench_gold_standards(options: BenchOptions) -> Iterator[Score]:
    """Yield for each share of known cases how well reviewers are ranked, and the F1 without and with weights.

    Means over the seeds; low and high: 95 % interval (bootstrap over seeds) of the pairs in the right order, and of the
    gain in F1.
    """
    seeds = range(options.seed, options.seed + (4 if options.quick else SEEDS))
    for size, share in product(SIZES[:1] if options.quick else SIZES, SHARES):
        surveys = [simulate(share, seed, size) for seed in seeds]
        case = f"{size} candidates, {share:.0%} known cases"
        n = {"seeds": len(surveys), "known": round(float(np.mean([len(s.known) for s in surveys])))}
        right = np.array([ranked_rightly(found) for found in surveys])
        yield Score("gold-standards", case, "pairs of reviewers in the right order", _interval(right), n)
        for name, rule in RULES.items():
            without, weighed = (np.array([f1(found, rule, w) for found in surveys]) for w in (False, True))
            values = {"f1": float(without.mean()), "f1_weighed": float(weighed.mean())}
            gain = {f"gain_{end}": value for end, value in _interval(weighed - without).items()}
            yield Score("gold-standards", case, f"F1 of rule {name}", values | gain, n)


def _interval(values: np.ndarray) -> dict[str, float]:
    picks = np.random.default_rng(0).integers(len(values), size=(_RESAMPLES, len(values)))
    low, high = np.quantile(values[picks].mean(axis=1), [0.025, 0.975])
    return {"mean": float(values.mean()), "low": float(low), "high": float(high)}
