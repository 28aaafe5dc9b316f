"""Which nights are up to date, from the metadata of their tables alone: a Dagster run for each would take seconds."""

from collections.abc import Callable, Collection
from functools import partial

import dagster as dg

from badexp_assets.config.settings import Settings
from badexp_assets.defs.assets.autoencoder import stored_reconstruction_errors
from badexp_assets.defs.assets.entropy import stored_entropy_scores
from badexp_assets.defs.assets.scoring import TABLES, stored_predictions
from badexp_assets.defs.stored_scores import StoredScores
from badexp_assets.errors import DamagedTableError
from badexp_assets.io.models import current_version
from badexp_assets.io.parquet_reading import read_table
from badexp_assets.pixels.device_shares import PassSetup
from badexp_assets.pixels.exposure_stream import PixelReader
from badexp_assets.pixels.night_progress import NightPlanner
from badexp_assets.pixels.night_tables import PASS_TABLES
from badexp_assets.pixels.stored_numbers import StoredNumbers
from badexp_assets.survey.archive import folders_by_night
from badexp_assets.survey.cameras import load_camera

_Check = Callable[[str], bool]


def up_to_date(
    settings: Settings, setup: PassSetup, instance: dg.DagsterInstance, assets: Collection[str], nights: Collection[str]
) -> set[str]:
    """Return those of `nights` of which `assets` are stored as a run would store them now, and known to `instance`.

    `assets`: the tables of the night pass, or of scores; of other tables no night is up to date. `setup`: embedder and
    options of the pass. Tables are compared by their metadata, as the steps themselves do before they read or score.
    """
    checks = _checks(settings, setup, assets)
    if checks is None:
        return set()
    known = set.intersection(*(instance.get_materialized_partitions(dg.AssetKey(asset)) for asset in assets))
    return {night for night in nights if night in known and all(check(night) for check in checks)}


def _checks(settings: Settings, setup: PassSetup, assets: Collection[str]) -> list[_Check] | None:
    """Return what a night must pass for `assets` to be up to date; None if that can't be known."""
    if set(assets) <= set(PASS_TABLES):
        return [_pass_check(settings, setup)]
    makers: dict[str, Callable[[Settings], StoredScores | None]] = {
        "night_entropy_scores": _entropy_scores,
        "night_reconstruction_errors": _reconstruction_errors,
        **dict.fromkeys(TABLES, _predictions),
    }
    if not set(assets) <= set(makers):
        return None
    found = [make(settings) for make in {makers[asset] for asset in assets}]
    return None if None in found else [partial(_has, stored) for stored in found if stored is not None]


def _pass_check(settings: Settings, setup: PassSetup) -> _Check:
    archive, camera, home = settings.archive_folder(), load_camera(settings.camera), settings.home
    ids = PixelReader(archive, camera, *setup).embedding_ids
    planner = NightPlanner(
        archive,
        camera,
        ids,
        setup.entropy,
        setup.params,
        journals=home.journal,
        folders=folders_by_night(archive, camera),
        numbers=StoredNumbers(home.tables / "night_exposures"),
    )
    return lambda night: planner.is_read(night, {name: home.table(name, night) for name in PASS_TABLES})


def _has(stored: StoredScores, night: str) -> bool:
    try:
        return stored.has(night)
    except DamagedTableError:  # of the night pass; the step says which
        return False


def _entropy_scores(settings: Settings) -> StoredScores | None:
    path = settings.home.table("entropy_reference")
    return stored_entropy_scores(settings, read_table(path, ["version"])) if path.exists() else None


def _reconstruction_errors(settings: Settings) -> StoredScores | None:
    version = current_version(settings.home.models / "stamp_autoencoder")
    return stored_reconstruction_errors(settings, version) if version else None


def _predictions(settings: Settings) -> StoredScores | None:
    version = current_version(settings.home.models / "fitted_classifier")
    return stored_predictions(settings, version) if version else None
