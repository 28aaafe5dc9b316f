"""Keeps the run database from growing for ever: what old runs said goes, what Dagster still needs of them stays.

For every asset and night the latest materialisation and observation stay, and the note that one was planned where none
came of it: from these Dagster tells what is there, what failed and what is out of date. Dagster itself forgets only
ticks (`retention` of the instance).
"""

import contextlib
import datetime as dt
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import sqlalchemy as db
from dagster._core.execution.backfill import BULK_ACTION_TERMINAL_STATUSES
from dagster._core.storage.dagster_run import FINISHED_STATUSES
from dagster._core.storage.event_log.schema import AssetCheckExecutionsTable as Checks
from dagster._core.storage.event_log.schema import AssetEventTagsTable as EventTags
from dagster._core.storage.event_log.schema import SqlEventLogStorageTable as Events
from dagster._core.storage.event_log.sqlite.sqlite_event_log import SqliteEventLogStorage
from dagster._core.storage.runs.schema import BackfillTagsTable as BackfillTags
from dagster._core.storage.runs.schema import BulkActionsTable as Backfills
from dagster._core.storage.runs.schema import RunsTable as Runs
from dagster._core.storage.runs.schema import RunTagsTable as RunTags

_MADE = (dg.DagsterEventType.ASSET_MATERIALIZATION.value, dg.DagsterEventType.ASSET_OBSERVATION.value)
_PLANNED = dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED.value
_AT_ONCE = 200  # runs or rows of a statement


@dataclass(frozen=True)
class Pruned:
    """How much went: runs whose events went, and of these the runs that nothing stays of; events; checks; backfills."""

    n_runs: int
    n_runs_gone: int
    n_events: int
    n_checks: int
    n_backfills: int

    def __str__(self) -> str:
        return (
            f"{self.n_events} events of {self.n_runs} runs removed, {self.n_runs_gone} of the runs altogether; "
            f"{self.n_checks} check results and {self.n_backfills} backfills removed"
        )


def prune(instance: dg.DagsterInstance, before: dt.datetime) -> Pruned:
    """Remove what runs that ended before `before` (with a time zone) have left, but for what Dagster needs.

    It may run beside everything else, and may be interrupted: the next time goes on. What the runs' processes printed
    goes with them. SQLite files are made smaller; PostgreSQL uses the room again.
    """
    runs = _finished_runs(instance, before)
    needed = _needed_events(instance)
    n_events = n_gone = 0
    for some in _batches(runs):
        removed, left = _remove_events(instance, some, needed)
        gone = [run for run in some if run not in left]
        n_events, n_gone = n_events + removed, n_gone + len(gone)
        for run in some:
            _remove_logs(instance, run)
        _remove_runs(instance, gone)
    pruned = Pruned(len(runs), n_gone, n_events, _remove_checks(instance, before), _remove_backfills(instance, before))
    _shrink(instance)
    return pruned


def _runs(instance: dg.DagsterInstance) -> Any:
    """The storage of runs; that it is an SQL one is not in its type."""
    return instance.run_storage


def _events(instance: dg.DagsterInstance) -> Any:
    """The storage of events, likewise."""
    return instance.event_log_storage


def _batches(rows: Sequence) -> Iterator[Sequence]:
    return (rows[start : start + _AT_ONCE] for start in range(0, len(rows), _AT_ONCE))


def _finished_runs(instance: dg.DagsterInstance, before: dt.datetime) -> list[str]:
    statuses = [status.value for status in FINISHED_STATUSES]
    chosen = db.select(Runs.c.run_id).where(Runs.c.status.in_(statuses), Runs.c.end_time < before.timestamp())
    with _runs(instance).connect() as connection:
        return list(connection.execute(chosen).scalars())


