"""A PostgreSQL server, and the variables by which Dagster finds it."""

from collections.abc import Iterator

import pytest

from badexp_assets_tests.deployments.postgres import Postgres


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    with Postgres() as server:
        yield server


@pytest.fixture
def database(postgres: Postgres, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The variables of `postgres`, set for the test."""
    for name, value in postgres.environment.items():
        monkeypatch.setenv(name, value)
    return postgres.environment
