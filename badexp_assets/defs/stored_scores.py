"""Reuse of stored scores: a night is not scored again if the same model already scored the same tables."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, is_dataclass
from typing import Any

import pandas as pd

from badexp_assets.config.home import Home
from badexp_assets.errors import DamagedTableError
from badexp_assets.io.parquet_reading import read_metadata, read_table

SCORING_VERSION = 3
"""incremented whenever a code change makes other scores from the same tables and model"""

INPUTS = "inputs"
"""key, in a table's `attrs` and in the metadata of its file, of the hash of everything the table was made from"""
STORED = "stored"
"""key, in a table's `attrs`, that marks a stored table, which need not be written again"""

NOT_AGAIN = "nights not scored again"
"""metadata of a step: number of nights whose scores were already stored"""


class StoredScores:
    """The stored scores of one step. assets: nightly tables that it makes; sources: nightly tables that it reads.

    made_by: version of the model or reference, and the options (dataclasses) that the scores depend on. The metadata of
    the sources describe the files, labels, options and code that these were made from.
    """

    def __init__(self, home: Home, assets: Sequence[str], sources: Sequence[str], *made_by: Any) -> None:
        self._home, self._assets, self._sources = home, assets, sources
        self._made_by = [
            asdict(part) if is_dataclass(part) and not isinstance(part, type) else part for part in made_by
        ]
        self._inputs: dict[str, str] = {}
        self.n_stored = 0

    def has(self, night: str) -> bool:
        """Return whether the stored tables of `night` are those that would be made now; rows are not read."""
        self._inputs[night] = self._hash(night)
        paths = [self._home.table(asset, night) for asset in self._assets]
        try:
            return all(path.exists() and read_metadata(path).get(INPUTS) == self._inputs[night] for path in paths)
        except DamagedTableError:  # scored again
            return False

    def find(self, night: str) -> list[pd.DataFrame] | None:
        """Return the stored tables of `night`, one per asset; None if the night must be scored.

        Call this before reading the sources: if one changes meanwhile, the new scores then count as outdated.
        """
        if not self.has(night):
            return None
        try:
            tables = [read_table(self._home.table(asset, night)) for asset in self._assets]
        except DamagedTableError:
            return None
        for table in tables:
            table.attrs.update({INPUTS: self._inputs[night], STORED: True})
        self.n_stored += 1
        return tables

    def reuse_or_make(self, night: str, make: Callable[[str], Sequence[pd.DataFrame]]) -> list[pd.DataFrame]:
        """Return the stored tables of `night`, or new ones from `make`, one per asset."""
        tables = self.find(night)
        if tables is None:
            tables = list(make(night))
            for table in tables:
                table.attrs[INPUTS] = self._inputs[night]
        return tables

    def metadata(self) -> dict[str, Any]:
        """Return the metadata of the step in the UI."""
        return {NOT_AGAIN: self.n_stored}

    def _hash(self, night: str) -> str:
        sources: Mapping[str, Any] = {asset: read_metadata(self._home.table(asset, night)) for asset in self._sources}
        parts = json.dumps([SCORING_VERSION, self._made_by, sources], sort_keys=True, default=str)
        return hashlib.blake2b(parts.encode(), digest_size=16).hexdigest()
