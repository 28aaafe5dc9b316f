"""What the Entropy Method finds in simulated surveys where the truth is known, and which good exposures it accuses.

Names load on first use, so that importing the package costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from badexp_assets.lazy import load_on_use

if TYPE_CHECKING:
    from badexp_assets.entropy_trial.params import TrialParams
    from badexp_assets.entropy_trial.rates import found_rates
    from badexp_assets.entropy_trial.surveys import measure_surveys
    from badexp_assets.entropy_trial.text import rate_lines

_HOMES = {
    "TrialParams": "params",
    "found_rates": "rates",
    "measure_surveys": "surveys",
    "rate_lines": "text",
}

__all__ = ["TrialParams", "found_rates", "measure_surveys", "rate_lines"]

__getattr__ = load_on_use(__name__, _HOMES)
