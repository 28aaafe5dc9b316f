"""Scores of nights that are already stored, made of the same tables by the same model: they are not computed again."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, is_dataclass
from typing import Any

import pandas as pd

from badexp_assets.config.settings import Home
from badexp_assets.errors import DamagedTableError
from badexp_assets.io.parquet_reading import read_metadata, read_table

SCORING_VERSION = 1
"""raised whenever the same tables and the same model would give other scores"""

INPUTS = "inputs"
"""name, in a table's `attrs` and in the metadata of its file, of the hash of all that it was made of"""
STORED = "stored"
"""name, in a table's `attrs`, of whether it is the stored one, which need not be written again"""

NOT_AGAIN = "nights not scored again"
"""metadata of a step: of how many nights the scores were stored already"""


class StoredScores:
    """The stored scores of one step. `assets`: the tables that it makes; `sources`: those that it reads, by night.

    `made_by`: version of the model or reference, and the options (dataclasses) that the scores depend on. The metadata
    of the sources say what they were made of: files, labels, options and code.
    """

    def __init__(self, home: Home, assets: Sequence[str], sources: Sequence[str], *made_by: Any) -> None:
        self._home, self._assets, self._sources = home, assets, sources
        self._made_by = [
            asdict(part) if is_dataclass(part) and not isinstance(part, type) else part for part in made_by
        ]
        self._inputs: dict[str, str] = {}
        self.n_stored = 0

    def find(self, night: str) -> list[pd.DataFrame] | None:
        """Return the stored tables of `night`, one for each of the assets; None when it must be scored.

        To be asked before the sources are read: should one change meanwhile, the scores count as old, not as new.
        """
        self._inputs[night] = self._hash(night)
        tables = []
        for asset in self._assets:
            path = self._home.table(asset, night)
            try:
                if not path.exists() or read_metadata(path).get(INPUTS) != self._inputs[night]:
                    return None
                tables.append(read_table(path))
            except DamagedTableError:  # scored again
                return None
        for table in tables:
            table.attrs.update({INPUTS: self._inputs[night], STORED: True})
        self.n_stored += 1
        return tables

    def made(self, night: str, table: pd.DataFrame) -> pd.DataFrame:
        """Note in a new table of `night` what it was made of."""
        table.attrs[INPUTS] = self._inputs[night]
        return table

    def take_or_make(self, night: str, make: Callable[[str], Sequence[pd.DataFrame]]) -> list[pd.DataFrame]:
        """Return the stored tables of `night`, or else those that `make` makes of it, one for each of the assets."""
        tables = self.find(night)
        return tables if tables is not None else [self.made(night, table) for table in make(night)]

    def metadata(self) -> dict[str, Any]:
        """What the step says in the UI."""
        return {NOT_AGAIN: self.n_stored}

    def _hash(self, night: str) -> str:
        sources: Mapping[str, Any] = {asset: read_metadata(self._home.table(asset, night)) for asset in self._sources}
        parts = json.dumps([SCORING_VERSION, self._made_by, sources], sort_keys=True, default=str)
        return hashlib.blake2b(parts.encode(), digest_size=16).hexdigest()
