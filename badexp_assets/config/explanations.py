"""Options of the explanations."""

from __future__ import annotations

from dataclasses import dataclass

from badexp_assets.errors import InputError


@dataclass(frozen=True)
class ExplanationParams:
    """Options of the explanations. Raises InputError for a value out of range.

    `max_candidates`: the first so many of `review_candidates` are explained. `n_ccds`: CCDs of each, worst first, that
    examples are looked up for. `n_examples`: nearest labelled CCDs of each. `n_good`: good CCDs that patches are
    compared with, a fifth of them kept aside for the unit of the score. `patches_per_image`: drawn of each, at most;
    `bank_size`: kept of all. `seed`: of these draws.
    """

    max_candidates: int = 200
    n_ccds: int = 3
    n_examples: int = 5
    n_good: int = 100
    patches_per_image: int = 256
    bank_size: int = 4096
    seed: int = 0

    def __post_init__(self) -> None:
        least = {"max_candidates": 0, "n_ccds": 1, "n_examples": 0, "n_good": 2, "patches_per_image": 1}
        for name, low in (least | {"bank_size": 1, "seed": 0}).items():
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < low:
                raise InputError(f"explanations: {name} is {value!r}; a whole number of at least {low} is needed")
