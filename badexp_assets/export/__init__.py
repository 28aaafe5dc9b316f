"""Reject lists in the formats that their readers accept."""

from badexp_assets.export.bad_expid import write_bad_expid
from badexp_assets.export.exclude_table import write_exclude_table

__all__ = ["write_bad_expid", "write_exclude_table"]
