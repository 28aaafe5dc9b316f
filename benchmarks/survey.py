"""Benchmark of the steps that read all nights of a survey: memory and core seconds in a fabricated home."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from badexp_assets.config.home import Home
from badexp_assets.config.settings import Settings, load_settings
from benchmarks.measure import BenchOptions, Record, in_process, resident_mib

EXPOSURES = 57
"""exposures a night, as in DR11: 283,633 in 4,976 nights"""
DR11_NIGHTS = 5000
SCORED = 25
"""nights that `badexp run` scores together"""
_SOURCE = {
    "night_pass": {"rows": 64, "columns": 64, "n_draw": 20},
    "entropy": {"gradient_points": 500},
    "autoencoder": {"epochs": 3},
    "clusters": {"n_images": 1000, "n_images_3d": 50},
    "report": {"draws": 100, "night_folds": 2},
}


def bench_survey(options: BenchOptions) -> Iterator[Record]:
    """Yield, for each step that reads all nights, memory above that of the interpreter and core seconds.

    Each home has a number of `options.nights` of nights of 57 exposures, fabricated from a simulated survey of two
    nights. With several homes the last records are extrapolations to the nights of DR11.
    """
    from benchmarks.survey_home import fabricate_home

    sizes = (3,) if options.quick else sorted(set(options.nights))
    source = make_source(options)
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in STEPS}
    for nights in sizes:
        started = time.process_time()
        settings = fabricate_home(source, options.folder / f"home{nights}", nights, EXPOSURES, options.seed)
        yield _record(nights, "fabricating the home", time.process_time() - started, None)
        for name in STEPS:
            (seconds, before), _, peak = in_process(_run_step, str(settings.home.root), name)
            found[name].append((seconds, peak - before))
            yield _record(nights, name, seconds, peak - before)
    if len(sizes) > 1:
        for name, measured in found.items():
            time_used, memory = (Growth.of(sizes, values) for values in zip(*measured, strict=True))
            note = f"extrapolated, exponents {time_used.exponent:.1f} (core s), {memory.exponent:.1f} (memory); "
            yield _record(DR11_NIGHTS, name, time_used.at(DR11_NIGHTS), memory.at(DR11_NIGHTS), note)


@dataclass(frozen=True)
class Growth:
    """Growth of a quantity with the number of nights, as a power of it from the last value measured."""

    nights: int
    value: float
    exponent: float

    @classmethod
    def of(cls, nights: Sequence[int], values: Sequence[float]) -> Growth:
        """Take the larger exponent of a fit to all values and of the last two, and 0 where values fall."""
        x, y = np.log(nights), np.log(np.maximum(values, 1e-9))
        exponent = max(np.polyfit(x, y, 1)[0], (y[-1] - y[-2]) / (x[-1] - x[-2]), 0.0)
        return cls(nights[-1], values[-1], float(exponent))

    def at(self, nights: int) -> float:
        """Return the value at another number of nights."""
        return float(self.value * (nights / self.nights) ** self.exponent)


def make_source(options: BenchOptions) -> Home:
    """Simulate a survey of two nights, and run everything on it."""
    from badexp_assets.commands.demonstration import demonstrate
    from badexp_assets.simulate.params import SurveyParams

    home = Home(options.folder / "source")
    params = SurveyParams(
        nights=2, exposures=24, n_ccds=24, ccd_rows=192, ccd_columns=128, bad_fraction=0.4, labelled_fraction=0.7,
        seed=options.seed,
    )  # fmt: skip
    demonstrate(home, params, lambda line: None, _SOURCE)
    return home


def _record(nights: int, step: str, seconds: float, mib: float | None, note: str = "") -> Record:
    note += "" if mib is None else f"{mib / 1024:.2f} GiB above the interpreter; seconds of one core"
    return Record("survey", f"{nights} nights", step, nights, "nights", (seconds,), nights / seconds, None, mib, note)


def _run_step(root: str, name: str) -> tuple[float, float]:
    """Run a step in this process; return core seconds, and the memory before it, MiB, with what it imports."""
    import hdbscan  # noqa: F401
    import matplotlib.figure  # noqa: F401
    import sklearn.ensemble  # noqa: F401
    import torch  # noqa: F401

    from badexp_assets.commands import graph_run  # noqa: F401

    settings = load_settings(root)
    before, started = resident_mib(), time.process_time()
    STEPS[name](settings)
    return time.process_time() - started, before


def _materialize(job: str, *assets: str, last_night: bool = False) -> Callable[[Settings], None]:
    """Return a step that materializes assets of a job, nightly ones of the last night."""

    def run(settings: Settings) -> None:
        import dagster as dg

        from badexp_assets.commands.dagster_home import environment
        from badexp_assets.defs import jobs
        from badexp_assets.defs.build import build_definitions
        from badexp_assets.orchestration.dagster_internals import DagsterAssetCheckFailedError

        with environment(settings), dg.DagsterInstance.ephemeral() as instance:
            definition = build_definitions().resolve_job_def(getattr(jobs, job).name)
            selection = [dg.AssetKey(asset) for asset in assets]
            loggers = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
            night = settings.home.nights("night_exposures")[-1] if last_night else None
            # a classifier that is not promoted was fitted, too
            with contextlib.suppress(DagsterAssetCheckFailedError):
                definition.execute_in_process(
                    partition_key=night, instance=instance, asset_selection=selection, run_config=loggers
                )

    return run


def _score(settings: Settings) -> None:
    """Score the last nights again."""
    from badexp_assets.commands.dagster_home import environment
    from badexp_assets.commands.graph_run import Runner
    from badexp_assets.defs import jobs
    from badexp_assets.defs.resources import Progress
    from benchmarks.survey_home import SCORES

    nights = settings.home.nights("night_exposures")[-SCORED:]
    for asset in SCORES:
        for night in nights:
            table = settings.home.table(asset, night)
            assert isinstance(table, Path)  # the home of a benchmark is a folder
            table.unlink()
    with environment(settings):
        Runner(settings, lambda line: None, Progress()).execute(jobs.SCORE_NIGHT, nights)


def _show(settings: Settings) -> None:
    import os

    from badexp_assets.commands.show import show

    words = ["night_ccds", "--home", str(settings.home.root), "--format", "csv"]
    with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):
        show.main(words, standalone_mode=False)


def _summarize(settings: Settings) -> None:
    from badexp_assets.commands.run_output import account_lines, summary_lines

    summary_lines(settings.home)
    account_lines(settings, settings.home.nights("night_exposures"))


def _run_again(settings: Settings) -> None:
    """Do what `badexp run` does to find out that nothing has changed."""
    from badexp_assets.commands.dagster_home import prepare_instance
    from badexp_assets.commands.last_run import find_unchanged, hash_inputs, record_run

    prepare_instance(settings.home)
    inputs = hash_inputs(settings, None)
    assert inputs is not None
    record_run(settings.home, inputs, [])
    assert find_unchanged(settings.home, hash_inputs(settings, None)) is not None


def _review(settings: Settings) -> None:
    """List the candidates, and show the first exposure that is none."""
    from badexp_assets.io.parquet_reading import read_table
    from badexp_assets.review.app.app_state import open_app_state

    state = open_app_state(settings)
    listed = {row["expnum"] for row in state.candidates.of_reviewer("reviewer")["candidates"]}
    night = settings.home.nights("night_exposures")[0]
    numbers = read_table(settings.home.table("night_exposures", night), ["expnum"])["expnum"].tolist()
    expnum = next(number for number in numbers if number not in listed)
    assert state.exposures.night_of(expnum) == night
    state.exposures.facts(expnum, night)


def _search(settings: Settings) -> None:
    """Make the index of all focal planes, and find those nearest to the first one."""
    from badexp_assets.review.similar_exposures import find_similar
    from badexp_assets.review.vector_index import VectorIndex

    settings.home.vector_index.unlink(missing_ok=True)
    nights = VectorIndex(settings.home).nights()
    assert len(find_similar(nights, int(nights[0].expnum[0]), nights[0].night, 20))


STEPS: dict[str, Callable[[Settings], None]] = {
    "training_set": _materialize("FIT_CLASSIFIER", "labels_without_image", "training_set"),
    "fitted_pipeline": _materialize("FIT_CLASSIFIER", "fitted_pipeline"),
    "fitted_classifier": _materialize("FIT_CLASSIFIER", "fitted_classifier"),
    "classification_report": _materialize("FIT_CLASSIFIER", "classification_report"),
    "entropy_reference": _materialize("FIT_UNSUPERVISED", "entropy_reference"),
    "stamp_autoencoder": _materialize("FIT_UNSUPERVISED", "stamp_autoencoder"),
    "embedding_clusters": _materialize("FIT_UNSUPERVISED", "embedding_clusters"),
    f"scores of {SCORED} nights": _score,
    "review_candidates": _materialize("LIST_CANDIDATES", "review_candidates"),
    "method_comparison": _materialize("COMPARE_METHODS", "method_comparison", "combined_ranking"),
    "legacypipe_comparison": _materialize("COMPARE_METHODS", "legacypipe_comparison"),
    "candidate_explanations": _materialize("LIST_CANDIDATES", "candidate_explanations"),
    "night_report": _materialize("CLOSE_NIGHT", "night_report", last_night=True),
    "show night_ccds": _show,
    "summary of a run": _summarize,
    "nothing has changed, twice": _run_again,
    "review app: list, exposure": _review,
    "search in all focal planes": _search,
}
