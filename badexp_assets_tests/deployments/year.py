"""How large the instance of a home gets in a year of nights: real runs of tiny nights, with and without pruning.

python -m badexp_assets_tests.deployments.year FOLDER --storage sqlite --nights 120 --keep 40
"""

from __future__ import annotations

import datetime as dt
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from unittest import mock

import click
import dagster as dg
import sqlalchemy as db
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.scheduler.instigation import TickData, TickStatus

from badexp_assets.commands.dagster_home import environment
from badexp_assets.commands.graph_run import Runner
from badexp_assets.config.settings import load_settings
from badexp_assets.defs import jobs
from badexp_assets.defs.assets import night as night_module
from badexp_assets.defs.resources import Progress
from badexp_assets.orchestration.pruning import prune
from badexp_assets_tests.deployments.postgres import Postgres
from badexp_assets_tests.deployments.services import DEPLOYMENT
from badexp_assets_tests.deployments.survey import NIGHT_ASSETS, tiny_archive, undisturbed, without_nights

TICKS = 500
"""skipped ticks of sensors that are stored, to see what one weighs"""


@contextmanager
def instance_of(root: Path, storage: str) -> Iterator[Postgres | None]:
    """The instance file of a deployment in a home, and the database that it needs."""
    folder = root / "dagster"
    folder.mkdir(parents=True, exist_ok=True)
    name = "services" if storage == "postgres" else "local"
    shutil.copy(DEPLOYMENT.parent / name / "dagster.yaml", folder)
    if storage != "postgres":
        yield None
        return
    with Postgres() as server, mock.patch.dict(os.environ, server.environment):
        yield server


def size(instance: dg.DagsterInstance, home: Path, storage: str) -> tuple[int, int]:
    """Bytes of the database, and of the files beside it (what the runs printed)."""
    files = [path for path in (home / "dagster").rglob("*") if path.is_file()]
    in_database = [path for path in files if path.suffix in (".db", ".db-wal", ".db-shm")]
    beside = sum(path.stat().st_size for path in files if path not in in_database)
    if storage == "postgres":
        with instance.run_storage.connect() as connection:
            return connection.execute(db.text("select pg_database_size(current_database())")).scalar(), beside
    return sum(path.stat().st_size for path in in_database), beside


def largest(instance: dg.DagsterInstance) -> str:
    """The largest tables of a PostgreSQL database, with their indexes."""
    query = """select relname, pg_total_relation_size(oid) from pg_class where relkind = 'r' and relnamespace =
    'public'::regnamespace order by 2 desc limit 5"""
    with instance.run_storage.connect() as connection:
        return ", ".join(f"{name} {n / 1e6:.1f} MB" for name, n in connection.execute(db.text(query)))


def fill_ticks(instance: dg.DagsterInstance) -> None:
    """Store skipped ticks, as a sensor without news leaves them."""
    now = time.time()
    for number in range(TICKS):
        tick = TickData("alert", "alert", InstigatorType.SENSOR, TickStatus.SKIPPED, now - number, selector_id="alert")
        instance.create_tick(tick)


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--storage", type=click.Choice(["sqlite", "postgres"]), default="sqlite", show_default=True)
@click.option("--nights", default=120, show_default=True, help="Nights that are really run, one run each.")
@click.option("--keep", default=0, show_default=True, help="Nights whose runs are kept whole; 0: nothing is pruned.")
@click.option("--seed", default=0, show_default=True)
def main(folder: Path, storage: str, nights: int, keep: int, seed: int) -> None:
    """Read and score the nights one after the other in the new FOLDER; tell what the instance weighs."""
    folder.mkdir(parents=True)
    archive, keys = tiny_archive(folder / "survey", nights, seed)
    done = undisturbed(folder / "undisturbed", archive, keys)
    home = without_nights(folder / "home", done)
    settings = load_settings(home.root, archive=archive)
    selection = sorted({*NIGHT_ASSETS})
    with ExitStack() as stack:
        stack.enter_context(instance_of(home.root, storage))
        stack.enter_context(environment(settings))
        # the network is loaded once, not once a night: it takes longer than a tiny night, and leaves no event
        [share] = night_module.list_device_shares(settings)
        machine = share.load()
        stack.enter_context(mock.patch.object(night_module, "list_device_shares", return_value=[share]))
        stack.enter_context(mock.patch.object(type(share), "build", return_value=machine))
        runner = Runner(settings, lambda _: None, Progress())
        instance = stack.enter_context(dg.DagsterInstance.get())
        ends: list[dt.datetime] = []
        empty = size(instance, home.root, storage)
        click.echo(f"empty: database {empty[0] / 1e6:.2f} MB")
        every = max(1, nights // 6)
        for number, night in enumerate(keys, start=1):
            runner.execute(jobs.NEW_NIGHT, night, selection)
            ends.append(dt.datetime.now(dt.UTC))
            if keep and len(ends) > keep:
                prune(instance, ends[-keep - 1])
            if number % every == 0:
                now = size(instance, home.root, storage)
                runs = instance.get_runs_count()
                slope = (now[0] - empty[0]) / number
                click.echo(
                    f"{number:4d} nights: database {now[0] / 1e6:6.2f} MB, {slope / 1e3:5.0f} kB a night; "
                    f"files beside it {now[1] / 1e6:.2f} MB; {runs} runs"
                )
        before = size(instance, home.root, storage)[0]
        fill_ticks(instance)
        grown = size(instance, home.root, storage)[0] - before
        click.echo(f"a tick that did nothing: {grown / TICKS:.0f} bytes")
        if storage == "postgres":
            click.echo(f"largest tables: {largest(instance)}")


if __name__ == "__main__":
    main()
