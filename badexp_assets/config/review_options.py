"""Options of the review and of what follows from it: [candidates], [review], [consensus], [explanations], [export]."""

from __future__ import annotations

from string import Formatter
from typing import Annotated, Literal

from pydantic import Field, field_validator

from badexp_assets.config.section import Listed, Number, Seed, Share, section

Order = Literal["rank", "information", "night", "learned", "uncertain", "diverse", "random"]
ORDERS: dict[str, str] = {
    "rank": "rank",
    "information": "most uncertain P(bad)",
    "night": "night",
    "learned": "most probable (learned)",
    "uncertain": "most informative (learned)",
    "diverse": "most diverse (learned)",
    "random": "random",
}
LEARNED_ORDERS = ("learned", "uncertain", "diverse")
RULES = {
    "any": "one reviewer says bad",
    "majority": "more say bad than fine",
    "unanimous": "all who looked say bad",
    "weighted": "P(bad) of the answers, weighted by how reliable reviewers are, is at least {min_probability:g}",
}
_LINK_FIELDS = {"ra", "dec", "expnum"}
_Count = Annotated[int, Field(ge=0)]


@section("candidates")
class CandidateParams:
    """Which exposures become candidates besides those that the classifier's rule calls bad.

    These are the exposures in the top fraction of their band by a score, if the score (P(bad) or z) is also at least
    the minimum, so that a clean survey has no candidates.
    """

    classifier_top_fraction: Share = 0.05
    """Top fraction by P(bad) of the classifier."""
    classifier_min_p_bad: Share = 0.5
    """Lowest P(bad) of a candidate."""
    entropy_top_fraction: Share = 0.05
    """Top fraction by each score of the Entropy Method."""
    entropy_min_z: Number = 3.0
    """Lowest z of a candidate of the Entropy Method, if `rank_by` of [entropy] is `z`."""
    entropy_min_kl: Number = Field(default=0.0, ge=0)
    """Lowest KL divergence of a candidate of the Entropy Method, nats, if `rank_by` of [entropy] is `kl`."""
    min_sources: _Count = 20
    """Entropy scores of exposures with fewer sources do not count."""
    autoencoder_top_fraction: Share = 0.05
    """Top fraction by the autoencoder's error."""
    autoencoder_min_z: Number = 3.0
    """Lowest z of a candidate of the autoencoder."""
    min_stamps: _Count = 20
    """Autoencoder errors of exposures with fewer stamps do not count."""
    max_candidates: _Count = 0
    """Candidates, at most; 0: all."""
    include_known: bool = False
    """Exposures that a label list already calls bad become candidates too."""

    def entropy_floor(self, score: str) -> float:
        """Lowest value of a candidate by `score`, a column of `night_entropy_scores` such as kl_source."""
        return self.entropy_min_kl if score.startswith("kl_") else self.entropy_min_z