def _needed_events(instance: dg.DagsterInstance) -> set[int]:
    """Ids of the events that stay, whatever their age."""
    latest = (
        db.select(Events.c.asset_key, Events.c.partition, Events.c.dagster_event_type, db.func.max(Events.c.id))
        .where(Events.c.asset_key.is_not(None), Events.c.dagster_event_type.in_((*_MADE, _PLANNED)))
        .group_by(Events.c.asset_key, Events.c.partition, Events.c.dagster_event_type)
    )
    made: dict[tuple[str, str | None], int] = {}
    needed, planned = set(), []
    with _events(instance).index_connection() as connection:
        for asset, partition, kind, event in connection.execute(latest):
            if kind == _PLANNED:
                planned.append(((asset, partition), event))
                continue
            needed.add(event)
            if kind == _MADE[0]:
                made[asset, partition] = event
    return needed | {event for key, event in planned if event > made.get(key, -1)}


def _remove_events(instance: dg.DagsterInstance, runs: Sequence[str], needed: set[int]) -> tuple[int, set[str]]:
    """Remove all events of `runs` that are not needed; return how many, and the runs of which some stay."""
    left, doomed = set(), []
    with _events(instance).index_connection() as connection:
        found = connection.execute(db.select(Events.c.id, Events.c.run_id).where(Events.c.run_id.in_(runs)))
        for event, run in found.all():
            if event in needed:
                left.add(run)
            else:
                doomed.append(event)
        for some in _batches(doomed):
            connection.execute(db.delete(EventTags).where(EventTags.c.event_id.in_(some)))
            connection.execute(db.delete(Events).where(Events.c.id.in_(some)))
    return len(doomed), left


def _remove_logs(instance: dg.DagsterInstance, run: str) -> None:
    """What its process printed; for SQLite also its own file of events: those that are needed are in the index too."""
    instance.compute_log_manager.delete_logs(prefix=[run])
    storage = instance.event_log_storage
    if isinstance(storage, SqliteEventLogStorage):
        for end in ("", "-wal", "-shm"):
            Path(storage.path_for_shard(run) + end).unlink(missing_ok=True)


def _remove_runs(instance: dg.DagsterInstance, runs: Sequence[str]) -> None:
    with _runs(instance).connect() as connection:
        for some in _batches(runs):
            connection.execute(db.delete(RunTags).where(RunTags.c.run_id.in_(some)))
            connection.execute(db.delete(Runs).where(Runs.c.run_id.in_(some)))


def _remove_checks(instance: dg.DagsterInstance, before: dt.datetime) -> int:
    """Remove old results of checks but the latest of each."""
    latest = db.select(db.func.max(Checks.c.id)).group_by(Checks.c.asset_key, Checks.c.check_name, Checks.c.partition)
    moment = before.astimezone(dt.UTC).replace(tzinfo=None)
    with _events(instance).index_connection() as connection:
        kept = set(connection.execute(latest).scalars())
        old = connection.execute(db.select(Checks.c.id).where(Checks.c.create_timestamp < moment)).scalars()
        doomed = [row for row in old.all() if row not in kept]
        for some in _batches(doomed):
            connection.execute(db.delete(Checks).where(Checks.c.id.in_(some)))
    return len(doomed)


def _remove_backfills(instance: dg.DagsterInstance, before: dt.datetime) -> int:
    statuses = [status.value for status in BULK_ACTION_TERMINAL_STATUSES]
    moment = before.astimezone(dt.UTC).replace(tzinfo=None)
    old = db.select(Backfills.c.key).where(Backfills.c.status.in_(statuses), Backfills.c.timestamp < moment)
    with _runs(instance).connect() as connection:
        doomed = list(connection.execute(old).scalars())
        for some in _batches(doomed):
            connection.execute(db.delete(BackfillTags).where(BackfillTags.c.backfill_id.in_(some)))
            connection.execute(db.delete(Backfills).where(Backfills.c.key.in_(some)))
    return len(doomed)


def _shrink(instance: dg.DagsterInstance) -> None:
    """Give the room of removed rows back; where another process is writing, the next time does."""
    if not isinstance(instance.event_log_storage, SqliteEventLogStorage):
        return
    for connect in (_events(instance).index_connection, _runs(instance).connect):
        with connect() as connection:
            file = connection.engine.url.database
        with contextlib.suppress(sqlite3.OperationalError), contextlib.closing(sqlite3.connect(file)) as database:
            database.execute("VACUUM")
