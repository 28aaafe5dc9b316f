"""Completeness by injection on a home in which everything has run, by the command line."""

from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner

from badexp_assets.commands.asset_text import load
from badexp_assets.commands.cli import badexp
from badexp_assets.config.evaluation_options import InjectionParams
from badexp_assets.config.home import Home
from badexp_assets.errors import InputError
from badexp_assets.evaluation.completeness.measure import plan_injection
from badexp_assets.io.parquet import write_table
from badexp_assets.io.parquet_reading import read_table, stored_nights
from badexp_assets.io.schemas import SCHEMAS
from badexp_assets_tests.homes import copy_home, remove

OPTIONS = '\n[injection]\nn_exposures = 2\nseverities = [0.5]\ncategories = ["out_of_focus", "bad_ccd"]\n'


@pytest.fixture(scope="module")
def home(finished_home, tmp_path_factory) -> Home:
    """A copy of the finished home, with a small injection asked for."""
    root = tmp_path_factory.mktemp("injected") / "home"
    copy_home(Home(finished_home), root)
    text = (root / "settings.toml").read_text()
    (root / "settings.toml").write_text(text + OPTIONS)
    return Home(root)


def invoke(home: Home):
    return CliRunner().invoke(badexp, ["completeness", "--home", str(home.root)])


@pytest.fixture(scope="module")
def injected(home, simulated_survey) -> tuple[str, pd.DataFrame]:
    """What the command printed, and the table; the archive is as it was."""
    files = {path: path.stat() for path in (simulated_survey / "images").rglob("*") if path.is_file()}
    result = invoke(home)
    assert result.exit_code == 0, result.output
    assert {p: p.stat() for p in (simulated_survey / "images").rglob("*") if p.is_file()}.keys() == files.keys()
    assert all(path.stat().st_mtime_ns == stat.st_mtime_ns for path, stat in files.items())
    return result.output, load(home, "injection_completeness")


@pytest.mark.slow
def test_what_is_not_injected_gets_the_verdict_that_is_stored(home, injected):
    _, table = injected
    params = InjectionParams(n_exposures=2)
    chosen = plan_injection(load(home, "training_set"), load(home, "night_exposures"), params).exposures["expnum"]
    stored = load(home, "night_exposure_predictions").set_index("expnum").loc[chosen]
    as_it_is = table[(table["severity"] == 0) & (table["method"] == "classifier")].set_index("category")
    assert as_it_is.loc["out_of_focus", "n_found"] == stored["is_bad"].sum()
    assert as_it_is.loc["bad_ccd", "n_found"] == (stored["scope"] != "none").sum()


@pytest.mark.slow
def test_the_command_states_the_cost_shows_progress_and_leaves_no_file(home, injected):
    output, table = injected
    assert "2 exposures x 1 severities x 2 categories = 4 injected exposures: 0 of 6" in output
    assert "6 of 6" in output
    assert len(table) == 2 * 2 * 3
    assert set(table["n"]) == {2}
    assert [path.name for path in home.injection.iterdir()] == ["lock"]


@pytest.mark.slow
def test_the_same_seed_finds_the_same(home, injected):
    assert invoke(home).exit_code == 0
    pd.testing.assert_frame_equal(load(home, "injection_completeness"), injected[1])


@pytest.mark.slow
def test_nights_that_another_model_or_none_has_scored_are_named_and_nothing_is_injected(home, injected, tmp_path: Path):
    root = tmp_path / "home"
    scored = stored_nights(copy_home(home, root).tables / "night_predictions")
    for path in scored:
        write_table(read_table(path).assign(model="another"), path, SCHEMAS["night_predictions"])
    result = invoke(Home(root))
    assert isinstance(result.exception, InputError)
    assert "made by model another, the current one is" in str(result.exception)
    for path in scored:
        remove(path)
    assert "is not stored; score the night" in str(invoke(Home(root)).exception)
