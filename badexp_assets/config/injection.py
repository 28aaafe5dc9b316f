"""Options of the injection of anomalies."""

from __future__ import annotations

from dataclasses import dataclass

from badexp_assets.errors import InputError
from badexp_assets.simulate.anomalies import ANOMALIES


@dataclass(frozen=True)
class InjectionParams:
    """Which anomalies go into how many good exposures. Raises InputError for a value out of range.

    n_exposures: good exposures of the test split, chosen by seed. severities: above 0 (invisible) up to 1 (obvious).
    categories: kinds of anomaly; empty: all of them. seed: of the choice and of the anomalies.
    """

    n_exposures: int = 16
    severities: tuple[float, ...] = (0.1, 0.2, 0.35, 0.6, 1.0)
    categories: tuple[str, ...] = ()
    seed: int = 0

    def __post_init__(self) -> None:
        for name, least in (("n_exposures", 1), ("seed", 0)):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise InputError(f"injection: {name} is {value!r}; a whole number of at least {least} is needed")
        for name in ("severities", "categories"):
            value = getattr(self, name)
            if not isinstance(value, list | tuple) or len(set(value)) < len(value):
                raise InputError(f"injection: {name} is {value!r}; a list without repetitions is needed")
        numbers = [s for s in self.severities if isinstance(s, int | float) and not isinstance(s, bool)]
        if not numbers or len(numbers) < len(self.severities) or not all(0 < s <= 1 for s in numbers):
            raise InputError(
                f"injection: severities is {list(self.severities)!r}; numbers above 0 and up to 1 are needed"
            )
        unknown = [c for c in self.categories if c not in ANOMALIES]
        if unknown:
            raise InputError(f"injection: categories has {unknown[0]!r}; allowed: {', '.join(ANOMALIES)}")
        object.__setattr__(self, "severities", tuple(sorted(map(float, self.severities))))
        object.__setattr__(self, "categories", tuple(self.categories) or ANOMALIES)
