"""IO managers: tables as one Parquet file per asset, or per asset and night; models as one folder per version."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

import dagster as dg
import pandas as pd

from badexp_assets.defs.asset_metadata import row_count
from badexp_assets.defs.resources import SurveyResource
from badexp_assets.defs.stored_scores import INPUTS, STORED
from badexp_assets.errors import InputError
from badexp_assets.io.models import load_current, promote_model, store_model
from badexp_assets.io.parquet import empty_table, write_table
from badexp_assets.io.parquet_reading import read_exposures, read_table, stored_nights
from badexp_assets.io.place import Place
from badexp_assets.io.schemas import SCHEMAS
from badexp_assets.orchestration.failures import io_method
from badexp_assets.survey.arrivals.table_sources import FINGERPRINT, files_of


class NightTables(Mapping[str, pd.DataFrame]):
    """The tables of a nightly asset by night, each read on access.

    Iterates over those of `nights` that are stored; access to any other night raises InputError. Columns that an
    earlier version did not write are null; DamagedTableError, which names the file, is raised if one may not be null.
    """

    def __init__(self, asset: str, folder: Place, nights: Collection[str]) -> None:
        self._asset = asset
        self._folder = folder
        self._nights = set(nights)

    def __getitem__(self, night: str) -> pd.DataFrame:
        return self._read(night)

    def __iter__(self) -> Iterator[str]:
        stored = {path.stem for path in stored_nights(self._folder)}
        return iter(sorted(stored & self._nights))

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def without(self, nights: Collection[str]) -> "NightTables":
        """Return the tables of the other nights."""
        return NightTables(self._asset, self._folder, self._nights.difference(nights))

    def concatenated(self, columns: Sequence[str] | None = None) -> pd.DataFrame:
        """Return all stored nights, or `columns` of them, as one table, empty if none is stored."""
        return self._concatenate((self._read(night, columns) for night in self), columns)

    def places(self) -> Iterator[tuple[str, Place]]:
        """Yield (night, file) of the stored nights, for steps that read some rows of each."""
        return ((night, self._place(night)) for night in self)

    def of_nights(self, nights: Collection[str]) -> Iterator[tuple[str, pd.DataFrame]]:
        """Yield (night, table) of those of `nights` that are stored, each read on demand."""
        return ((night, self[night]) for night in self if night in nights)

    def of_exposures(
        self, nights: Collection[str], expnums: Collection[int], columns: Sequence[str] | None = None
    ) -> pd.DataFrame:
        """Return the rows of `expnums` in those of `nights` that are stored, reading one night at a time."""
        schema = SCHEMAS[self._asset]
        found = (read_exposures(self._place(night), expnums, columns, schema) for night in self if night in nights)
        return self._concatenate(found, columns)

    def _read(self, night: str, columns: Sequence[str] | None = None) -> pd.DataFrame:
        return read_table(self._place(night), columns, SCHEMAS[self._asset])

    def _place(self, night: str) -> Place:
        return self._folder / f"{night}.parquet"

    def _concatenate(self, tables: Iterable[pd.DataFrame], columns: Sequence[str] | None) -> pd.DataFrame:
        filled = [table for table in tables if len(table)]
        empty = empty_table(SCHEMAS[self._asset])
        return pd.concat(filled, ignore_index=True) if filled else empty[[c for c in columns or empty if c in empty]]


class ParquetIOManager(dg.ConfigurableIOManager):
    """Stores tables in the home, checked against the schema of their asset and written atomically.

    An unpartitioned asset returns a table; a nightly asset returns {night: table}, and its readers get NightTables. The
    metadata of a nightly table contain the fingerprint of the files that the night was read from.
    """

    survey: dg.ResourceDependency[SurveyResource]

    @io_method
    def handle_output(self, context: dg.OutputContext, obj: pd.DataFrame | Mapping[str, pd.DataFrame]) -> None:
        """Write the table, or the tables of the nights."""
        home = self.survey.settings().home
        asset = context.asset_key.path[-1]
        metadata = {"run_id": context.run_id, "code_version": context.version}
        if isinstance(obj, pd.DataFrame):
            if context.has_asset_partitions:
                raise InputError(f"asset {asset}: one table returned; one table per night is needed")
            path = home.table(asset)
            write_table(obj, path, SCHEMAS[asset], metadata)
            context.add_output_metadata({"dagster/row_count": len(obj), "path": dg.MetadataValue.path(str(path))})
            return
        nights = set(context.asset_partition_keys)
        if set(obj) != nights:
            raise InputError(f"asset {asset}: tables of nights {sorted(obj)} returned instead of {sorted(nights)}")
        for night, table in obj.items():
            path = home.table(asset, night)
            if not table.attrs.get(STORED):
                inputs = {INPUTS: table.attrs[INPUTS]} if INPUTS in table.attrs else {}
                inputs[FINGERPRINT] = files_of(home, "night_exposures", night)
                write_table(table, path, SCHEMAS[asset], metadata | inputs)
            rows = row_count(len(table)) | {"path": dg.MetadataValue.path(str(path))}
            context.step_context.add_asset_metadata(rows, asset_key=context.asset_key, partition_key=night)

    @io_method
    def load_input(self, context: dg.InputContext) -> pd.DataFrame | NightTables:
        """Read the table; for a nightly asset, return NightTables of the nights that the reader depends on.

        A reader can limit the columns of a large table by `dg.AssetIn(metadata={"columns": [...]})`.
        """
        home = self.survey.settings().home
        asset = context.asset_key.path[-1]
        if not context.has_asset_partitions:
            return read_table(home.table(asset), (context.definition_metadata or {}).get("columns"))
        return NightTables(asset, home.tables / asset, context.asset_partition_keys)


class ModelIOManager(dg.ConfigurableIOManager):
    """Stores fitted models under `<home>/models/<asset>/<version>`; readers get the current version."""

    survey: dg.ResourceDependency[SurveyResource]

    @io_method
    def handle_output(self, context: dg.OutputContext, obj: Any) -> None:
        """Save the model beside earlier versions; make it the current one unless a check of the asset decides that."""
        place = self.survey.settings().home.models / context.asset_key.path[-1]
        folder = store_model(obj, place)
        if not (context.definition_metadata or {}).get("promoted_by_check"):
            promote_model(place, obj.version, "the latest")
        context.add_output_metadata({"path": dg.MetadataValue.path(folder), "version": obj.version})

    @io_method
    def load_input(self, context: dg.InputContext) -> Any:
        """Load the current model."""
        return load_current(self.survey.settings().home.models / context.asset_key.path[-1])
