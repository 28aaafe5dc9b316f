"""`badexp demo`: simulates a survey, runs the graph on it with three simulated reviewers, and scores the result."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from badexp_assets.commands.asset_text import load
from badexp_assets.commands.dagster_home import environment
from badexp_assets.commands.graph_run import Runner
from badexp_assets.commands.run_output import TerminalProgress, summary_lines
from badexp_assets.config.home import Home
from badexp_assets.config.settings import VERDICTS, Settings, load_settings, save_settings
from badexp_assets.defs import jobs
from badexp_assets.errors import InputError
from badexp_assets.evaluation.classification.exposure_metrics import exposure_metrics
from badexp_assets.review.simulated_reviewers import simulate_reviewers
from badexp_assets.review.store import VerdictStore
from badexp_assets.simulate.params import SurveyParams
from badexp_assets.simulate.survey import write_survey
from badexp_assets.survey.archive import list_nights
from badexp_assets.survey.cameras import load_camera

# Error rates of the simulated reviewers: a bad exposure called fine, a fine one called bad, either called unsure.
MISS, FALSE_ALARM, UNSURE = 0.10, 0.05, 0.05
N_REVIEWERS = 3
# Small images for the backbone, few points, stamps and epochs, so that two cores need minutes and not hours. As in a
# real survey, not all CCDs of an exposure are sampled.
OPTIONS: dict[str, dict[str, Any]] = {
    "night_pass": {"rows": 256, "columns": 128, "n_draw": 10},
    "entropy": {"gradient_points": 2000},
    "autoencoder": {"n_stamps": 5000, "epochs": 60},
    # 40 % of the exposures are bad, so reviewers must look at a larger share than in a real survey
    "candidates": {"classifier_top_fraction": 0.3, "entropy_top_fraction": 0.2, "autoencoder_top_fraction": 0.1},
}


def demonstrate(
    home: Home,
    params: SurveyParams,
    say: Callable[[str], None],
    options: Mapping[str, Mapping[str, Any]] = OPTIONS,
) -> list[str]:
    """Simulate a survey in `home`, run the whole graph on it, and return the lines to print at the end.

    An earlier demonstration in `home` is replaced. Raises InputError if the home holds another survey.
    """
    if os.environ.get(VERDICTS):
        raise InputError(f"{VERDICTS} is set; unset it: answers of simulated reviewers must not be stored there")
    survey = home.root / "simulated_survey"
    _clear(home, survey)
    progress = TerminalProgress()
    say(f"simulating {params.nights} nights of {params.exposures} exposures, seed {params.seed}, in {survey}")
    write_survey(
        survey, params, progress=lambda done, total: progress.report(None, "exposures", done, total), workers=2
    )
    truth_file = survey / "truth_exposures.csv"
    stored = load_settings(home.root).sections
    options = {**options, "comparison": {"truth": str(truth_file)}}
    sections = {**stored, **{name: {**stored.get(name, {}), **given} for name, given in options.items()}}
    settings = Settings(home, survey / "images", (str(survey / "labels"),), sections=sections)
    truth = pd.read_csv(truth_file)
    with environment(settings):
        nights = list_nights(survey / "images", load_camera())
        runner = Runner(settings, say, progress, nights)
        save_settings(settings)
        outcome = runner.run(nights)
        say(f"{N_REVIEWERS} simulated reviewers look at the candidates")
        verdicts = simulate_reviewers(
            load(home, "review_candidates"),
            truth,
            n=N_REVIEWERS,
            miss_rate=MISS,
            false_alarm_rate=FALSE_ALARM,
            unsure_rate=UNSURE,
            seed=params.seed,
        )
        VerdictStore(home.verdicts).add(verdicts)
        runner.execute(jobs.PUBLISH_REJECTS)
    if outcome.failed:
        raise InputError(f"night {next(iter(outcome.failed))}: {next(iter(outcome.failed.values()))}")
    lines = summary_lines(home, outcome.skipped, outcome.notes)
    return ["", *lines, "", *_score_lines(home, truth), "", *_next_lines(home)]


def _clear(home: Home, survey: Path) -> None:
    stored = load_settings(home.root).archive if home.settings_file.exists() else None
    if stored is not None and stored != survey / "images":
        raise InputError(f"{home.root} holds the survey {stored}; give the demonstration a home of its own with --home")
    if home.tables != Home(home.root).tables and home.tables.is_dir():
        raise InputError(f"{home.tables} holds tables; the demonstration removes no tables outside its home")
    for folder in (survey, home.root / "tables", home.models, home.verdicts.parent, home.export):
        if folder.exists():
            shutil.rmtree(folder)


def _score_lines(home: Home, truth: pd.DataFrame) -> list[str]:
    """Return scores of methods, candidates and reject list on the exposures that no classifier was trained on."""
    truth = truth.set_index("expnum")
    scored = load(home, "night_exposures").query("status == 'scored'")["expnum"]
    seen = set(truth.index[truth["in_labels"]])
    if home.table("training_set").exists():
        seen |= set(load(home, "training_set").query("split == 'train'")["expnum"])
    fresh = truth.loc[[expnum for expnum in scored if expnum not in seen]]
    bad = fresh["bad"]
    lines = [
        f"against the truth, on the {len(fresh)} exposures that no classifier was trained on, {bad.sum()} of them bad "
        "(95 % interval):"
    ]
    if home.has_nights("night_exposure_predictions"):
        vote = load(home, "night_exposure_predictions").set_index("expnum")["is_bad"]
        lines.append(_metrics("classifier: verdict", vote.reindex(fresh.index, fill_value=False), bad))
    for asset, what in (
        ("review_candidates", "candidates of all methods"),
        ("reviewed_reject_list", "after the review"),
    ):
        named = pd.Series(fresh.index.isin(load(home, asset)["expnum"]), index=fresh.index)
        lines.append(_metrics(what, named, bad))
    lines.append("average precision of rankings by one score, without a cut:")
    source, background = load_settings(home.root).options.entropy.ranking_scores
    for asset, score, what in (
        ("night_exposure_predictions", "p_bad", "classifier, P(bad)"),
        ("night_entropy_scores", source, "entropy of sources"),
        ("night_entropy_scores", background, "entropy of background"),
        ("night_reconstruction_errors", "mean_mse", "autoencoder"),
    ):
        if home.has_nights(asset):
            value = load(home, asset).set_index("expnum")[score].reindex(fresh.index)
            lines.append(f"  {what:<30} {_average_precision(value, bad):.2f}")
    lines.append(f"  {'chance':<30} {bad.mean():.2f}")
    lines.append(
        f"the reviewers are simulated: each calls a bad exposure fine in {MISS:.0%} of cases, a fine one bad in "
        f"{FALSE_ALARM:.0%}, and is unsure in {UNSURE:.0%}"
    )
    return lines


def _average_precision(score: pd.Series, bad: pd.Series) -> float:
    """Average precision of a ranking; exposures without a score come last."""
    from sklearn.metrics import average_precision_score

    return float(average_precision_score(bad, score.rank().fillna(0)))


def _metrics(what: str, flagged: pd.Series, bad: pd.Series) -> str:
    m = exposure_metrics(flagged.to_numpy(bool), bad.to_numpy(bool))
    return (
        f"  {what:<30} precision {_share(m, 'precision')}  recall {_share(m, 'recall')}  "
        f"({m['true_positives']} of {m['n_bad']} bad found, {m['false_positives']} false alarms)"
    )


def _share(metrics: dict[str, Any], name: str) -> str:
    if metrics[name] is None:
        return f"{'-':^16}"
    low, high = metrics[f"{name}_interval"]
    return f"{metrics[name]:.2f} ({low:.2f}-{high:.2f})"


def _next_lines(home: Home) -> list[str]:
    badexp, there = _short(Path(sys.executable).with_name("badexp")), f"--home {_short(home.root)}"
    return [
        f"the home page:     {badexp} open {there}",
        f"open the UI:       make ui BADEXP_HOME={_short(home.root)}   (or: {badexp} ui {there})",
        f"review yourself:   {badexp} review reviewers add me {there}   (prints a token)",
        f"                   {badexp} review serve {there}",
        f"read the list:     {badexp} show reviewed_reject_list {there}",
        f"read the scores:   {badexp} show night_exposure_predictions {there} --format csv",
        f"the report:        {_short(home.report)}   (or: {badexp} show classification_report {there})",
    ]


def _short(path: Path) -> str:
    """Return a path relative to the working folder if it lies in it."""
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)
