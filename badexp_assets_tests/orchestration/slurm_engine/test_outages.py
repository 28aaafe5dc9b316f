"""What is repeated while the run database is away."""

import pytest
import sqlalchemy.exc
from dagster_postgres.utils import DagsterPostgresException

from badexp_assets.orchestration.slurm import run_events


def _away() -> Exception:
    return sqlalchemy.exc.OperationalError("select 1", {}, Exception("connection refused"))


@pytest.fixture(autouse=True)
def at_once(monkeypatch):
    monkeypatch.setattr(run_events, "_RETRY_SECONDS", 0.001)


def _call(errors):
    def call() -> str:
        if errors:
            error = errors.pop()
            raise error from error.__cause__
        return "done"

    return run_events.wait_for_database(call)


def test_a_database_that_restarts_is_waited_for_also_as_dagster_wraps_it():
    wrapped = DagsterPostgresException("too many retries for DB connection")
    wrapped.__cause__ = _away()
    assert _call([_away(), wrapped, wrapped]) == "done"


def test_a_defect_is_raised_at_once():
    errors = [ValueError("a defect"), ValueError("a defect")]
    with pytest.raises(ValueError, match="a defect"):
        _call(errors)
    assert len(errors) == 1


def test_it_is_given_up_after_a_time(monkeypatch):
    monkeypatch.setattr(run_events, "_GIVE_UP_SECONDS", 0.0)
    with pytest.raises(sqlalchemy.exc.OperationalError):
        _call([_away() for _ in range(1000)])
