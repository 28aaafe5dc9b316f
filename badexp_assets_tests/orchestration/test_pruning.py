"""What is pruned and what stays, on SQLite and on PostgreSQL."""

import datetime as dt
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
import sqlalchemy as db
from click.testing import CliRunner
from dagster._core.storage.event_log.schema import AssetEventTagsTable, SqlEventLogStorageTable

from badexp_assets.commands import graph_run as _run  # noqa: F401  # definitions are made at import, before warnings are errors
from badexp_assets.commands.cli import badexp
from badexp_assets.orchestration.pruning import prune

NIGHTS = dg.StaticPartitionsDefinition([f"n{number}" for number in range(6)])
FAIL = {"now": False}


@dg.asset(partitions_def=NIGHTS, check_specs=[dg.AssetCheckSpec("good", asset="read")])
def read() -> Iterator:
    if FAIL["now"]:
        raise ValueError("planted")
    print("a word of the process")
    yield dg.Output(1)
    yield dg.AssetCheckResult(passed=True)


@dg.asset(deps=[read], partitions_def=NIGHTS)
def scores() -> None: ...


@dg.asset(deps=[read])
def fitted() -> None: ...


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.slow)])
def instance(request, tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    if request.param == "postgres":
        request.getfixturevalue("database")
        url = "storage:\n  postgres:\n    postgres_url: postgresql+psycopg2://\n"
        (tmp_path / "dagster.yaml").write_text(url)
    with dg.DagsterInstance.from_config(str(tmp_path)) as found:
        yield found
        if request.param == "postgres":
            found.wipe()


def run(instance: dg.DagsterInstance, night: str, fail: bool = False) -> str:
    FAIL["now"] = fail
    done = dg.materialize(
        [read, scores, fitted],
        selection=["read", "scores"],
        partition_key=night,
        instance=instance,
        raise_on_error=False,
    )
    return done.run_id


def tomorrow() -> dt.datetime:
    return dt.datetime.now(dt.UTC) + dt.timedelta(days=1)


def known(instance: dg.DagsterInstance) -> dict[str, dict[str, str]]:
    """The run of the latest materialisation of every asset and night."""
    return {
        asset.key.to_user_string(): {
            night: instance.fetch_materializations(dg.AssetRecordsFilter(asset.key, asset_partitions=[night]), limit=1)
            .records[0]
            .run_id
            for night in sorted(instance.get_materialized_partitions(asset.key))
        }
        for asset in (read, scores)
    }


def count(instance: dg.DagsterInstance, table: db.Table) -> int:
    with instance.event_log_storage.index_connection() as connection:
        return connection.execute(db.select(db.func.count()).select_from(table)).scalar()


@pytest.mark.slow
def test_the_latest_materialisation_of_every_asset_and_night_stays(instance):
    first = {night: run(instance, night) for night in ("n0", "n1", "n2")}
    again = run(instance, "n1")
    before, events = known(instance), count(instance, SqlEventLogStorageTable)
    pruned = prune(instance, tomorrow())
    assert (
        known(instance)
        == before
        == {asset: {"n0": first["n0"], "n1": again, "n2": first["n2"]} for asset in ("read", "scores")}
    )
    assert pruned.n_runs == 4
    assert pruned.n_runs_gone == 1
    assert instance.get_run_by_id(first["n1"]) is None
    assert instance.get_run_by_id(first["n0"]).status == dg.DagsterRunStatus.SUCCESS
    assert count(instance, SqlEventLogStorageTable) == 6 == events - pruned.n_events
    with instance.event_log_storage.index_connection() as connection:
        tagged = set(connection.execute(db.select(AssetEventTagsTable.c.event_id)).scalars())
        kept = set(connection.execute(db.select(SqlEventLogStorageTable.c.id)).scalars())
    assert tagged <= kept


@pytest.mark.slow
def test_pruning_twice_removes_nothing_more(instance):
    run(instance, "n0")
    prune(instance, tomorrow())
    again = prune(instance, tomorrow())
    assert (again.n_events, again.n_runs_gone, again.n_checks) == (0, 0, 0)


@pytest.mark.slow
def test_what_is_younger_stays_whole(instance):
    done = run(instance, "n0")
    before = len(instance.all_logs(done))
    pruned = prune(instance, dt.datetime.now(dt.UTC) - dt.timedelta(hours=1))
    assert pruned.n_runs == 0
    assert len(instance.all_logs(done)) == before


@pytest.mark.slow
def test_a_night_that_failed_is_still_known_as_failed(instance):
    run(instance, "n0")
    run(instance, "n3", fail=True)
    run(instance, "n4", fail=True)
    run(instance, "n4")

    def failed() -> set[str]:
        value = instance.get_status_by_partition(read.key, NIGHTS.get_partition_keys(), NIGHTS)
        return {night for night, status in value.items() if status is not None and status.value == "FAILED"}

    assert failed() == {"n3"}
    prune(instance, tomorrow())
    instance.event_log_storage.wipe_asset_cached_status(read.key)
    assert failed() == {"n3"}


@pytest.mark.slow
def test_only_the_latest_result_of_a_check_stays(instance):
    for night in ("n0", "n1", "n2"):
        run(instance, night)
    assert prune(instance, tomorrow()).n_checks == 2
    [(key, record)] = instance.event_log_storage.get_latest_asset_check_execution_by_key(
        [dg.AssetCheckKey(read.key, "good")]
    ).items()
    assert key.name == "good"
    assert record.event.dagster_event.event_specific_data.passed


@pytest.mark.slow
def test_what_processes_printed_goes_with_their_runs(instance, tmp_path):
    done = run(instance, "n0")
    printed = [path for path in (tmp_path / "storage").rglob("*") if path.is_file() and done in str(path)]
    assert printed
    prune(instance, tomorrow())
    assert not [path for path in printed if path.exists()]


def test_a_run_in_progress_is_left_alone(instance):
    @dg.job
    def job() -> None: ...

    running = instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED)
    prune(instance, tomorrow())
    assert instance.get_run_by_id(running.run_id).status == dg.DagsterRunStatus.STARTED


@pytest.mark.slow
def test_the_database_does_not_grow_when_the_same_nights_are_run_again_and_again(instance):
    sizes = []
    for _ in range(3):
        for night in ("n0", "n1"):
            run(instance, night)
        prune(instance, tomorrow())
        sizes.append((count(instance, SqlEventLogStorageTable), len(instance.get_runs())))
    assert sizes[0] == sizes[1] == sizes[2] == (4, 2)


@pytest.mark.slow
def test_the_command_prunes_a_home_and_refuses_to_forget_everything(tmp_path):
    done = CliRunner().invoke(badexp, ["prune", "--home", str(tmp_path)], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    assert "0 events of 0 runs removed" in done.output
    refused = CliRunner().invoke(badexp, ["prune", "--home", str(tmp_path), "--keep-days", "0"])
    assert "at least 1 is needed" in str(refused.exception)
