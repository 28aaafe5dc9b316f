"""The services deployment for real: PostgreSQL, supervisord, code server, daemon and webserver."""

import shutil
from pathlib import Path

import dagster as dg
import pandas as pd
import pytest
import sqlalchemy

from badexp_assets.review.spreadsheets import read_verdict_file
from badexp_assets.review.store import VerdictStore
from badexp_assets_tests.deployments.kill_test import kill_test
from badexp_assets_tests.deployments.services import Services


@pytest.mark.slow
def test_a_backfill_whose_processes_are_killed_ends_as_if_nothing_had_happened(tmp_path):
    """The backfill is launched as the UI does; 15 nights are two runs, two nights are empty."""
    report = kill_test(tmp_path, 15, ["run", "postgres", "daemon"], seed=3, seconds=900, nights_per_run=8)
    assert not report.problems, "\n".join(report.lines())
    assert report.kills["postgres"] == 1


@pytest.fixture
def services(tmp_path, postgres, database) -> Services:
    """The deployment on a new home, its database prepared and its services not started."""
    (tmp_path / "home").mkdir()
    found = Services(tmp_path / "home", tmp_path, postgres)
    found.call("prepare")
    return found


def instance(services: Services) -> dg.DagsterInstance:
    return dg.DagsterInstance.from_config(str(services.home / "dagster"))


@pytest.mark.slow
def test_what_was_backed_up_is_there_again_after_everything_was_lost(services, tmp_path):
    @dg.asset
    def table() -> None: ...

    with instance(services) as before:
        run = dg.materialize([table], instance=before).run_id
    (services.home / "settings.toml").write_text('camera = "decam"\n')
    (services.home / "models" / "m").mkdir(parents=True)
    (services.home / "models" / "m" / "card.json").write_text("{}")
    answers = VerdictStore(services.home / "review" / "verdicts.sqlite")
    answers.add(pd.DataFrame({"expnum": [7], "reviewer": ["ann"], "verdict": ["bad"]}))
    backup = services.call("backup", str(tmp_path / "backups")).strip()

    with instance(services) as lost:
        lost.wipe()
        assert lost.get_run_by_id(run) is None
    (services.home / "settings.toml").unlink()
    for folder in ("models", "review"):
        shutil.rmtree(services.home / folder)
    services.call("restore", backup)

    with instance(services) as restored:
        assert restored.get_run_by_id(run).status == dg.DagsterRunStatus.SUCCESS
        assert restored.get_latest_materialization_event(table.key).run_id == run
    assert (services.home / "settings.toml").read_text() == 'camera = "decam"\n'
    assert (services.home / "models" / "m" / "card.json").read_text() == "{}"
    assert answers.read()["expnum"].tolist() == [7]


@pytest.mark.slow
def test_a_database_that_others_use_is_not_replaced(services, tmp_path):
    backup = services.call("backup", str(tmp_path / "backups")).strip()
    engine = sqlalchemy.create_engine(f"postgresql+psycopg2://badexp@/badexp?host={services.postgres.folder}")
    with engine.connect(), pytest.raises(AssertionError, match="1 other connections use the database badexp"):
        services.call("restore", backup)
    engine.dispose()
    services.call("restore", backup)


@pytest.mark.slow
def test_answers_in_postgres_are_in_a_backup_and_commands_have_the_environment_of_the_services(services, tmp_path):
    assert "PostgresEventLogStorage" in services.call("exec", "dagster", "instance", "info")
    url = f"postgresql://badexp@/badexp?host={services.postgres.folder}"
    (services.home / "settings.toml").write_text(f'[review]\nstore = "{url}"\n')
    VerdictStore(url).add(pd.DataFrame({"expnum": [7], "reviewer": ["ann"], "verdict": ["bad"]}))
    backup = services.call("backup", str(tmp_path / "backups")).strip()
    answers = read_verdict_file(Path(backup) / "answers.csv").table
    assert answers[["expnum", "reviewer", "verdict"]].to_numpy().tolist() == [[7, "ann", "bad"]]
    assert (Path(backup) / "tags.json").exists()


@pytest.mark.slow
def test_another_instance_file_of_the_home_is_kept_beside(services):
    file = services.home / "dagster" / "dagster.yaml"
    file.write_text("telemetry:\n  enabled: false\n")
    assert "dagster.yaml.before" in services.call("prepare")
    assert file.with_name("dagster.yaml.before").read_text() == "telemetry:\n  enabled: false\n"
    assert "postgres" in file.read_text()
