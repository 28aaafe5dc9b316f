"""A home and an archive of many tiny nights, some of them empty, for tests of what happens around the nights."""

from __future__ import annotations

import shutil
from datetime import date, timedelta
from pathlib import Path

import pandas as pd

from badexp_assets import entropy
from badexp_assets.config.home import Home
from badexp_assets.config.settings import load_settings, save_settings
from badexp_assets.io.parquet import empty_table, write_table
from badexp_assets.io.parquet_reading import read_table
from badexp_assets.io.schemas import SCHEMAS
from badexp_assets.pixels.device_shares import load_pass_setup
from badexp_assets.pixels.night_pass import run_pass
from badexp_assets.pixels.night_tables import PASS_TABLES
from badexp_assets.simulate.params import SurveyParams
from badexp_assets.simulate.survey import write_survey
from badexp_assets.survey.cameras import load_camera

FIRST = date(2018, 3, 10)
NIGHT_ASSETS = [*PASS_TABLES, "night_entropy_scores"]
EMPTY_EVERY = 7  # nights
OPTIONS = """[night_pass]
rows = 32
columns = 32
focal_plane_size = 160
workers = 0

[entropy]
gradient_points = 200
"""


def tiny_archive(folder: Path, n_nights: int, seed: int = 0, workers: int = 2) -> tuple[Path, list[str]]:
    """Simulate `n_nights` of one exposure of two CCDs, and take every seventh away; return images and nights."""
    write_survey(
        folder,
        SurveyParams(
            nights=n_nights, exposures=1, n_ccds=2, ccd_rows=128, ccd_columns=96, seed=seed, first_night=str(FIRST)
        ),
        workers=workers,
    )
    nights = [str(FIRST + timedelta(days=number)) for number in range(n_nights)]
    for night in nights[EMPTY_EVERY - 1 :: EMPTY_EVERY]:
        for found in (folder / "images").glob(f"**/CP{night.replace('-', '')}"):
            shutil.rmtree(found)
    return folder / "images", nights


def undisturbed(root: Path, archive: Path, nights: list[str]) -> Home:
    """Make a home whose nights are read and scored by the science floor alone: no run, no database, no crash."""
    root.mkdir(parents=True)
    (root / "settings.toml").write_text(OPTIONS)
    settings = load_settings(root, archive=archive)
    save_settings(settings)
    home, machine, camera = settings.home, load_pass_setup(settings), load_camera(settings.camera)
    write_table(empty_table(SCHEMAS["bad_ccd_labels"]), home.table("bad_ccd_labels"), SCHEMAS["bad_ccd_labels"])
    for night in nights:
        run_pass(archive, night, camera, *machine, {name: home.table(name, night) for name in PASS_TABLES})
    params = settings.options.entropy
    measured = {night: read_table(home.table("night_orientations", night)) for night in nights}
    reference = entropy.build_reference(measured.values(), params)
    write_table(reference, home.table("entropy_reference"), SCHEMAS["entropy_reference"])
    for night, table in measured.items():
        exposures = read_table(home.table("night_exposures", night))
        scores = entropy.score_exposures(table, exposures, reference, params)
        write_table(scores, home.table("night_entropy_scores", night), SCHEMAS["night_entropy_scores"])
    return home


def without_nights(root: Path, done: Home) -> Home:
    """Make a home that has the settings, labels and reference of `done`, and none of its nights."""
    home = Home(root)
    home.tables.mkdir(parents=True)
    shutil.copy(done.settings_file, home.settings_file)
    for path in done.tables.glob("*.parquet"):
        shutil.copy(path, home.tables)
    return home


def differences(home: Home, other: Home, nights: list[str]) -> list[str]:
    """Say which tables of the nights are not the same in both homes, or are missing in one; empty: none."""
    found = []
    for asset in NIGHT_ASSETS:
        for night in nights:
            paths = [place.table(asset, night) for place in (home, other)]
            if not all(path.exists() for path in paths):
                found.append(f"{asset} {night}: missing in {[str(p) for p in paths if not p.exists()]}")
                continue
            try:
                pd.testing.assert_frame_equal(*map(read_table, paths), check_exact=True)
            except AssertionError as error:
                found.append(f"{asset} {night}: {str(error).splitlines()[0]}")
    stored = {path.relative_to(home.tables) for path in home.tables.glob("night_*/*.parquet")}
    expected = {path.relative_to(other.tables) for path in other.tables.glob("night_*/*.parquet")}
    return found + [f"{path}: in one home only" for path in sorted(stored ^ expected)]
