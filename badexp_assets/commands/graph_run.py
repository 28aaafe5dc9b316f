"""Runs the graph in this process, stage by stage and night by night, on the Dagster instance of a home."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

import dagster as dg

from badexp_assets.config.search import SearchParams
from badexp_assets.config.settings import Home, Settings
from badexp_assets.defs import jobs
from badexp_assets.defs.build import build_definitions
from badexp_assets.defs.resources import Progress
from badexp_assets.defs.stored_scores import NOT_AGAIN
from badexp_assets.errors import BadExpError, InputError, StorageError
from badexp_assets.io.models import list_models
from badexp_assets.io.parquet import atomic_path
from badexp_assets.io.storage_errors import redact_credentials
from badexp_assets.orchestration.dagster_internals import DagsterAssetCheckFailedError
from badexp_assets.orchestration.exclusive_run import COMMAND_LINE_TAGS, exclusive_run
from badexp_assets.orchestration.failures import one_line_errors
from badexp_assets.pixels.device_shares import build_machine

# What happens is in the event log; the command line prints its own words and no log lines.
_QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}

# The code location's name in workspace.yaml; with it the UI shows these runs beside those that it launched itself.
_LOCATION = {".dagster/repository": "__repository__@badexp_assets"}

_DONE = {"reading": "read", "scoring": "scored"}
_TRAINING = ("labels_without_image", "training_set")  # made in one step
_CLASSIFIERS = ("fitted_pipeline", "fitted_classifier")


def prepare_instance(home: Home) -> Path:
    """Make DAGSTER_HOME of `home` unless it is there, and return it. An instance file that is there is kept."""
    try:
        home.dagster.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{home.root}: can't be made the home ({error.strerror})") from error
    if not (home.dagster / "dagster.yaml").exists():
        text = resources.files(__package__).joinpath("local_dagster.yaml").read_text(encoding="utf-8")
        with atomic_path(home.dagster / "dagster.yaml") as path:
            path.write_text(text, encoding="utf-8")
        # its databases, before several processes (UI, daemon, code server) make them at once and damage them
        dg.DagsterInstance.from_config(str(home.dagster)).dispose()
    return home.dagster


def workspace_file() -> str:
    """Path of the workspace file in the package: the code location under the name that it has everywhere."""
    return str(resources.files(__package__).joinpath("workspace.yaml"))


@contextlib.contextmanager
def environment(settings: Settings) -> Iterator[dict[str, str]]:
    """Set DAGSTER_HOME and BADEXP_HOME to those of `settings` for the block, and give them."""
    given = {"DAGSTER_HOME": str(prepare_instance(settings.home)), "BADEXP_HOME": str(settings.home.root)}
    before = {name: os.environ.get(name) for name in given}
    os.environ.update(given)
    try:
        yield given
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@dataclass
class Outcome:
    """What became of a run.

    `failed`: nights that could not be read or scored, with the error in one line. `skipped`: what could not be done
    for lack of data, so that the rest was done without it. `notes`: what a person should know of the rest.
    """

    nights: list[str]
    failed: dict[str, str] = field(default_factory=dict)
    skipped: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


class Runner:
    """Executes jobs of the code location on the instance of a home. Use inside `environment(settings)`.

    Raises BadExpError, before any night, for an option that is not allowed or a backbone that can't be had.
    """

    def __init__(self, settings: Settings, say: Callable[[str], None], progress: Progress) -> None:
        settings.check_options()
        build_machine(settings)
        self.settings = settings
        self.say = say
        self._definitions = build_definitions({"progress": progress})
        self._not_again = 0  # runs whose nights were stored already
        with one_line_errors(settings.home):
            self._instance = dg.DagsterInstance.get()

    def execute(self, job: Any, night: str | None = None, assets: Sequence[str] | None = None) -> list[str]:
        """Run a job, or only `assets` of it, to its end; return what its checks warn of, a line each.

        A failure is raised: BadExpError where a user can act on it.
        """
        resolved = self._definitions.resolve_job_def(job.name)
        with one_line_errors(self.settings.home):
            result = resolved.execute_in_process(
                instance=self._instance,
                partition_key=night,
                asset_selection=[dg.AssetKey(asset) for asset in assets] if assets else None,
                run_config=_QUIET,
                tags=_LOCATION | COMMAND_LINE_TAGS,
                raise_on_error=True,
            )
        assert result.success
        self._not_again += any(_stored(event) for event in result.get_asset_materialization_events())
        checks = result.get_asset_check_evaluations()
        return [f"{c.asset_key.path[-1]}: {c.description or c.check_name}" for c in checks if not c.passed]

    def request(self, job: Any) -> list[str]:
        """Like `execute`, for a job that is no part of `run`.

        Raises InputError while another process runs in this home.
        """
        with one_line_errors(self.settings.home), exclusive_run(self.settings.home, self._instance):
            return self.execute(job)

    def run(self, nights: Sequence[str]) -> Outcome:
        """Run everything over `nights`.

        A night that fails is left out and named, the others go on. So are models that the data do not suffice for:
        candidates come from what is left. A new classifier that is worse than the one in use is not used: nights are
        scored with the old one, and a note says why. Raises InputError while another process runs in this home.
        """
        outcome = Outcome(list(nights))
        with one_line_errors(self.settings.home), exclusive_run(self.settings.home, self._instance):
            self._run(outcome)
        return outcome

    def _run(self, outcome: Outcome) -> None:
        self.say(f"labels: {', '.join(map(redact_credentials, self.settings.labels)) or 'none given'}")
        outcome.notes += self.execute(jobs.READ_LABELS)
        self._each_night(jobs.READ_NIGHT, "reading", outcome)
        self.say("references and models")
        scores = ["night_entropy_scores"]
        self.execute(jobs.FIT_UNSUPERVISED, assets=["entropy_reference"])
        if self._fit(outcome, "autoencoder", jobs.FIT_UNSUPERVISED, "stamp_autoencoder"):
            scores.append("night_reconstruction_errors")
        self._fit(outcome, "map of embeddings", jobs.FIT_UNSUPERVISED, "embedding_clusters")
        if not self.settings.labels:
            self._skip(outcome, "classifier", "no labels given: use --labels or set BADEXP_LABELS")
        elif self._fit_classifier(outcome):
            scores += ["night_predictions", "night_exposure_predictions"]
            self._fit(outcome, "classification report", jobs.FIT_CLASSIFIER, "classification_report")
        if "night_predictions" not in scores and self.settings.home.has_nights("night_exposure_predictions"):
            outcome.notes.append("candidates use predictions that an earlier run left in this home")
        self._each_night(jobs.SCORE_NIGHT, "scoring", outcome, scores)
        self.say("candidates and reject list")
        self.execute(jobs.LIST_CANDIDATES, assets=["review_candidates"])
        self.execute(jobs.PUBLISH_REJECTS)
        self.execute(jobs.CLOSE_NIGHT, self.settings.home.nights("night_exposures")[-1], assets=["night_report"])
        if "night_predictions" in scores:
            self._compare(outcome)
        self._fit(outcome, "explanations", jobs.LIST_CANDIDATES, "patch_reference", "candidate_explanations")

    def _compare(self, outcome: Outcome) -> None:
        """Compare with legacypipe, and the methods where enough outcomes are known: before a review there are none."""
        self.execute(jobs.COMPARE_METHODS, assets=["legacypipe_comparison"])
        try:
            self.execute(jobs.COMPARE_METHODS, assets=["method_comparison", "combined_ranking"])
        except InputError as error:
            outcome.notes.append(f"methods are not compared: {error}")

    def _fit_classifier(self, outcome: Outcome) -> bool:
        if not self.settings.parameters("search", SearchParams).use_best:
            return self._fit(outcome, "classifier", jobs.FIT_CLASSIFIER, *_TRAINING, *_CLASSIFIERS)
        return (
            self._fit(outcome, "classifier", jobs.FIT_CLASSIFIER, *_TRAINING)
            and self._fit(outcome, "search, so no classifier", jobs.SEARCH_PIPELINE)
            and self._fit(outcome, "classifier", jobs.FIT_CLASSIFIER, *_CLASSIFIERS)
        )

    def _fit(self, outcome: Outcome, what: str, job: Any, *assets: str) -> bool:
        try:
            outcome.notes += self.execute(job, assets=assets)
        except StorageError:
            raise
        except DagsterAssetCheckFailedError:
            if "fitted_classifier" not in assets:
                raise
            # the new classifier is worse: nights are scored with the one that is there
            newest = list_models(self.settings.home.models / "fitted_classifier").sort_values("noted").iloc[-1]
            outcome.notes.append(f"fitted_classifier: {newest['note']}")
            self.say(f"  {outcome.notes[-1]}")
        except BadExpError as error:
            self._skip(outcome, what, str(error))
            return False
        return True

    def _skip(self, outcome: Outcome, what: str, reason: str) -> None:
        outcome.skipped.append(f"no {what}: {reason}")
        self.say(f"  {outcome.skipped[-1]}")

    def _each_night(self, job: Any, verb: str, outcome: Outcome, assets: Sequence[str] | None = None) -> None:
        todo = [night for night in outcome.nights if night not in outcome.failed]
        warned: dict[str, str] = {}
        self._not_again = 0
        for number, night in enumerate(todo, start=1):
            self.say(f"{verb} night {night} ({number} of {len(todo)})")
            try:
                warned[night] = "; ".join(self.execute(job, night, assets))
            except StorageError:
                raise
            except Exception as error:  # the next night must not pay for it; the run's page in the UI has the traceback
                known = isinstance(error, BadExpError)
                outcome.failed[night] = str(error) if known else f"{type(error).__name__}: {error}".splitlines()[0]
                self.say(f"  failed: {outcome.failed[night]}")
        if self._not_again:
            self.say(f"  {self._not_again} of {len(todo)} nights are as they were and were not {_DONE[verb]} again")
        warned = {night: words for night, words in warned.items() if words}
        if warned:
            named = f"{len(warned)} night(s) whose checks warn: {', '.join(warned)}"
            outcome.notes.append(f"{named}; the first: {next(iter(warned.values()))}")
        if todo and all(night in outcome.failed for night in todo):
            raise InputError(f"no night could be finished; the first said: {next(iter(outcome.failed.values()))}")


def _stored(event: dg.DagsterEvent) -> bool:
    """Whether a step says that the scores of a night were stored already."""
    found = event.step_materialization_data.materialization.metadata.get(NOT_AGAIN)
    return found is not None and bool(found.value)
