"""The methods beside each other on the same exposures, and one rank learned from them all."""

from __future__ import annotations

from typing import TYPE_CHECKING

from badexp_assets.lazy import load_on_use

if TYPE_CHECKING:
    from badexp_assets.comparison.combined import Combined, combine
    from badexp_assets.comparison.figures import rates_figure
    from badexp_assets.comparison.outcomes import known_outcomes, read_truth
    from badexp_assets.comparison.params import ComparisonParams
    from badexp_assets.comparison.rates import METHODS, found_by, true_positive_rates

_HOMES = {
    "Combined": "combined",
    "ComparisonParams": "params",
    "METHODS": "rates",
    "combine": "combined",
    "found_by": "rates",
    "known_outcomes": "outcomes",
    "rates_figure": "figures",
    "read_truth": "outcomes",
    "true_positive_rates": "rates",
}
__getattr__ = load_on_use(__name__, _HOMES)

__all__ = [
    "METHODS",
    "Combined",
    "ComparisonParams",
    "combine",
    "found_by",
    "known_outcomes",
    "rates_figure",
    "read_truth",
    "true_positive_rates",
]
