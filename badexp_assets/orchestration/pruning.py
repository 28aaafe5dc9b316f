"""Removes old runs, events, check results and backfills from the run database, which Dagster itself never shrinks.

For every asset and night the latest materialization and observation stay, and a planned materialization that is newer
than the latest real one: Dagster needs these events to tell which nights exist, failed or are out of date.

Dagster's public API can only delete a run with all its events, and nearly every run holds the latest materialization of
some night. So events, check results and backfills are deleted by SQL. The tables below are private to Dagster; a
contract test checks that they have these names and columns.
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

from badexp_assets.orchestration.dagster_internals import FINISHED


def _table(name: str, *columns: str, **dates: Any) -> db.TableClause:
    return db.table(name, *map(db.column, columns), *(db.column(column, kind) for column, kind in dates.items()))


EVENTS = _table("event_logs", "id", "run_id", "dagster_event_type", "asset_key", "partition")
EVENT_TAGS = _table("asset_event_tags", "event_id")
CHECKS = _table("asset_check_executions", "id", "asset_key", "check_name", "partition", create_timestamp=db.DateTime())
BACKFILLS = _table("bulk_actions", "key", "status", timestamp=db.TIMESTAMP())
BACKFILL_TAGS = _table("backfill_tags", "backfill_id")
FINISHED_BACKFILL = ("COMPLETED", "COMPLETED_SUCCESS", "COMPLETED_FAILED", "FAILED", "CANCELED")
"""statuses of backfills that have ended"""

_MATERIALIZED = dg.DagsterEventType.ASSET_MATERIALIZATION.value
_OBSERVED = dg.DagsterEventType.ASSET_OBSERVATION.value
_PLANNED = dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED.value
_BATCH = 200  # runs, or events, in one statement


@dataclass(frozen=True)
class Pruned:
    """What was removed. n_runs: runs that lost events; n_runs_gone: those of them of which nothing is left."""

    n_runs: int
    n_runs_gone: int
    n_events: int
    n_checks: int
    n_backfills: int

    def __str__(self) -> str:
        return (
            f"{self.n_events} events of {self.n_runs} runs removed, {self.n_runs_gone} of these runs completely; "
            f"{self.n_checks} check results and {self.n_backfills} backfills removed"
        )


def prune(instance: dg.DagsterInstance, before: dt.datetime) -> Pruned:
    """Remove what Dagster no longer needs of runs that ended before `before` (with a time zone), logs included.

    It may run while other processes use the database, and after an interruption the next call continues. SQLite files
    shrink at once; PostgreSQL reuses the space.
    """
    runs = instance.get_run_ids(dg.RunsFilter(statuses=list(FINISHED), updated_before=before))
    needed = _needed_events(instance)
    n_events = n_gone = 0
    for batch in _batches(runs):
        removed, remaining = _remove_events(instance, batch, needed)
        n_events += removed
        for run in batch:
            _remove_logs(instance, run)
            if run not in remaining:
                instance.run_storage.delete_run(run)
                n_gone += 1
    pruned = Pruned(len(runs), n_gone, n_events, _remove_checks(instance, before), _remove_backfills(instance, before))
    _shrink_sqlite(instance)
    return pruned


def _event_connection(instance: dg.DagsterInstance) -> contextlib.AbstractContextManager[db.Connection]:
    storage: Any = instance.event_log_storage
    return storage.index_connection()


def _run_connection(instance: dg.DagsterInstance) -> contextlib.AbstractContextManager[db.Connection]:
    storage: Any = instance.run_storage
    return storage.connect()


def _batches(rows: Sequence) -> Iterator[Sequence]:
    return (rows[start : start + _BATCH] for start in range(0, len(rows), _BATCH))


def _needed_events(instance: dg.DagsterInstance) -> set[int]:
    """Return the IDs of the events that stay, whatever their age."""
    latest = (
        db.select(EVENTS.c.asset_key, EVENTS.c.partition, EVENTS.c.dagster_event_type, db.func.max(EVENTS.c.id))
        .where(EVENTS.c.asset_key.is_not(None), EVENTS.c.dagster_event_type.in_((_MATERIALIZED, _OBSERVED, _PLANNED)))
        .group_by(EVENTS.c.asset_key, EVENTS.c.partition, EVENTS.c.dagster_event_type)
    )
    with _event_connection(instance) as connection:
        found = {(asset, partition, kind): event for asset, partition, kind, event in connection.execute(latest)}
    return {
        event
        for (asset, partition, kind), event in found.items()
        if kind != _PLANNED or event > found.get((asset, partition, _MATERIALIZED), -1)
    }


def _remove_events(instance: dg.DagsterInstance, runs: Sequence[str], needed: set[int]) -> tuple[int, set[str]]:
    """Remove the events of `runs` that are not needed; return their number and the runs that keep some."""
    with _event_connection(instance) as connection:
        found = connection.execute(db.select(EVENTS.c.id, EVENTS.c.run_id).where(EVENTS.c.run_id.in_(runs))).all()
        unneeded = [event for event, _ in found if event not in needed]
        for batch in _batches(unneeded):
            connection.execute(db.delete(EVENT_TAGS).where(EVENT_TAGS.c.event_id.in_(batch)))
            connection.execute(db.delete(EVENTS).where(EVENTS.c.id.in_(batch)))
    return len(unneeded), {run for event, run in found if event in needed}


def _remove_logs(instance: dg.DagsterInstance, run: str) -> None:
    """Remove the output of the run's processes, and on SQLite the run's own event file; the index has needed events."""
    instance.compute_log_manager.delete_logs(prefix=[run])
    storage: Any = instance.event_log_storage
    if hasattr(storage, "path_for_shard"):
        for end in ("", "-wal", "-shm"):
            Path(storage.path_for_shard(run) + end).unlink(missing_ok=True)


def _remove_checks(instance: dg.DagsterInstance, before: dt.datetime) -> int:
    """Remove old check results, except the latest of each check and partition."""
    latest = db.select(db.func.max(CHECKS.c.id)).group_by(CHECKS.c.asset_key, CHECKS.c.check_name, CHECKS.c.partition)
    old = CHECKS.c.create_timestamp < _naive_utc(before)
    with _event_connection(instance) as connection:
        return connection.execute(db.delete(CHECKS).where(old, CHECKS.c.id.not_in(latest))).rowcount


def _remove_backfills(instance: dg.DagsterInstance, before: dt.datetime) -> int:
    old = (BACKFILLS.c.status.in_(FINISHED_BACKFILL), BACKFILLS.c.timestamp < _naive_utc(before))
    with _run_connection(instance) as connection:
        keys = db.select(BACKFILLS.c.key).where(*old)
        connection.execute(db.delete(BACKFILL_TAGS).where(BACKFILL_TAGS.c.backfill_id.in_(keys)))
        return connection.execute(db.delete(BACKFILLS).where(*old)).rowcount


def _naive_utc(moment: dt.datetime) -> dt.datetime:
    return moment.astimezone(dt.UTC).replace(tzinfo=None)


def _shrink_sqlite(instance: dg.DagsterInstance) -> None:
    """Return the space of removed rows to the disk; if another process is writing, the next call does."""
    for connect in (_event_connection, _run_connection):
        with connect(instance) as connection:
            if connection.dialect.name != "sqlite":
                return
            file = connection.engine.url.database
        with contextlib.suppress(sqlite3.OperationalError), contextlib.closing(sqlite3.connect(str(file))) as database:
            database.execute("VACUUM")
