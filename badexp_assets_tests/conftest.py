"""Fixtures for all rooms."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from badexp_assets_tests.deployments.postgres import Postgres

_REPOSITORY = Path(__file__).parents[1]

# the same examples every time; `--hypothesis-profile default` looks for new ones
settings.register_profile("repeatable", derandomize=True)
settings.load_profile("repeatable")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real label files, image cutouts and tables; tests that need them skip where they are absent."""
    folder = Path(os.environ.get("BADEXP_SHARED_DATA", _REPOSITORY.parent / "shared" / "data"))
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
def simulated_survey(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small simulated survey of three nights: images/, labels/ and truth."""
    from badexp_assets.simulate import SurveyParams, write_survey

    out = tmp_path_factory.mktemp("survey") / "survey"
    write_survey(out, SurveyParams(nights=3, exposures=16, n_ccds=6, ccd_rows=192, ccd_columns=128, seed=5))
    return out


@pytest.fixture(scope="session")
def finished_home(simulated_survey: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home in which the whole graph has run over `simulated_survey` by the command line; not to be changed."""
    from click.testing import CliRunner

    from badexp_assets.cli import badexp

    home = tmp_path_factory.mktemp("finished") / "home"
    home.mkdir()
    (home / "settings.toml").write_text(
        "[night_pass]\nrows = 96\ncolumns = 64\n\n[entropy]\ngradient_points = 500\n\n[autoencoder]\nepochs = 5\n\n"
        f'[comparison]\ntruth = "{simulated_survey / "truth_exposures.csv"}"\n'
    )
    words = ["run", "--home", home, "--archive", simulated_survey / "images", "--labels", simulated_survey / "labels"]
    result = CliRunner().invoke(badexp, [str(word) for word in words], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return home


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
