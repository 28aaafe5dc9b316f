"""Reject lists in the formats that their readers accept, and beside legacypipe's own cuts."""

from badexp_assets.export.append import Appended, append_bad_expid, read_as_legacypipe
from badexp_assets.export.bad_expid import write_bad_expid
from badexp_assets.export.exclude_table import write_exclude_table
from badexp_assets.export.files import FORMATS, Written, write_rejects
from badexp_assets.export.legacypipe import ALL, ANY_CUT, LIST, compare_with_legacypipe
from badexp_assets.export.params import ExportParams

__all__ = [
    "ALL",
    "ANY_CUT",
    "FORMATS",
    "LIST",
    "Appended",
    "ExportParams",
    "Written",
    "append_bad_expid",
    "compare_with_legacypipe",
    "read_as_legacypipe",
    "write_bad_expid",
    "write_exclude_table",
    "write_rejects",
]
