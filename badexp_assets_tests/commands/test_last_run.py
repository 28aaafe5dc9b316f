"""A home in which nothing has changed since its last run: known in seconds, and whatever changes is noticed."""

import os
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest
from click.testing import CliRunner

from badexp_assets.commands.cli import badexp
from badexp_assets.commands.dagster_home import prepare_instance
from badexp_assets.commands.last_run import find_unchanged, hash_inputs, record_run
from badexp_assets.commands.run_output import account_lines, summary_lines
from badexp_assets.config.home import Home
from badexp_assets.config.options import Options
from badexp_assets.config.section import option_schemas
from badexp_assets.config.settings import load_settings
from badexp_assets.config.settings_file import update_settings_file
from badexp_assets.io.parquet_reading import read_table
from badexp_assets.review.store import VerdictStore
from badexp_assets_tests.homes import copy_home, remove


def test_a_run_without_changes_says_so_and_prints_what_the_last_one_found(finished_home, monkeypatch):
    settings = load_settings(finished_home)
    home = settings.home
    assert find_unchanged(home, hash_inputs(settings, None)) is not None
    monkeypatch.setattr("badexp_assets.commands.graph_run.Runner", None)
    result = CliRunner().invoke(badexp, ["run", "--home", str(finished_home)])
    assert result.exit_code == 0, result.output
    first, _, *lines = result.output.splitlines()
    assert "nothing was run" in first
    found = [*summary_lines(home), *account_lines(settings, home.nights("night_exposures"))]
    assert [line for line in lines if not line.startswith(("NOT DONE", "note"))] == found


@pytest.fixture
def copied(finished_home, simulated_survey, tmp_path):
    """A copy of the finished home with a survey of its own, in which a run has ended."""
    home, survey = copy_home(Home(finished_home), tmp_path / "home"), tmp_path / "survey"
    shutil.copytree(simulated_survey, survey)
    places = {"archive": str(survey / "images"), "labels": [str(survey / "labels")]}
    update_settings_file(home.settings_file, places, {"comparison": {"truth": str(survey / "truth_exposures.csv")}})

    def unchanged(nights: str | None = None) -> bool:
        return find_unchanged(home, hash_inputs(load_settings(home.root), nights)) is not None

    inputs = hash_inputs(load_settings(home.root), None)
    assert inputs is not None
    record_run(home, inputs, [])
    assert unchanged()
    return SimpleNamespace(home=home, survey=survey, unchanged=unchanged)


def _first(folder: Path, pattern: str) -> Path:
    return sorted(folder.rglob(pattern))[0]


def _touch(path: Path) -> None:
    os.utime(path, ns=(0, path.stat().st_mtime_ns + 1))


