"""Exposure numbers of the nights that are stored: one number is one exposure, in whatever night."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import numpy.typing as npt

from badexp_assets.errors import DamagedTableError
from badexp_assets.io.parquet_reading import read_rows, read_table
from badexp_assets.io.place import Place, change_tokens
from badexp_assets.io.transient_errors import is_transient

_IDENTITY = ("expnum", "mjd_obs", "filter", "path")
_THREADS = 8
_known: dict[Place, tuple[str, npt.NDArray[np.int64]]] = {}  # by table: its change token, and its numbers


class StoredNumbers:
    """Numbers of the exposures in the tables of `folder`, that of `night_exposures`, as they are at `refresh`.

    Excluded exposures have none: a number that two nights have is a contradiction, which the earlier night wins.
    """

    def __init__(self, folder: Place) -> None:
        self._folder = folder
        self._numbers: npt.NDArray[np.int64] | None = None
        self._places: npt.NDArray[np.int32] = np.empty(0, np.int32)
        self._tables: list[Place] = []

    def refresh(self) -> None:
        """Read the tables that have changed since they were read by this process; a damaged one has no numbers.

        Raises DamagedTableError for one that can't be read now, which is transient.
        """
        tokens = dict(sorted(change_tokens(self._folder, "[0-9]*.parquet").items(), key=lambda found: found[0].stem))
        new = [table for table, token in tokens.items() if _known.get(table, ("",))[0] != token]
        with ThreadPoolExecutor(_THREADS) as pool:
            for table, numbers in zip(new, pool.map(_read_numbers, new), strict=True):
                if numbers is None:
                    _known.pop(table, None)
                else:
                    _known[table] = tokens[table], numbers
        self._tables = [table for table in tokens if table in _known]
        found = [_known[table][1] for table in self._tables]
        numbers = np.concatenate([np.empty(0, np.int64), *found])
        places = np.repeat(np.arange(len(found), dtype=np.int32), [len(part) for part in found])
        order = np.lexsort((places, numbers))
        self._numbers, self._places = numbers[order], places[order]

    def earlier_nights(self, night: str, expnums: Iterable[int]) -> dict[int, str]:
        """Return the first night before `night` that has the number, for those of `expnums` that one has."""
        wanted = np.array(sorted(set(expnums)), np.int64)
        numbers = self._loaded()
        at = np.searchsorted(numbers, wanted)
        found = {}
        for expnum, place in zip(wanted.tolist(), at.tolist(), strict=True):
            if place < len(numbers) and numbers[place] == expnum:
                first = self._tables[int(self._places[place])].stem
                if first < night:
                    found[expnum] = first
        return found

    def exposure(self, night: str, expnum: int) -> dict[str, Any]:
        """Return number, time, band and image (`ooi`) of an exposure of `night`."""
        table = next(table for table in self._tables if table.stem == night)
        (row,) = read_rows(table, _IDENTITY, expnum=expnum).to_pylist()
        return {**row, "ooi": row["path"]}

    def contradicting_nights(self) -> set[str]:
        """Return the nights that have a number of an earlier night: they must be read again."""
        numbers = self._loaded()
        again = np.flatnonzero(numbers[1:] == numbers[:-1]) + 1
        return {self._tables[place].stem for place in set(self._places[again].tolist())}

    def _loaded(self) -> npt.NDArray[np.int64]:
        if self._numbers is None:
            self.refresh()
        assert self._numbers is not None
        return self._numbers


def _read_numbers(table: Place) -> npt.NDArray[np.int64] | None:
    """Return the numbers of a table, None for one that is damaged."""
    try:
        found = read_table(table, ["expnum", "status"])
    except DamagedTableError as error:  # is read again, or reported, by whoever needs it
        if is_transient(error):
            raise
        return None
    numbers: Collection[int] = found.loc[(found["status"] != "excluded") & (found["expnum"] > 0), "expnum"]
    return np.asarray(numbers, np.int64)
