"""Homes with the tables that one asset reads, and the asset materialised on them."""

from collections.abc import Mapping
from typing import Any

import dagster as dg
import pandas as pd

from badexp_assets.config.home import Home
from badexp_assets.defs.build import ALL_ASSETS
from badexp_assets.defs.io_managers import ModelIOManager, ParquetIOManager
from badexp_assets.defs.resources import Progress, SurveyResource
from badexp_assets.io.parquet import empty_table, write_table
from badexp_assets.io.parquet_reading import read_table
from badexp_assets.io.schemas import SCHEMAS


def store(
    home: Home, asset: str, table: pd.DataFrame, night: str | None = None, metadata: Mapping[str, Any] | None = None
) -> None:
    """Write a table; columns of its schema that it lacks are null, or else empty or zero."""
    schema = SCHEMAS[asset]
    full = empty_table(schema).reindex(table.index)
    for column in schema.columns:
        if column.name in table:
            full[column.name] = table[column.name]
        elif not column.nullable:
            full[column.name] = "" if column.type == "string" else 0
    write_table(full, home.table(asset, night), schema, metadata)


def materialise(home: Home, asset: str) -> tuple[pd.DataFrame, Mapping[str, dg.MetadataValue]]:
    """Make the table of an asset from the stored ones, and return it with its metadata."""
    survey = SurveyResource(home=str(home.root))
    resources = {
        "survey": survey,
        "io_manager": ParquetIOManager(survey=survey),
        "models": ModelIOManager(survey=survey),
        "progress": Progress(),
    }
    with dg.DagsterInstance.ephemeral() as instance:
        result = dg.materialize(ALL_ASSETS, instance=instance, resources=resources, selection=[asset])
    (made,) = result.asset_materializations_for_node(result.get_step_success_events()[0].step_key)
    return read_table(home.table(asset)), made.metadata
