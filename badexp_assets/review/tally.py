"""What a reviewer has answered, how far others agree, and what became of it."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from badexp_assets.review.verdicts import KEY, VERDICTS, is_reviewer, latest_verdict_per_reviewer

_BECAME = {
    "rejected": "rejected",
    "fine": "kept as fine",
    "withdrawn": "kept after a newer reduction",
    "exempt": "exempt from rejection",
    "undecided": "undecided",
}
"""outcomes of review_outcomes in words"""


@dataclass(frozen=True)
class Tally:
    """Counts of a reviewer's latest answers.

    `answers`: by verdict. `n_others`: answers of others on the same exposures, CCDs and CP versions (an unknown version
    counts for all); `n_same` of them have the same verdict. `became`: outcomes of what the reviewer called bad, by
    outcome; None: none are stored.
    """

    answers: dict[str, int]
    n_others: int
    n_same: int
    became: dict[str, int] | None

    @property
    def n(self) -> int:
        """Number of answers."""
        return sum(self.answers.values())

    @property
    def sentences(self) -> list[str]:
        """The counts in words; nothing without an answer."""
        if not self.n:
            return []
        counts = ", ".join(f"{self.answers[verdict]} {verdict}" for verdict in VERDICTS)
        found = [f"You gave {self.n} answers: {counts}."]
        if self.n_others:
            found.append(f"{self.n_same} of {self.n_others} answers of others on the same have the same verdict.")
        if self.became:
            became = ", ".join(f"{self.became[name]} {words}" for name, words in _BECAME.items() if name in self.became)
            found.append(f"Of what you called bad, by the last run: {became}.")
        return found


def tally_of(verdicts: pd.DataFrame, outcomes: pd.DataFrame | None, reviewer: str) -> Tally:
    """Return the counts of a reviewer's answers; it uses only answers that the reviewer may see.

    `verdicts`: review_verdicts; `outcomes`: review_outcomes, None if they have not been made. Simulated reviewers do
    not count as others. What was called bad and is in no outcome yet is undecided.
    """
    latest = latest_verdict_per_reviewer(verdicts)
    own = is_reviewer(latest["reviewer"], reviewer)
    mine, others = latest[own], latest[~own & ~latest["simulated"]]
    both = mine.merge(others, on=KEY, suffixes=("", "_other"))  # whole exposures, whose ccdnum is missing, too
    unknown = both["plver"].isna() | both["plver_other"].isna()  # counts for all versions
    both = both[unknown | (both["plver"] == both["plver_other"])]
    became = None
    if outcomes is not None:
        bad = mine.loc[mine["verdict"] == "bad", KEY].drop_duplicates()
        known = bad.merge(outcomes[[*KEY, "outcome"]], how="left", on=KEY)["outcome"].fillna("undecided")
        became = {str(name): int(n) for name, n in known.value_counts().items()}
    return Tally(
        answers={verdict: int((mine["verdict"] == verdict).sum()) for verdict in VERDICTS},
        n_others=len(both),
        n_same=int((both["verdict"] == both["verdict_other"]).sum()),
        became=became,
    )
