"""How complete the search for bad exposures is: anomalies injected into good exposures, found or not by the chain.

Names load on first use, so that importing the package costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from badexp_assets.lazy import load_on_use

if TYPE_CHECKING:
    from badexp_assets.injection.chain import Chain
    from badexp_assets.injection.figure import completeness_figure
    from badexp_assets.injection.measure import Measured, measure_completeness
    from badexp_assets.injection.outcome import Outcome
    from badexp_assets.injection.params import InjectionParams
    from badexp_assets.injection.plan import InjectionPlan, plan_injection
    from badexp_assets.injection.scratch import scratch_folder
    from badexp_assets.injection.table import completeness_table

_HOMES = {
    "Chain": "chain",
    "InjectionParams": "params",
    "InjectionPlan": "plan",
    "Measured": "measure",
    "Outcome": "outcome",
    "completeness_figure": "figure",
    "completeness_table": "table",
    "measure_completeness": "measure",
    "plan_injection": "plan",
    "scratch_folder": "scratch",
}
__all__ = [
    "Chain",
    "InjectionParams",
    "InjectionPlan",
    "Measured",
    "Outcome",
    "completeness_figure",
    "completeness_table",
    "measure_completeness",
    "plan_injection",
    "scratch_folder",
]

__getattr__ = load_on_use(__name__, _HOMES)
