"""How candidates are given to reviewers."""

from __future__ import annotations

from dataclasses import dataclass

from badexp_assets.errors import InputError

ORDERS = ("rank", "information", "night")


@dataclass(frozen=True)
class ReviewParams:
    """Options of the review.

    store: URL of a Postgres database for answers, without its password, which belongs into BADEXP_VERDICTS (that goes
    before this); empty: an SQLite file in the home. Every candidate is given to one reviewer, and the share
    `second_share` of them (the same ones always, drawn by `seed`) to a second, who does not see the first answer.
    third_on_tie: another one is asked where as many say bad as fine. order: in which candidates come by default.
    pictures_mb: how much disk the review app may use for pictures it has made (MB, 10^6 bytes).
    """

    store: str = ""
    second_share: float = 1.0
    third_on_tie: bool = True
    order: str = "rank"
    seed: int = 0
    pictures_mb: int = 2000

    def __post_init__(self) -> None:
        if not 0 <= self.second_share <= 1:
            raise InputError(f"review: second_share is {self.second_share!r}; 0 to 1 is allowed")
        if self.pictures_mb < 0:
            raise InputError(f"review: pictures_mb is {self.pictures_mb!r}; it can't be negative")
        if self.order not in ORDERS:
            raise InputError(f"review: order is {self.order!r}; allowed: {', '.join(ORDERS)}")
