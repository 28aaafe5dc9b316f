"""Nights that need no run: known from the metadata of their tables, however these were damaged or outdated."""

from dataclasses import replace
from types import SimpleNamespace

import dagster as dg
import pytest

from badexp_assets.commands.dagster_home import environment
from badexp_assets.config.home import Home
from badexp_assets.config.night_options import EntropyParams
from badexp_assets.config.settings import load_settings
from badexp_assets.defs.unchanged_nights import up_to_date
from badexp_assets.pixels.device_shares import load_pass_setup
from badexp_assets.pixels.night_tables import PASS_TABLES
from badexp_assets_tests.homes import copy_home, read_bytes, write_bytes

SCORES = ("night_predictions", "night_exposure_predictions", "night_entropy_scores", "night_reconstruction_errors")


@pytest.fixture
def copied(finished_home, tmp_path):
    """A copy of the finished home, whose nights are all up to date."""
    home = copy_home(Home(finished_home), tmp_path / "home")
    settings = load_settings(home.root)
    with environment(settings), dg.DagsterInstance.get() as instance:
        nights = home.nights("night_exposures")

        def unchanged(assets, settings=settings, instance=instance, **setup):
            return up_to_date(settings, load_pass_setup(settings)._replace(**setup), instance, assets, nights)

        yield SimpleNamespace(home=home, nights=nights, settings=settings, unchanged=unchanged)


def cut(home: Home, asset: str, night: str) -> None:
    path = home.table(asset, night)
    write_bytes(path, read_bytes(path)[:-40])


def test_nothing_of_a_finished_home_needs_a_run(copied):
    assert copied.unchanged(PASS_TABLES) == copied.unchanged(SCORES) == set(copied.nights)


def test_a_damaged_table_costs_its_night_only(copied):
    first, *others = copied.nights
    cut(copied.home, "night_stamps", first)
    assert copied.unchanged(PASS_TABLES) == set(others)
    assert copied.unchanged(["night_reconstruction_errors"]) == set(others)
    assert copied.unchanged(["night_entropy_scores"]) == set(copied.nights)
    cut(copied.home, "night_entropy_scores", first)
    assert copied.unchanged(["night_entropy_scores"]) == set(others)
    copied.home.table("night_predictions", others[0]).unlink()
    assert others[0] not in copied.unchanged(SCORES)


def test_work_that_was_cut_off_is_finished(copied):
    first, *others = copied.nights
    copied.home.journal(first).mkdir()
    assert copied.unchanged(PASS_TABLES) == set(others)


def test_a_changed_option_or_model_makes_every_night_outdated(copied, monkeypatch):
    assert copied.unchanged(PASS_TABLES, entropy=EntropyParams(bins=12)) == set()
    changed = replace(copied.settings, sections={**copied.settings.sections, "vote": {"min_bad": 3}})
    assert copied.unchanged(["night_predictions"], settings=changed) == set()
    assert copied.unchanged(["night_entropy_scores"], settings=changed) == set(copied.nights)
    monkeypatch.setattr("badexp_assets.defs.unchanged_nights.current_version", lambda place: "another")
    assert copied.unchanged(["night_reconstruction_errors"]) == set()


def test_nights_that_dagster_does_not_know_get_a_run(copied):
    with dg.DagsterInstance.ephemeral() as instance:
        assert copied.unchanged(PASS_TABLES, instance=instance) == set()


def test_without_a_model_or_for_other_tables_no_night_is_up_to_date(copied):
    copied.home.table("entropy_reference").unlink()
    assert copied.unchanged(SCORES) == set()
    assert copied.unchanged(["labelled_ccd_embeddings"]) == set()