CHANGES = {
    "an image written again": lambda c: _touch(_first(c.survey, "*_ooi_*.fits.fz")),
    "a mask less": lambda c: _first(c.survey, "*_ood_*.fits.fz").unlink(),
    "a file beside the nights": lambda c: (c.survey / "images" / "stray.fits").touch(),
    "a label file": lambda c: _touch(_first(c.survey / "labels", "*bad_expid*.txt")),
    "the truth file": lambda c: _touch(c.survey / "truth_exposures.csv"),
    "an option": lambda c: update_settings_file(
        c.home.settings_file, {}, {"candidates": {"entropy_top_fraction": 0.5}}
    ),
    "an answer": lambda c: VerdictStore(c.home.verdicts).add(
        pd.DataFrame({"expnum": [1], "ccdnum": [None], "reviewer": ["a"], "verdict": ["bad"]})
    ),
    "a table of a night": lambda c: remove(c.home.table("night_stamps", c.home.nights("night_stamps")[0])),
    "a model": lambda c: _touch(_first(c.home.models / "fitted_classifier", "*.json")),
    "a page": lambda c: c.home.report.unlink(),
    "work that was cut off": lambda c: c.home.journal("2018-03-10").mkdir(parents=True),
    "the instance": lambda c: shutil.rmtree(c.home.dagster / "history"),
    "a damaged record": lambda c: (c.home.dagster / "last_run.json").write_text("{"),
    "no archive": lambda c: shutil.rmtree(c.survey / "images"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_every_change_is_noticed(copied, change):
    CHANGES[change](copied)
    assert not copied.unchanged()


def test_a_change_in_a_folder_that_is_linked_into_the_home_is_noticed(tmp_path):
    home = Home(tmp_path / "home")
    (tmp_path / "archive").mkdir()
    settings = load_settings(home.root, archive=tmp_path / "archive")
    elsewhere = tmp_path / "large_disk"
    elsewhere.mkdir()
    (elsewhere / "2018-05-17.parquet").write_bytes(b"x")
    home.tables.mkdir(parents=True)
    (home.tables / "night_embeddings").symlink_to(elsewhere)
    (home.tables / "loop").symlink_to(home.tables)
    prepare_instance(home)
    inputs = hash_inputs(settings, None)
    assert inputs is not None
    record_run(home, inputs, [])
    assert find_unchanged(home, inputs) is not None
    (elsewhere / "2018-05-17.parquet").unlink()
    assert find_unchanged(home, inputs) is None


def _texts() -> Iterator[tuple[str, str, dict]]:
    """Options that are a text or a list of texts, and may thus name files: section, name and schema."""
    for section, field in Options.model_fields.items():
        if section in ("alerts", "slurm"):  # no result depends on them
            continue
        for option, schema in option_schemas(field.annotation).items():
            kind = schema.get("anyOf", [schema])[0]
            if kind.get("items", kind).get("type") == "string" and "enum" not in kind.get("items", kind):
                yield section, option, kind


REFUSE_PATHS = {
    "training": ("thin", "hold_out_nights"),
    "review": ("store", "links"),
}
"""Options whose texts are no paths: a run with a path, of a file that is no database, has no inputs."""


@pytest.fixture
def hash_with_option(tmp_path):
    """Returns the hash of the inputs of a home in which one option is the path of a file or folder."""
    (tmp_path / "archive").mkdir()

    def hash_it(section: str, option: str, kind: dict, path: Path) -> str | None:
        value = [str(path)] if kind["type"] == "array" else str(path)
        settings = load_settings(tmp_path / "home", archive=tmp_path / "archive")
        return hash_inputs(replace(settings, sections={section: {option: value}}), None)

    return hash_it


@pytest.mark.parametrize(
    ("section", "option", "kind"), [pytest.param(*found, id=".".join(found[:2])) for found in _texts()]
)
def test_a_change_of_a_file_or_folder_that_an_option_names_is_noticed(
    hash_with_option, tmp_path, section, option, kind
):
    file, folder = tmp_path / "named.csv", tmp_path / "maps"
    folder.mkdir()
    hashes = [hash_with_option(section, option, kind, file)]
    for text in ("expnum\n", "expnum\n725085\n"):
        file.write_text(text)
        hashes.append(hash_with_option(section, option, kind, file))
    if option in REFUSE_PATHS.get(section, ()):
        assert hashes[1:] == [None, None]
        return
    hashes.append(hash_with_option(section, option, kind, folder))
    for text in ("ngp", "another"):
        (folder / "SFD_dust_4096_ngp.fits").write_text(text)
        hashes.append(hash_with_option(section, option, kind, folder))
    assert None not in hashes
    assert len(set(hashes)) == len(hashes)
    assert hash_with_option(section, option, kind, folder) == hashes[-1]


def test_a_text_that_can_not_be_a_path_is_no_obstacle(hash_with_option, tmp_path):
    kind = {"type": "string"}
    assert hash_with_option("night_pass", "recipe", kind, "x" * 300) is not None
    assert hash_with_option("night_pass", "recipe", kind, "a\0b") is not None


def test_an_alert_command_that_names_the_home_does_not_make_every_run_a_new_one(copied):
    update_settings_file(copied.home.settings_file, {}, {"alerts": {"command": ["notify", str(copied.home.root)]}})
    for _ in range(2):
        inputs = hash_inputs(load_settings(copied.home.root), None)
        copied.home.report.touch()  # as a run does
        record_run(copied.home, inputs, [])
    assert copied.unchanged()


def test_other_nights_are_another_run(copied):
    assert not copied.unchanged("2018-03-10")


@pytest.mark.slow
def test_a_new_night_costs_only_itself_if_the_models_are_kept(finished_home, tmp_path):
    home = copy_home(Home(finished_home), tmp_path / "home")
    first, new = home.nights("night_exposures")
    was_stored = {path: path.read_bytes() for path in home.tables.glob("night_*/*.parquet")}
    models = {path: path.stat().st_mtime_ns for path in home.models.rglob("*") if path.is_file()}
    for path in was_stored:
        if path.stem == new:
            path.unlink()
    result = CliRunner().invoke(badexp, ["run", "--home", str(home.root), "--keep-models"])
    assert result.exit_code == 0, result.output
    assert (
        "kept: embedding_clusters, entropy_reference, fitted_classifier, patch_reference, stamp_autoencoder"
        in result.output
    )
    assert f"reading night {new} (1 of 1)" in result.output
    assert f"scoring night {new} (1 of 1)" in result.output
    assert {path: path.stat().st_mtime_ns for path in home.models.rglob("*") if path.is_file()} == models
    for path, before in was_stored.items():
        if path.stem == first:
            assert path.read_bytes() == before
        else:
            pd.testing.assert_frame_equal(
                read_table(path), read_table(Home(finished_home).table(path.parent.name, new)), rtol=1e-6
            )
