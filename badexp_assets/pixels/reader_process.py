"""What a reading process runs. Importing this loads all that measuring needs; the fork server does it once."""

from __future__ import annotations

import fitsio  # noqa: F401
import torch

import badexp_assets.entropy.ccd
import badexp_assets.vision.recipes  # noqa: F401
from badexp_assets.pixels.measure_ccd import CcdTask, Measure, MeasuredCcd
from badexp_assets.pixels.process_context import end_with_parent

_measure: Measure | None = None


def start(given: Measure) -> None:
    """Prepare this process: it measures with `given`, on one core, and ends when its parent is gone."""
    global _measure
    _measure = given
    torch.set_num_threads(1)
    end_with_parent()


def measure(task: CcdTask) -> MeasuredCcd:
    """Measure one CCD."""
    assert _measure is not None, "start was not called"
    return _measure(task)
