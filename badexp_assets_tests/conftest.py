"""Fixtures for all rooms."""

import contextlib
import importlib
import os
import signal
import sqlite3
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import settings

from badexp_assets.io.place import Place, Url
from badexp_assets_tests.built_once import built_once
from badexp_assets_tests.deployments.postgres import Postgres
from badexp_assets_tests.homes import QUICK_OPTIONS
from badexp_assets_tests.object_store import ObjectStore
from badexp_assets_tests.open_databases import OpenDatabases, keep_scripts
from badexp_assets_tests.order import start_order
from badexp_assets_tests.repository import PYTHON_PATH, REPOSITORY

pytest_plugins = ["badexp_assets_tests.planted_fixtures"]

# the same examples every time; `--hypothesis-profile default` looks for new ones
settings.register_profile("repeatable", derandomize=True, deadline=None)  # whatever else the machine does
settings.load_profile("repeatable")


@pytest.hookimpl(trylast=True)  # without the tests that are not selected
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Start the files in the order that keeps both processes of `make test` busy."""
    order = start_order([(str(item.path), getattr(item, "fixturenames", ())) for item in items])
    items.sort(key=lambda item: order[str(item.path)])


@pytest.fixture(scope="session", autouse=True)
def _heed_interrupts() -> None:
    """What runs in the background of a shell ignores Ctrl-C, and so would the programs that tests start and end."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def _sqlite_without_waiting_for_the_disk() -> Iterator[None]:
    """Run databases in this process need not survive a power cut: a run commits 1,900 times, 5 to 20 ms each."""
    connect = sqlite3.dbapi2.connect

    def connect_unsafely(*words: object, **options: object) -> sqlite3.Connection:
        connection = connect(*words, **options)
        with contextlib.suppress(sqlite3.Error):  # what is wrong with the file is told to whoever reads it
            connection.execute("PRAGMA synchronous = OFF")
        return connection

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sqlite3.dbapi2, "connect", connect_unsafely)
        patch.setenv("PYTHONPATH", PYTHON_PATH, prepend=os.pathsep)  # sitecustomize.py does the same in child processes
        yield


@pytest.fixture(scope="session", autouse=True)
def _open_run_databases() -> Iterator[None]:
    """Dagster opens a database for each statement, compiles that anew and closes it: half of the time of a run."""
    if "dagster" not in sys.modules:  # no selected test uses it
        yield
        return
    with OpenDatabases() as databases, pytest.MonkeyPatch.context() as patch:
        for name in ("event_log.sqlite.sqlite_event_log", "runs.sqlite.sqlite_run_storage"):
            module = importlib.import_module(f"dagster._core.storage.{name}")
            patch.setattr(module, "create_engine", partial(databases.engine, module.create_engine))
        from alembic.script import ScriptDirectory

        # each database is stamped with the newest migration, and all of them are read to find it
        patch.setattr(ScriptDirectory, "from_config", keep_scripts(ScriptDirectory.from_config))
        yield


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real label files, image cutouts and tables; tests that need them skip where they are absent."""
    folder = Path(os.environ.get("BADEXP_SHARED_DATA", REPOSITORY.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"real survey data are not at {folder} (set BADEXP_SHARED_DATA)")
    return folder


@pytest.fixture(autouse=True)
def _no_survey_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """A test must not see the survey that the developer's shell points to."""
    for name in (
        "BADEXP_HOME",
        "BADEXP_ARCHIVE",
        "BADEXP_LABELS",
        "BADEXP_BACKBONE",
        "BADEXP_CAMERA",
        "BADEXP_TAXONOMY",
        "BADEXP_TABLES",
        "BADEXP_AUTOMATION",
        "BADEXP_CPUS",
        "BADEXP_EXECUTOR",
        "BADEXP_NIGHTS_PER_JOB",
        "BADEXP_GPUS_PER_JOB",
        "BADEXP_HOURS_PER_JOB",
        "DAGSTER_HOME",
    ):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="session")
def running_store() -> Iterator[ObjectStore]:
    """A server that speaks S3, of the session; see `object_store`."""
    with pytest.MonkeyPatch.context() as patch, ObjectStore() as server:
        for name, value in server.environment.items():
            patch.setenv(name, value)
        yield server


@pytest.fixture
def object_store(running_store: ObjectStore) -> Iterator[ObjectStore]:
    """The server without faults and with its counters at zero."""
    running_store.requests.clear()
    yield running_store
    running_store.fail = running_store.before = None


@pytest.fixture
def bucket(object_store: ObjectStore) -> Url:
    """An empty bucket of the test's own."""
    return object_store.new_bucket()


@pytest.fixture(scope="session", autouse=True)
def _tables_on_s3(request: pytest.FixtureRequest) -> Iterator[None]:
    """With BADEXP_TEST_TABLES=s3 the tables of every home lie on S3 unless the test says where."""
    if os.environ.get("BADEXP_TEST_TABLES") != "s3":
        yield
        return
    top = request.getfixturevalue("running_store").new_bucket()

    def tables(root: Path) -> Place:
        return top / str(root).strip("/") / "tables"

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("badexp_assets.config.home.default_tables", tables)
        yield


@pytest.fixture
def tables_in_folder() -> None:
    """For tests that look at files of tables, or whose processes know nothing of the above."""
    if os.environ.get("BADEXP_TEST_TABLES") == "s3":
        pytest.skip("about tables in folders")


@pytest.fixture(scope="session")
def simulated_survey(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """A small simulated survey of two nights: images/, labels/ and truth; not to be changed."""
    from badexp_assets.simulate.params import SurveyParams
    from badexp_assets.simulate.survey import write_survey

    params = SurveyParams(nights=2, exposures=24, n_ccds=6, ccd_rows=192, ccd_columns=128, seed=5)
    return built_once(tmp_path_factory, worker_id, "survey", lambda place: write_survey(place, params))


@pytest.fixture(scope="session")
def finished_home(simulated_survey: Path, tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """A home in which the whole graph has run over `simulated_survey` by the command line; not to be changed."""
    on_s3 = os.environ.get("BADEXP_TEST_TABLES") == "s3"  # each process has a server of its own
    name = f"home-{worker_id}" if on_s3 else "home"
    return built_once(tmp_path_factory, worker_id, name, lambda home: _run_graph(simulated_survey, home))


def _run_graph(survey: Path, home: Path) -> None:
    from click.testing import CliRunner

    from badexp_assets.commands.cli import badexp

    home.mkdir()
    (home / "settings.toml").write_text(f'{QUICK_OPTIONS}\n[comparison]\ntruth = "{survey / "truth_exposures.csv"}"\n')
    words = ["run", "--home", home, "--archive", survey / "images", "--labels", survey / "labels"]
    result = CliRunner().invoke(badexp, [str(word) for word in words])
    assert result.exit_code == 0, f"{result.output}\n{result.exception!r}"


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    """A server of the module's own."""
    with Postgres() as server:
        yield server


@pytest.fixture
def database(postgres: Postgres, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The variables of `postgres`, set for the test."""
    for name, value in postgres.environment.items():
        monkeypatch.setenv(name, value)
    return postgres.environment


@pytest.fixture(scope="session")
def tiny_cp() -> ModuleType:
    """The module that writes tiny CP files."""
    from badexp_assets_tests.survey import tiny_cp

    return tiny_cp


@pytest.fixture(scope="session")
def mutations() -> ModuleType:
    """The module that damages files."""
    from badexp_assets_tests.survey import mutations

    return mutations
