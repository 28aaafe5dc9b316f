"""One pass over the pixels of a night: embeddings, orientation histograms, stamps and previews of one reading.

Names load on first use, so that importing the package costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from badexp_assets.lazy import load_on_use

if TYPE_CHECKING:
    from badexp_assets.night.features import CcdFeatures, measure_features, sky_and_noise
    from badexp_assets.night.machine import MachineShare, NightMachine, build_machine, share_machine
    from badexp_assets.night.params import PassParams
    from badexp_assets.night.previews import FocalPlane
    from badexp_assets.night.run import run_pass
    from badexp_assets.night.several import run_nights
    from badexp_assets.night.summary import PassSummary
    from badexp_assets.night.tables import PASS_TABLES

_HOMES = {
    "PASS_TABLES": "tables",
    "CcdFeatures": "features",
    "FocalPlane": "previews",
    "MachineShare": "machine",
    "NightMachine": "machine",
    "PassParams": "params",
    "PassSummary": "summary",
    "build_machine": "machine",
    "measure_features": "features",
    "run_nights": "several",
    "run_pass": "run",
    "share_machine": "machine",
    "sky_and_noise": "features",
}
__all__ = [
    "PASS_TABLES",
    "CcdFeatures",
    "FocalPlane",
    "MachineShare",
    "NightMachine",
    "PassParams",
    "PassSummary",
    "build_machine",
    "measure_features",
    "run_nights",
    "run_pass",
    "share_machine",
    "sky_and_noise",
]

__getattr__ = load_on_use(__name__, _HOMES)
