"""Homes of many nights that are fabricated for the benchmark of a survey's size."""

import pytest

from badexp_assets.commands.asset_text import load
from badexp_assets.config.home import Home
from badexp_assets.defs.assets.entropy import stored_entropy_scores
from badexp_assets.io.parquet_reading import read_table
from badexp_assets.pixels.night_tables import PASS_TABLES
from benchmarks.survey import STEPS, Growth
from benchmarks.survey_home import NIGHTLY, fabricate_home

NIGHTS, EXPOSURES = 4, 12


@pytest.fixture(scope="module")
def fabricated(finished_home, tmp_path_factory):
    return fabricate_home(Home(finished_home), tmp_path_factory.mktemp("survey") / "home", NIGHTS, EXPOSURES, seed=1)


def test_a_fabricated_home_has_all_tables_of_all_nights_with_numbers_and_vectors_of_their_own(fabricated):
    home = fabricated.home
    for asset in NIGHTLY:
        assert len(home.nights(asset)) == NIGHTS, asset
    exposures = load(home, "night_exposures")
    assert exposures["expnum"].nunique() == len(exposures) == NIGHTS * EXPOSURES
    vectors = load(home, "night_embeddings")["embedding"].dropna().map(bytes)
    assert vectors.nunique() == len(vectors)
    labelled = set(load(home, "bad_ccd_labels")["expnum"])
    assert labelled <= set(exposures["expnum"])


def test_its_scores_are_up_to_date(fabricated):
    stored = stored_entropy_scores(fabricated, read_table(fabricated.home.table("entropy_reference"), ["version"]))
    assert all(stored.has(night) for night in fabricated.home.nights(PASS_TABLES[0]))


def test_the_same_seed_gives_the_same_home(fabricated, finished_home, tmp_path):
    again = fabricate_home(Home(finished_home), tmp_path / "home", NIGHTS, EXPOSURES, seed=1)
    for asset in ("night_embeddings", "night_exposures", "bad_ccd_labels"):
        assert load(again.home, asset).astype(str).equals(load(fabricated.home, asset).astype(str)), asset


def test_growth_is_a_power_of_the_nights_from_the_last_value_and_never_falls():
    assert Growth.of([50, 200, 800], [1.0, 2.0, 4.0]).at(3200) == pytest.approx(8.0)
    assert Growth.of([50, 200, 800], [1.0, 1.0, 4.0]).exponent == pytest.approx(1.0)  # that of the last two
    assert Growth.of([50, 200], [3.0, 2.0]).at(5000) == 2.0


@pytest.mark.slow
@pytest.mark.parametrize("step", STEPS)
def test_every_step_runs_on_it(fabricated, step):
    STEPS[step](fabricated)
