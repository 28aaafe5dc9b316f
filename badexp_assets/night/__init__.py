"""One pass over the pixels of a night: embeddings, orientation histograms, stamps and previews of one reading.

Names load on first use, so that importing the package costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from badexp_assets.lazy import load_on_use

if TYPE_CHECKING:
    from badexp_assets.night.features import CcdFeatures, measure_features, sky_and_noise
    from badexp_assets.night.machine import NightMachine, build_machine
    from badexp_assets.night.params import PassParams
    from badexp_assets.night.previews import FocalPlane
    from badexp_assets.night.run import PassSummary, run_pass
    from badexp_assets.night.tables import PASS_TABLES

_HOMES = {
    "PASS_TABLES": "tables",
    "CcdFeatures": "features",
    "FocalPlane": "previews",
    "NightMachine": "machine",
    "PassParams": "params",
    "PassSummary": "run",
    "build_machine": "machine",
    "measure_features": "features",
    "run_pass": "run",
    "sky_and_noise": "features",
}
__all__ = [
    "PASS_TABLES",
    "CcdFeatures",
    "FocalPlane",
    "NightMachine",
    "PassParams",
    "PassSummary",
    "build_machine",
    "measure_features",
    "run_pass",
    "sky_and_noise",
]

__getattr__ = load_on_use(__name__, _HOMES)
