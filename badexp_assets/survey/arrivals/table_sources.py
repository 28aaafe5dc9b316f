"""The files that the stored tables of a night were made from, and whether they are the present ones."""

from __future__ import annotations

from collections.abc import Sequence

from badexp_assets.config.home import Home
from badexp_assets.errors import DamagedTableError
from badexp_assets.io.parquet_reading import read_metadata

FINGERPRINT = "fingerprint"
"""key in the metadata of a nightly table: `survey.NightFiles.fingerprint` of the files that it was made from"""
MODELS = {
    "night_entropy_scores": "entropy_reference",
    "night_reconstruction_errors": "stamp_autoencoder",
    "night_predictions": "fitted_classifier",
    "night_exposure_predictions": "fitted_classifier",
}
"""score tables of a night, and the model or reference that each is made with"""


def possible_scores(home: Home) -> list[str]:
    """Return the score tables whose model or reference is fitted in `home`."""
    return [
        table
        for table, model in MODELS.items()
        if home.table(model).exists() or (home.models / model / "current.json").exists()
    ]


def files_of(home: Home, asset: str, night: str) -> str | None:
    """Return the fingerprint of the files that a stored nightly table was made from.

    None without a table, with a damaged one, or with one of a version that did not record it.
    """
    path = home.table(asset, night)
    try:
        return read_metadata(path).get(FINGERPRINT) if path.exists() else None
    except DamagedTableError:
        return None


def scored_files(home: Home, night: str, scores: Sequence[str]) -> str | None:
    """Return the fingerprint of the files that all tables of `night`, with those of `scores`, were made from.

    None: the pixels of the night were never read. "": a score table is missing or was made from other files.
    """
    read = files_of(home, "night_exposures", night)
    if read is None:
        return None
    for table in scores:
        if not home.table(table, night).exists() or files_of(home, table, night) not in (read, None):
            return ""
    return read


def is_scored(home: Home, night: str, fingerprint: str, scores: Sequence[str]) -> bool:
    """Whether all tables of `night` were made from the files with this `fingerprint`."""
    return scored_files(home, night, scores) == fingerprint
