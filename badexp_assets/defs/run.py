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

from badexp_assets.defs import jobs
from badexp_assets.defs.build import build_definitions
from badexp_assets.defs.resources import Progress
from badexp_assets.errors import BadExpError, InputError
from badexp_assets.settings import Home, Settings
from badexp_assets.tables.parquet import atomic_path

# What happens is in the event log; the command line prints its own words and no log lines.
_QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}

# The code location's name in workspace.yaml; with it the UI shows these runs beside those that it launched itself.
_LOCATION = {".dagster/repository": "__repository__@badexp_assets"}


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
    """What became of a run: nights that were read and scored, and for each that failed the error in one line."""

    nights: list[str]
    failed: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


class Runner:
    """Executes jobs of the code location on the instance of a home. Use inside `environment(settings)`."""

    def __init__(self, settings: Settings, say: Callable[[str], None], progress: Progress) -> None:
        self.settings = settings
        self.say = say
        self._definitions = build_definitions({"progress": progress})
        self._instance = dg.DagsterInstance.get()

    def execute(self, job: Any, night: str | None = None) -> None:
        """Run a job to its end. A failure is raised: BadExpError where a user can act on it."""
        resolved = self._definitions.resolve_job_def(job.name)
        result = resolved.execute_in_process(
            instance=self._instance, partition_key=night, run_config=_QUIET, tags=_LOCATION, raise_on_error=True
        )
        assert result.success

    def run(self, nights: Sequence[str]) -> Outcome:
        """Run everything over `nights`: a night that fails is left out and named, the others go on."""
        outcome = Outcome(list(nights))
        supervised = self.settings.labels is not None
        self.say(f"labels: {self.settings.labels or 'none given, so no classifier is fitted'}")
        self.execute(jobs.READ_LABELS)
        self._each_night(jobs.READ_NIGHT, "reading", outcome)
        self.say("references and models")
        self.execute(jobs.FIT_UNSUPERVISED)
        if supervised:
            self.execute(jobs.FIT_CLASSIFIER)
        self._each_night(jobs.SCORE_NIGHT if supervised else jobs.SCORE_NIGHT_UNSUPERVISED, "scoring", outcome)
        self.say("candidates and reject list")
        self.execute(jobs.LIST_CANDIDATES)
        self.execute(jobs.PUBLISH_REJECTS)
        return outcome

    def _each_night(self, job: Any, verb: str, outcome: Outcome) -> None:
        todo = [night for night in outcome.nights if night not in outcome.failed]
        for number, night in enumerate(todo, start=1):
            self.say(f"{verb} night {night} ({number} of {len(todo)})")
            try:
                self.execute(job, night)
            except BadExpError as error:
                outcome.failed[night] = str(error)
                self.say(f"  failed: {error}")
        if todo and all(night in outcome.failed for night in todo):
            raise InputError(f"no night could be finished; the first said: {next(iter(outcome.failed.values()))}")
