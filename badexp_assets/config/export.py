"""How reject lists are written."""

from dataclasses import dataclass


@dataclass(frozen=True)
class ExportParams:
    """base_list: a bad_expid list whose lines stand first in ours; empty: ours alone."""

    base_list: str = ""
