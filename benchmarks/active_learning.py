"""Benchmark of active learning: candidates looked at until most of the bad exposures of a survey are found."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt
import pandas as pd

from badexp_assets.config.review_options import ReviewParams
from badexp_assets.review.answer_targets import answered_exposures
from badexp_assets.review.exposure_vectors import ExposureVectors, gather_vectors
from badexp_assets.review.learned_ranking import LearnedRanking
from badexp_assets.review.queue import answers_on_candidates, assign_candidates
from badexp_assets.survey.cameras import load_camera
from benchmarks.learning_survey import LearningSurvey, say
from benchmarks.measure import BenchOptions, Record, compare
from benchmarks.scores import Score

Bools = npt.NDArray[np.bool_]
SURVEYS = (21, 22)
DRAWS = 5
"""times that labelled exposures and the errors of reviewers are drawn, for each survey"""
REVIEWERS = {"perfect reviewer": 0.0, "reviewer who errs in 5 %": 0.05}
FOUND = 0.9
VISIBLE = 0.25
"""severity from which an anomaly can be seen by eye"""
_AFTER = ReviewParams().refit_after
_N_CANDIDATES, _N_ANSWERS, _DIMENSIONS = 5000, (100, 1000, 2500), 170
_RESAMPLES = 2000


@dataclass(frozen=True)
class Round:
    """The exposures of a survey by rank, with the classifier of one draw of labels: vectors, which are bad, visible."""

    table: pd.DataFrame
    vectors: ExposureVectors
    bad: Bools
    visible: Bools


def bench_active_learning(options: BenchOptions) -> Iterator[Score | Record]:
    """Yield how many candidates are looked at to find FOUND of the bad exposures, by static rank and with refits.

    Each survey is simulated and read once. For each of DRAWS, a few labelled exposures per kind are drawn, the
    classifier is fitted on them, and all exposures of the survey are ranked and looked at, most suspicious first:
    candidates in the order of `review_candidates`, then the others. With refits, those that are left are ranked again
    after every 10 answers. An exposure counts as found when it is looked at, whatever the reviewer says. Then the time
    of ranking 5,000 candidates again.
    """
    rows = []
    for seed in SURVEYS[:1] if options.quick else SURVEYS:
        survey = LearningSurvey(options.folder / f"survey-{seed}", seed, options.quick)
        survey.read()
        for draw in range(1 if options.quick else DRAWS):
            say(f"survey {seed}, labels {draw}")
            survey.draw_labels(draw)
            survey.fit()
            rows += review_round(prepare(survey), seed, draw)
    table = pd.DataFrame(rows)
    for row in table.to_dict("records"):
        case = f"survey {row['survey']}, labels {row['draw']}, {row['reviewer']}"
        values = {"static": row["static"], "refits": row["refits"], "ratio": row["refits"] / row["static"]}
        yield Score("active-learning", case, f"looked at to find 90 %, {row['of']}", values, {"n_bad": row["n_bad"]})
    for (reviewer, of), group in table.groupby(["reviewer", "of"], sort=False):
        yield Score(
            "active-learning", str(reviewer), f"looked at to find 90 %, {of}", summary(group), {"n": len(group)}
        )
    yield from _speed(options)


def prepare(survey: LearningSurvey) -> Round:
    """Rank the exposures of a survey and gather their vectors."""
    table = survey.ranked()
    truth = survey.truth.loc[table["expnum"]]
    vectors = gather_vectors(table, survey.read_rows, load_camera(survey.settings.camera))
    return Round(table, vectors, truth["bad"].to_numpy(bool), (truth["severity"] >= VISIBLE).to_numpy())


def review_round(found: Round, survey: int, draw: int) -> list[dict[str, object]]:
    """Return the numbers looked at for each kind of reviewer, of all bad exposures and of the visible ones."""
    rows: list[dict[str, object]] = []
    for reviewer, rate in REVIEWERS.items():
        wrong = np.random.default_rng([survey, draw]).random(len(found.bad)) < rate
        said = found.bad ^ wrong
        ways = {"static": np.arange(len(said)), "refits": way_with_refits(found, said)}
        for of, wanted in {"all bad": found.bad, "visible bad": found.bad & found.visible}.items():
            numbers = {name: looked_at(wanted[way]) for name, way in ways.items()}
            about = {"survey": survey, "draw": draw, "reviewer": reviewer, "of": of, "n_bad": int(wanted.sum())}
            rows.append(about | numbers)
    return rows


def way_with_refits(found: Round, said: Bools, after: int = _AFTER) -> npt.NDArray[np.intp]:
    """Return the places of all exposures in the order in which they are looked at, ranked again `after` answers each.

    `said` (n,): what the reviewer calls each of them, in the order of `found.table`.
    """
    ranking = LearnedRanking(found.table["rank"].to_numpy(), found.vectors)
    seen: list[int] = []
    left = np.arange(len(said))
    while len(left):
        if seen:
            learned = ranking.fit(np.array(seen), said[seen].astype(float))
            left = left[np.argsort(-learned.log_odds[left], kind="stable")]
        seen += left[:after].tolist()
        left = np.sort(left[after:])
    return np.array(seen)


def looked_at(bad: Bools) -> int:
    """Return how many exposures are looked at until FOUND of the bad ones are found; `bad`, in that order."""
    return int(np.searchsorted(np.cumsum(bad), np.ceil(FOUND * bad.sum() - 1e-9))) + 1


def summary(rows: pd.DataFrame) -> dict[str, float]:
    """Return mean numbers looked at, and the ratio of these means with its 95 % interval over the rows (bootstrap)."""
    numbers = rows[["static", "refits"]].to_numpy(float)
    picks = np.random.default_rng(0).integers(len(numbers), size=(_RESAMPLES, len(numbers)))
    means = numbers[picks].mean(axis=1)
    low, high = np.quantile(means[:, 1] / means[:, 0], [0.025, 0.975])
    static, refits = numbers.mean(axis=0)
    return {"static": static, "refits": refits, "ratio": refits / static, "low": low, "high": high}


def _speed(options: BenchOptions) -> Iterator[Record]:
    """Yield the time of fitting on answers and ordering 5,000 candidates for a reviewer."""
    n = 500 if options.quick else _N_CANDIDATES
    rng = np.random.default_rng(options.seed)
    expnums = np.arange(1, n + 1)
    blocks = {f"block {k}": rng.normal(0, 1 / 5, (n, 24)).astype(np.float32) for k in range(_DIMENSIONS // 24)}
    ranking = LearnedRanking(expnums, ExposureVectors(expnums, blocks))
    columns = {"expnum": expnums, "night": "2018-01-01", "rank": expnums, "p_bad": rng.random(n), "plver": "V5"}
    table = pd.DataFrame(columns)
    for n_answers in _N_ANSWERS[: 1 if options.quick else None]:
        answered = rng.permutation(n)[:n_answers]
        verdicts = pd.DataFrame({"expnum": expnums[answered], "reviewer": "ann"})
        verdicts["verdict"] = np.where(rng.random(len(answered)) < 0.1, "bad", "fine")
        variants = {name: partial(_rerank, ranking, table, verdicts, name) for name in ("learned", "diverse")}
        yield from compare("active-learning", f"{n_answers} answers", n, "candidates", variants, options.repeats)


def _rerank(ranking: LearnedRanking, table: pd.DataFrame, verdicts: pd.DataFrame, order: str) -> pd.DataFrame:
    targets = answered_exposures(answers_on_candidates(table, verdicts))
    learned = ranking.fit(pd.Index(ranking.expnum).get_indexer(targets.index), targets.to_numpy())
    return assign_candidates(table, verdicts, "ann", ReviewParams(), order, learned)
