"""Options of looking for arrivals."""

from __future__ import annotations

import math
from dataclasses import dataclass

from badexp_assets.errors import InputError
from badexp_assets.survey.archive_tree import Settling

FIRST_LOOKS = ("record", "run")


@dataclass(frozen=True)
class ArrivalParams:
    """Section [arrivals] of the settings. Raises InputError for a value out of range."""

    first_look: str = "record"
    """nights without tables at the first look: `record` them as known (a backfill reads them), or `run` them"""
    settle_seconds: float = 300
    """a file that was not changed for so long is written"""
    incomplete_seconds: float = 21600
    """the same for a file of a size that no whole FITS file has; it is then taken as it is"""
    max_wait_seconds: float = 3600
    """a night that files keep arriving in is read after this time with those that are written, then again"""
    recent_nights: int = 3
    """so many of the newest nights are listed at every look; an older one when one of its folders has changed"""
    reread_hours: float = 24
    """every night is listed once in this time: a file written again in its place leaves no trace in its folder"""
    scan_seconds: float = 30
    """a look takes no longer; the next one goes on"""
    max_requests: int = 20
    """nights requested at a look; the others wait for the next one"""
    max_deleted_nights: int = 10
    """more nights than this that are gone at once are not believed: a disk may not be mounted"""

    def __post_init__(self) -> None:
        if self.first_look not in FIRST_LOOKS:
            raise InputError(f"arrivals.first_look: {self.first_look!r}; {' or '.join(FIRST_LOOKS)} is needed")
        for name, low in (("recent_nights", 0), ("max_requests", 1), ("max_deleted_nights", 0)):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < low:
                raise InputError(f"arrivals.{name}: {value!r}; a whole number of at least {low} is needed")
        for name in ("settle_seconds", "incomplete_seconds", "max_wait_seconds", "reread_hours", "scan_seconds"):
            value = getattr(self, name)
            number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
            if not number or value < 0:
                raise InputError(f"arrivals.{name}: {value!r}; a number of at least 0 is needed")

    @property
    def settling(self) -> Settling:
        """When a file counts as written, here and in the pass over a night's pixels."""
        return Settling(self.settle_seconds, self.incomplete_seconds)
