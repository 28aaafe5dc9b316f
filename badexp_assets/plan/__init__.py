"""What reading an archive will take on a machine: hours, jobs, bytes, and what limits it.

Names load on first use, so that importing the package costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from badexp_assets.lazy import load_on_use

if TYPE_CHECKING:
    from badexp_assets.plan.archive import Archive, scan_archive
    from badexp_assets.plan.estimate import Plan, Stage, make_plan
    from badexp_assets.plan.figure import draw_hours
    from badexp_assets.plan.machine import Machine
    from badexp_assets.plan.measure import measure_rates
    from badexp_assets.plan.rates import Rates, read_rates, write_rates
    from badexp_assets.plan.text import plan_lines

_HOMES = {
    "Archive": "archive",
    "Machine": "machine",
    "Plan": "estimate",
    "Rates": "rates",
    "Stage": "estimate",
    "draw_hours": "figure",
    "make_plan": "estimate",
    "measure_rates": "measure",
    "plan_lines": "text",
    "read_rates": "rates",
    "scan_archive": "archive",
    "write_rates": "rates",
}
__all__ = [
    "Archive",
    "Machine",
    "Plan",
    "Rates",
    "Stage",
    "draw_hours",
    "make_plan",
    "measure_rates",
    "plan_lines",
    "read_rates",
    "scan_archive",
    "write_rates",
]

__getattr__ = load_on_use(__name__, _HOMES)
