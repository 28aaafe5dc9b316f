"""The Entropy Method: orientations of sources and of background gradients, and how far they are from the survey's mean.

The equations are in docs/entropy.md and beside the functions: moments and gradients as direct sums, a Kullback-Leibler
divergence of each exposure's orientation histogram from the mean of its band. Names load on first use, so that
importing the package costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from badexp_assets.lazy import load_on_use

if TYPE_CHECKING:
    from badexp_assets.entropy.ccd import CcdOrientations, measure_ccd
    from badexp_assets.entropy.divergence import (
        kl_divergence,
        kl_null,
        orientation_histogram,
        preferred_angle,
        preferred_direction,
        z_against_null,
    )
    from badexp_assets.entropy.gradients import draw_gradient_points, gradient_angles, gradient_orientation, smooth
    from badexp_assets.entropy.halves import half_histograms, shared_divergence
    from badexp_assets.entropy.params import EntropyParams
    from badexp_assets.entropy.plots import plot_exposure, plot_orientations, plot_reference
    from badexp_assets.entropy.reference import build_reference
    from badexp_assets.entropy.scores import score_exposures
    from badexp_assets.entropy.sources import source_orientation

_HOMES = {
    "CcdOrientations": "ccd",
    "EntropyParams": "params",
    "build_reference": "reference",
    "draw_gradient_points": "gradients",
    "gradient_angles": "gradients",
    "gradient_orientation": "gradients",
    "half_histograms": "halves",
    "kl_divergence": "divergence",
    "kl_null": "divergence",
    "measure_ccd": "ccd",
    "orientation_histogram": "divergence",
    "plot_exposure": "plots",
    "plot_orientations": "plots",
    "plot_reference": "plots",
    "preferred_angle": "divergence",
    "preferred_direction": "divergence",
    "score_exposures": "scores",
    "shared_divergence": "halves",
    "smooth": "gradients",
    "source_orientation": "sources",
    "z_against_null": "divergence",
}

__all__ = [
    "CcdOrientations",
    "EntropyParams",
    "build_reference",
    "draw_gradient_points",
    "gradient_angles",
    "gradient_orientation",
    "half_histograms",
    "kl_divergence",
    "kl_null",
    "measure_ccd",
    "orientation_histogram",
    "plot_exposure",
    "plot_orientations",
    "plot_reference",
    "preferred_angle",
    "preferred_direction",
    "score_exposures",
    "shared_divergence",
    "smooth",
    "source_orientation",
    "z_against_null",
]

__getattr__ = load_on_use(__name__, _HOMES)
