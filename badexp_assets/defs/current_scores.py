"""The scores of all nights, without those of files that a night was not read from."""

from dataclasses import dataclass
from typing import Any

import dagster as dg
import pandas as pd

from badexp_assets import review
from badexp_assets.config.home import Home
from badexp_assets.defs.io_managers import NightTables
from badexp_assets.survey.arrivals.table_sources import files_of

_NAMED = 10  # nights of a table; there may be thousands


@dataclass(frozen=True)
class CurrentScores:
    """The tables of `review.join_scores`, in its order, and the nights whose scores were left out, by table."""

    tables: tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame, pd.DataFrame]
    left_out: dict[str, list[str]]

    def metadata(self) -> dict[str, Any]:
        """Return the metadata of a step in the UI."""
        found = {name: {"nights": len(nights), "first": nights[:_NAMED]} for name, nights in self.left_out.items()}
        return {"scores of other files, left out": dg.MetadataValue.json(found)}


def current_scores(
    home: Home, exposures: NightTables, predictions: NightTables, entropy: NightTables, errors: NightTables
) -> CurrentScores:
    """Return the columns that `review.join_scores` needs, leaving out scores that were made from other files.

    These are scores of a night that was read again, perhaps in another reduction, and not scored since. Tables of
    versions that did not note their files are kept. One night is read at a time.
    """
    columns = review.SCORE_COLUMNS
    scores = {
        "night_exposure_predictions": predictions,
        "night_entropy_scores": entropy,
        "night_reconstruction_errors": errors,
    }
    outdated: dict[str, list[str]] = {name: [] for name in scores}
    for night in exposures:
        read = files_of(home, "night_exposures", night)
        for name in scores:
            if read is not None and files_of(home, name, night) not in (read, None):
                outdated[name].append(night)
    first, second, third = (scores[name].without(outdated[name]).concatenated(columns[name]) for name in scores)
    left_out = {name: nights for name, nights in outdated.items() if nights}
    return CurrentScores((exposures.concatenated(columns["night_exposures"]), first, second, third), left_out)
