"""What the methods said of an exposure, and whether an anomaly counts as found."""

from __future__ import annotations

from dataclasses import dataclass

from badexp_assets.simulate.anomalies import WHOLE_EXPOSURE

METHODS = ("classifier", "entropy", "either")


@dataclass(frozen=True)
class Verdict:
    """What both methods say of an exposure; None where a method gave no score.

    is_bad, category, bad_ccds (CCDNUMs): of the classifier and its exposure decision. flagged: by an entropy score.
    wanted: CCDNUMs that the reader asks for, those drawn for the vote.
    """

    is_bad: bool | None
    category: str | None
    bad_ccds: frozenset[int]
    flagged: bool | None
    wanted: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Outcome:
    """An exposure that went through the chain; `severity` 0: as it is, `category` then says what is asked of it.

    `hit`: CCDNUMs that the anomaly reaches; every CCD may raise a false alarm, so None stands for all.
    """

    expnum: int
    category: str
    severity: float
    hit: frozenset[int] | None
    verdict: Verdict

    def found(self, method: str) -> bool | None:
        """Whether `method` found the anomaly; None when it gave no score.

        Anomalies of the whole exposure are found when the exposure is called bad, those of some CCDs also when one of
        these is. Entropy scores are of exposures.
        """
        verdict = self.verdict
        if method == "entropy":
            return verdict.flagged
        if method == "either":
            both = [self.found("classifier"), self.found("entropy")]
            return None if both == [None, None] else any(both)
        if verdict.is_bad is None:
            return None
        called = verdict.bad_ccds if self.hit is None else verdict.bad_ccds & self.hit
        return verdict.is_bad or (found_as(self.category) == "ccds" and bool(called))

    @property
    def named(self) -> bool:
        """Whether the classifier found it and gives its category."""
        return bool(self.found("classifier")) and self.verdict.category == self.category


def found_as(category: str) -> str:
    """Return what must be called bad: the `exposure`, or it or some of its `ccds`."""
    return "exposure" if category in WHOLE_EXPOSURE else "ccds"
