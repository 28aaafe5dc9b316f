"""The schema of every stored table, with a description and unit per column.

A schema fixes the value type of a fixed-size list (embedding, histogram, stamp) but not its length. Tables may have
further columns, which are kept.
"""

from badexp_assets.io.schemas import evaluation, labels, night, review, scores
from badexp_assets.io.schemas.columns import Column, TableSchema

SCHEMAS: dict[str, TableSchema] = {
    schema.name: schema for room in (labels, night, scores, evaluation, review) for schema in room.SCHEMAS
}

__all__ = ["SCHEMAS", "Column", "TableSchema"]
