"""Runs the graph in this process on the Dagster instance of a home, stage by stage and night by night."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

import dagster as dg

from badexp_assets.commands.damaged_nights import DamagedNights
from badexp_assets.config.settings import Settings
from badexp_assets.defs import jobs
from badexp_assets.defs.assets.labelled_ccds import nights_to_read
from badexp_assets.defs.assets.scoring import TABLES as PREDICTIONS
from badexp_assets.defs.build import build_definitions
from badexp_assets.defs.resources import Progress
from badexp_assets.defs.unchanged_nights import up_to_date
from badexp_assets.errors import BadExpError, DamagedTableError, InputError, StorageError
from badexp_assets.io.models import current_version, list_models
from badexp_assets.io.storage_errors import redact_credentials
from badexp_assets.orchestration.command_line_runs import command_line_instance
from badexp_assets.orchestration.dagster_internals import PARTITION_RANGE_TAGS, DagsterAssetCheckFailedError
from badexp_assets.orchestration.exclusive_run import exclusive_run
from badexp_assets.orchestration.failures import keyboard_interrupts, one_line_errors
from badexp_assets.orchestration.settings_check import check_settings
from badexp_assets.orchestration.step_resources import nights_per_job
from badexp_assets.pixels.device_shares import load_pass_setup
from badexp_assets.pixels.labelled_ccds import LABELLED_TABLE
from badexp_assets.pixels.night_tables import PASS_TABLES
from badexp_assets.pixels.stored_numbers import StoredNumbers
from badexp_assets.survey.cameras import load_camera
from badexp_assets.survey.night_range import possible_nights, record_night_range
from badexp_assets.survey.nights import consecutive_nights

# The event log records everything; the command line prints its own progress instead of log lines.
_QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}

_LABELLED = "reading labelled CCDs of"
_DONE = {"reading": "read", _LABELLED: "read", "scoring": "scored"}
_TRAINING = ("labels_without_image", "training_set")  # one step makes both
_CLASSIFIERS = ("fitted_pipeline", "fitted_classifier")
_KEPT_MODELS = ("stamp_autoencoder", "fitted_classifier", "patch_reference")


@dataclass
class Outcome:
    """Result of a run.

    failed: nights that could not be read or scored, with a one-line error. skipped: steps without enough data, which
    the rest of the run did without. notes: other facts that a user should know. incomplete: another run might do more.
    """

    nights: list[str]
    failed: dict[str, str] = field(default_factory=dict)
    skipped: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    incomplete: bool = False


class Runner:
    """Executes jobs of the code location on the instance of a home. Use inside `environment(settings)`.

    archive_nights: all nights of the archive, which become the home's partitions (see `survey.night_range`).

    Raises BadExpError, before any night is read, for an invalid option or an unavailable backbone.
    """

    def __init__(
        self,
        settings: Settings,
        say: Callable[[str], None],
        progress: Progress,
        archive_nights: Collection[str] = (),
    ) -> None:
        check_settings(settings)
        self._camera = load_camera(settings.camera)
        if archive_nights:
            record_night_range(settings.home, self._camera, archive_nights)
        self._setup = load_pass_setup(settings)
        self.settings = settings
        self.say = say
        self._definitions = build_definitions({"progress": progress})
        self._damaged = DamagedNights(settings.home, self._execute)
        with one_line_errors(settings.home):
            self._instance = command_line_instance()

    def execute(
        self, job: Any, nights: str | Sequence[str] | None = None, assets: Sequence[str] | None = None
    ) -> list[str]:
        """Run a job, or only `assets` of it; return one line per failed check that does not stop the run.

        nights: of a nightly job, one night, or several that follow each other day by day and share the run. A night of
        which a stored table turns out to be damaged is made again. Raises BadExpError for a failure that a user can act
        on; other errors are raised as they are.
        """
        while True:
            try:
                return self._execute(job, nights, assets)
            except DamagedTableError as error:
                if not self._damaged.make_again(error):
                    raise
                self.say(f"  {self._damaged.notes[-1]}")

    def _execute(self, job: Any, nights: str | Sequence[str] | None, assets: Sequence[str] | None) -> list[str]:
        group = [nights] if isinstance(nights, str) else list(nights or [])
        range_ = dict(zip(PARTITION_RANGE_TAGS, (group[0], group[-1]), strict=True)) if len(group) > 1 else {}
        resolved = self._definitions.resolve_job_def(job.name)
        with one_line_errors(self.settings.home), keyboard_interrupts():
            result = resolved.execute_in_process(
                instance=self._instance,
                partition_key=group[0] if len(group) == 1 else None,
                asset_selection=[dg.AssetKey(asset) for asset in assets] if assets else None,
                run_config=_QUIET,
                tags=range_,
                raise_on_error=True,
            )
        assert result.success
        checks = result.get_asset_check_evaluations()
        return [f"{c.asset_key.path[-1]}: {c.description or c.check_name}" for c in checks if not c.passed]

    def request(self, job: Any) -> list[str]:
        """Like `execute`, for a job that `run` does not include. Raises InputError if another run uses this home."""
        with one_line_errors(self.settings.home), exclusive_run(self.settings.home, self._instance):
            return self.execute(job)

    def run(self, nights: Sequence[str], keep_models: bool = False) -> Outcome:
        """Run the whole graph over `nights`.

        With `keep_models`, models and references that the home has are not fitted again. Nights that fail, and models
        without enough data, are skipped and reported; the rest continues without them. If the new classifier is worse
        than the current one, nights are scored with the current one, and a note says why. Raises InputError if another
        run uses this home.
        """
        outcome = Outcome(list(nights), self._impossible_nights(nights))
        if len(outcome.failed) == len(outcome.nights) > 0:
            raise InputError(next(iter(outcome.failed.values())))
        with one_line_errors(self.settings.home), exclusive_run(self.settings.home, self._instance):
            self._run(outcome, keep_models)
        outcome.notes += self._damaged.notes
        return outcome

    def _impossible_nights(self, nights: Sequence[str]) -> dict[str, str]:
        possible, camera = possible_nights(self._camera), self._camera.name
        return {
            night: f"night {night}: nights of {camera} are {possible.first} (its first) to {possible.last} (tonight)"
            for night in nights
            if not possible.has(night)
        }

    def _run(self, outcome: Outcome, keep_models: bool) -> None:
        for reason in outcome.failed.values():
            self.say(f"  failed: {reason}")
        self.say(f"labels: {', '.join(map(redact_credentials, self.settings.labels)) or 'none given'}")
        outcome.notes += self.execute(jobs.READ_LABELS)
        changed = self._each_night(jobs.READ_NIGHT, "reading", outcome, PASS_TABLES)
        changed += self._exclude_taken_numbers(outcome)
        kept = self._kept() if keep_models else set()
        if "fitted_classifier" not in kept:
            self._read_labelled_ccds(outcome)
        self.say("references and models")
        if kept:
            self.say(f"  kept: {', '.join(sorted(kept))}")
        scores = self._fit_all(outcome, kept)
        if "night_predictions" not in scores and self.settings.home.has_nights("night_exposure_predictions"):
            outcome.notes.append("candidates use predictions of an earlier run in this home")
        changed += self._each_night(jobs.SCORE_NIGHT, "scoring", outcome, scores, together=nights_per_job())
        self.say("candidates and reject list")
        self.execute(jobs.LIST_CANDIDATES, assets=["review_candidates"])
        self.execute(jobs.PUBLISH_REJECTS)
        changed.append(self.settings.home.nights("night_exposures")[-1])
        for group in consecutive_nights(sorted(set(changed)), nights_per_job()):
            self.execute(jobs.CLOSE_NIGHT, group, assets=["night_report"])
        if "night_predictions" in scores:
            self._compare(outcome)
        explanations = [name for name in ("patch_reference", "candidate_explanations") if name not in kept]
        self._fit(outcome, "explanations", jobs.LIST_CANDIDATES, *explanations)

    def _kept(self) -> set[str]:
        """Return which of the models and references of the graph this home has."""
        home = self.settings.home
        models = {name for name in _KEPT_MODELS if current_version(home.models / name)}
        return models | {name for name in ("entropy_reference", "embedding_clusters") if home.table(name).exists()}

    def _fit_all(self, outcome: Outcome, kept: Collection[str]) -> list[str]:
        """Fit all models and references but those that are `kept`; return the nightly tables that can be scored."""
        scores = ["night_entropy_scores"]
        if "entropy_reference" not in kept:
            self.execute(jobs.FIT_UNSUPERVISED, assets=["entropy_reference"])
        if "stamp_autoencoder" in kept or self._fit(outcome, "autoencoder", jobs.FIT_UNSUPERVISED, "stamp_autoencoder"):
            scores.append("night_reconstruction_errors")
        if "embedding_clusters" not in kept:
            self._fit(outcome, "map of embeddings", jobs.FIT_UNSUPERVISED, "embedding_clusters")
        if "fitted_classifier" in kept:
            return scores + list(PREDICTIONS)
        if not self.settings.labels:
            self._skip(outcome, "classifier", "no labels given: use --labels or set BADEXP_LABELS")
        elif self._fit_classifier(outcome):
            scores += PREDICTIONS
            self._fit(outcome, "classification report", jobs.FIT_CLASSIFIER, "classification_report")
        return scores

    def _exclude_taken_numbers(self, outcome: Outcome) -> list[str]:
        """Read the nights again that have an exposure number of an earlier night, which was read after them."""
        nights = StoredNumbers(self.settings.home.tables / "night_exposures").contradicting_nights()
        for night in sorted(nights.difference(outcome.nights)):
            outcome.notes.append(
                f"night {night} has an exposure number of an earlier night: run it again to exclude it"
            )
        nights = nights.intersection(outcome.nights).difference(outcome.failed)
        if not nights:
            return []
        found = Outcome(sorted(nights))
        again = self._each_night(jobs.READ_NIGHT, "reading", found, PASS_TABLES)
        outcome.notes += found.notes
        outcome.failed |= found.failed
        return again

    def _read_labelled_ccds(self, outcome: Outcome) -> None:
        """Read the labelled CCDs that were not sampled. Training does without those of a night that fails."""
        found = Outcome(nights_to_read(self.settings, set(outcome.nights) - set(outcome.failed)))
        try:
            self._each_night(jobs.READ_LABELLED_CCDS, _LABELLED, found, [LABELLED_TABLE])
        except InputError as error:
            outcome.notes.append(f"labelled CCDs: {error}")
        outcome.incomplete |= bool(found.failed)
        outcome.notes += found.notes
        outcome.notes += [f"labelled CCDs of {night} were not read: {why}" for night, why in found.failed.items()]

    def _compare(self, outcome: Outcome) -> None:
        """Compare with legacypipe; compare the methods if enough outcomes are known, which needs a review."""
        self.execute(jobs.COMPARE_METHODS, assets=["legacypipe_comparison"])
        try:
            self.execute(jobs.COMPARE_METHODS, assets=["method_comparison", "combined_ranking"])
        except InputError as error:
            outcome.notes.append(f"methods are not compared: {error}")

    def _fit_classifier(self, outcome: Outcome) -> bool:
        if not self.settings.options.search.use_best:
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
            # the new classifier is worse: nights are scored with the current one
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

    def _each_night(self, job: Any, verb: str, outcome: Outcome, assets: Sequence[str], together: int = 1) -> list[str]:
        """Run a job for the nights whose `assets` are not up to date; in a home of thousands of nights, few are not.

        together: how many nights may share a run; nights of a run that fails are run one by one. Return the nights for
        which it succeeded.
        """
        every = [night for night in outcome.nights if night not in outcome.failed]
        unchanged = up_to_date(self.settings, self._setup, self._instance, assets, every)
        todo = [night for night in every if night not in unchanged]
        if unchanged:
            self.say(f"{len(unchanged)} of {len(every)} nights are unchanged and were not {_DONE[verb]} again")
        warned: dict[str, str] = {}
        number = 1
        for group in consecutive_nights(todo, together):
            last = number + len(group) - 1
            places = f"{number}" if len(group) == 1 else f"{number} to {last}"
            self.say(f"{verb} {_named(group)} ({places} of {len(todo)})")
            warned |= self._execute_nights(job, group, assets, outcome)
            number = last + 1
        warned = {nights: words for nights, words in warned.items() if words}
        if warned:
            outcome.notes.append(f"checks warn of {', '.join(warned)}; the first: {next(iter(warned.values()))}")
        if len(todo) == len(every) > 0 and all(night in outcome.failed for night in todo):
            raise InputError(f"no night could be finished; the first error: {next(iter(outcome.failed.values()))}")
        return [night for night in todo if night not in outcome.failed]

    def _execute_nights(
        self, job: Any, nights: Sequence[str], assets: Sequence[str], outcome: Outcome
    ) -> dict[str, str]:
        """Run a job for nights together, or one by one if that fails; return what checks say, by nights."""
        try:
            return {_named(nights): "; ".join(self.execute(job, nights, assets))}
        except StorageError:
            raise
        except Exception as error:  # other nights are not affected; the UI shows the traceback
            if len(nights) > 1:
                self.say("  failed; each night by itself:")
                found = [self._execute_nights(job, [night], assets, outcome) for night in nights]
                return {name: words for part in found for name, words in part.items()}
            known = isinstance(error, BadExpError)
            outcome.failed[nights[0]] = str(error) if known else f"{type(error).__name__}: {error}".splitlines()[0]
            self.say(f"  failed: {outcome.failed[nights[0]]}")
            return {}


def _named(nights: Sequence[str]) -> str:
    return f"night {nights[0]}" if len(nights) == 1 else f"nights {nights[0]} to {nights[-1]}"
