"""What became of a night that was read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

STATUSES = ("scored", "failed", "excluded")
"""what becomes of an exposure of a night"""


@dataclass(frozen=True)
class PassSummary:
    """What became of a night: n_scored + n_failed + n_excluded = n_found, and rows per table.

    `n_other_files` are FITS files of the night that are no exposure, `n_writing` those left out because they are still
    being written; `fingerprint` is that of the files that were there (see `survey.NightFiles`). `reused`: the tables
    were already there and no pixel was read. Of the exposures whose pixels count, `n_taken_over` came from the tables
    that were there, `n_resumed` from a pass that did not come to its end, and the others were read now; `n_discarded`
    pieces of such a pass were of no use, for files, labels or options have changed. `seconds` this took.
    """

    night: str
    n_found: int
    n_scored: int
    n_failed: int
    n_excluded: int
    n_ccds_read: int
    n_ccds_failed: int
    n_other_files: int
    rows: Mapping[str, int]
    reused: bool
    n_taken_over: int
    n_resumed: int
    n_discarded: int
    seconds: float
    fingerprint: str
    n_writing: int = 0

    def __str__(self) -> str:
        text = (
            f"{self.n_found} exposures: {self.n_scored} scored, {self.n_failed} failed, {self.n_excluded} excluded; "
            f"{self.n_ccds_read} CCDs read, {self.n_ccds_failed} failed"
        )
        if self.n_writing:
            text += f"; {self.n_writing} files still being written"
        if self.reused:
            return text + " (unchanged, not read again)"
        notes = [
            f"; {n} {what}"
            for n, what in (
                (self.n_taken_over, "exposures unchanged, not read again"),
                (self.n_resumed, "exposures read by a pass that was cut off"),
                (self.n_discarded, "exposures of such a pass discarded"),
            )
            if n
        ]
        return text + "".join(notes) + f"; {self.seconds:.1f} s"
