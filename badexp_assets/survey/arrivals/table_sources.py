"""Which files the stored tables of a night were made of."""

from __future__ import annotations

from collections.abc import Sequence

from badexp_assets.config.settings import Home
from badexp_assets.errors import DamagedTableError
from badexp_assets.io.parquet_reading import read_metadata

FINGERPRINT = "fingerprint"
"""in the metadata of a nightly table: that of the files of the night, `survey.NightFiles.fingerprint`"""
MODELS = {  # score tables of a night, and the model or reference that each is made with
    "night_entropy_scores": "entropy_reference",
    "night_reconstruction_errors": "stamp_autoencoder",
    "night_predictions": "fitted_classifier",
    "night_exposure_predictions": "fitted_classifier",
}


def possible_scores(home: Home) -> list[str]:
    """Return the score tables that can be made with what is fitted in `home`."""
    return [
        table
        for table, model in MODELS.items()
        if home.table(model).exists() or (home.models / model / "current.json").exists()
    ]


def files_of(home: Home, asset: str, night: str) -> str | None:
    """Return the fingerprint of the files that a stored nightly table was made of; None where it is not known.

    So it is without a table, with a damaged one, or with one of a version that did not write it down.
    """
    path = home.table(asset, night)
    try:
        return read_metadata(path).get(FINGERPRINT) if path.exists() else None
    except DamagedTableError:
        return None


def scored_files(home: Home, night: str, scores: Sequence[str]) -> str | None:
    """Return the fingerprint of the files that all tables of `night` were made of, those of `scores` included.

    None: the night was never read; "": a score is missing or was made of other files.
    """
    read = files_of(home, "night_exposures", night)
    if read is None:
        return None
    for table in scores:
        if not home.table(table, night).exists() or files_of(home, table, night) not in (read, None):
            return ""
    return read


def is_scored(home: Home, night: str, fingerprint: str, scores: Sequence[str]) -> bool:
    """Whether all tables of `night` were made of the files with this `fingerprint`."""
    return scored_files(home, night, scores) == fingerprint