@section("review")
class ReviewParams:
    """How candidates are assigned to reviewers. Every candidate is assigned to one."""

    store: str = ""
    """URL of a Postgres database for answers, without its password: that belongs into BADEXP_VERDICTS, which takes
    precedence. Empty: an SQLite file in the home."""
    second_share: Share = 1.0
    """Share of the candidates that is also assigned to a second reviewer, who does not see the first answer."""
    third_on_tie: bool = True
    """Another reviewer is asked while somebody says bad and the consensus rule decides nothing."""
    order: Order = "rank"
    """Default order of the candidates: `rank`; `information`, the most uncertain P(bad) first; `night`; `random`; or
    learned from the answers given so far: `learned`, the most probable first, `uncertain`, those whose answer teaches
    most, or `diverse`, probable ones that differ from those answered and from each other."""
    refit_after: int = Field(default=10, ge=1)
    """New answers, of all reviewers, after which candidates are ranked again in a learned order."""
    hide_scores: bool = False
    """Hide scores and suggested categories of a candidate from reviewers until they have answered it."""
    gold_share: Number = Field(default=0.0, ge=0, le=0.5)
    """Share of the exposures in a reviewer's queue that are known cases, to measure the reviewer's skill; 0: none.
    Above 0, scores and suggested categories are hidden from everybody until they have answered (as by `hide_scores`),
    because they would tell known cases from candidates."""
    skill_weights: bool = True
    """Answers weigh by the skill of their reviewers on known cases in the consensus; without known cases, this changes
    nothing."""
    seed: int = 0
    """Seed of the candidates that get a second reviewer, of the random order, and of the known cases."""
    pictures_mb: _Count = 2000
    """Disk space for pictures that the review app has made, MB (10^6 bytes)."""
    links: Listed[str] = (
        "Legacy Surveys viewer https://www.legacysurvey.org/viewer?ra={ra}&dec={dec}&layer=ls-dr10&zoom=11",
        "exposures there https://www.legacysurvey.org/viewer/exposures/?ra={ra}&dec={dec}&layer=ls-dr10",
        "NOIRLab archive (list) "
        "https://astroarchive.noirlab.edu/api/sia/voimg?POS={ra},{dec}&SIZE=0.1&VERB=2&format=json",
    )
    """Links on the page of an exposure: name and address; {ra} and {dec} (deg) and {expnum} in it are replaced."""

    @property
    def hides_scores(self) -> bool:
        """Whether scores are hidden from everybody until they have answered."""
        return self.hide_scores or self.gold_share > 0

    @field_validator("links")
    @classmethod
    def _addresses(cls, links: tuple[str, ...]) -> tuple[str, ...]:
        for link in links:
            name, _, address = link.rpartition(" ")
            try:
                fields = {f"{field}{spec}" for _, field, spec, _ in Formatter().parse(address) if field is not None}
            except ValueError as error:
                raise ValueError(f"links has {link!r}: {error}") from error
            if not name.strip() or not address.startswith(("http://", "https://")) or fields - _LINK_FIELDS:
                raise ValueError(
                    f"links has {link!r}; a name, a space and an http:// or https:// address with no fields but "
                    "{ra}, {dec} and {expnum} are needed"
                )
        return links


@section("consensus")
class ConsensusRule:
    """When an exposure (or CCD) is rejected."""

    rule: Literal["any", "majority", "unanimous", "weighted"] = "majority"
    """Rule by which answers are combined."""
    min_bad: int = Field(default=2, ge=1)
    """Reviewers who must say bad, and who must say fine before a reject is withdrawn; `any` needs one."""
    min_probability: Number = Field(default=0.5, gt=0, lt=1)
    """Lowest P(bad) of a reject by the rule `weighted`."""
    exempt: str = ""
    """CSV file (expnum, perhaps ccdnum and reason) of what is never rejected; empty: none."""

    @property
    def needed(self) -> int:
        """Reviewers who must agree."""
        return 1 if self.rule == "any" else self.min_bad

    @property
    def words(self) -> str:
        """The rule in words."""
        least = f"at least {self.needed} reviewer{'s' if self.needed > 1 else ''} say{'s' * (self.needed == 1)} bad"
        words = RULES[self.rule].format(min_probability=self.min_probability)
        return least if self.rule == "any" else f"{least}, and {words}"


@section("explanations")
class ExplanationParams:
    """The explanations of candidates."""

    max_candidates: _Count = 200
    """Candidates that are explained, by rank."""
    n_ccds: int = Field(default=3, ge=1)
    """CCDs of each candidate, worst first, for which examples are searched."""
    n_examples: _Count = 5
    """Nearest labelled CCDs shown per CCD."""
    n_good: int = Field(default=100, ge=2)
    """Good CCDs that patches are compared with; a fifth of them is set aside to find the unit of the score."""
    patches_per_image: int = Field(default=256, ge=1)
    """Patches sampled per good CCD, at most."""
    bank_size: int = Field(default=4096, ge=1)
    """Patches kept of all good CCDs."""
    seed: Seed = 0
    """Seed of the good CCDs and of the patches."""


@section("export")
class ExportParams:
    """How reject lists are written."""

    base_list: str = ""
    """A bad_expid list whose lines come first in `export/bad_expid.txt`; empty: none."""


def format_link(link: str, expnum: int, ra: float | None, dec: float | None) -> tuple[str, str] | None:
    """Return name and address of one of the `links` of [review]; None if it needs a pointing, which is unknown."""
    name, _, address = link.rpartition(" ")
    if (ra is None or dec is None) and ("{ra" in address or "{dec" in address):
        return None
    pointing = {} if ra is None or dec is None else {"ra": f"{ra:.5f}", "dec": f"{dec:.5f}"}
    return name, address.format(expnum=expnum, **pointing)
