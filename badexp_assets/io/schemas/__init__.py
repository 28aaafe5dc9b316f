"""The schema of every table that the platform stores, with a sentence and a unit per column.

A fixed-size list (embedding, histogram, stamp) has its length from the data, so the schema only fixes its value type.
Columns beyond these are allowed and kept.
"""

from badexp_assets.io.schemas import evaluation, labels, night, review, scores
from badexp_assets.io.schemas.columns import Column, TableSchema

SCHEMAS: dict[str, TableSchema] = {
    schema.name: schema for room in (labels, night, scores, evaluation, review) for schema in room.SCHEMAS
}

__all__ = ["SCHEMAS", "Column", "TableSchema"]
