"""The kinds of each category of anomaly, and how often they occur."""

from __future__ import annotations

import numpy as np

# share of the category's exposures; a PSF is `astigmatic` if its elongation, 0.2 to 1, is at least 0.5
KINDS: dict[str, dict[str, float]] = {
    "psf": {"astigmatic": 0.625, "broad": 0.375},
    "telescope_moving": {"drift": 0.45, "hook": 0.25, "jump": 0.3},
    "ghost_scatter": {"ring": 0.55, "arc": 0.25, "fan": 0.2},
    "nobjects": {"grains": 0.5, "clumps": 0.5},
    "noise": {"stripes": 0.35, "herringbone": 0.3, "base_line": 0.15, "amplifier": 0.2},
    "wonky": {"step": 0.4, "waves": 0.3, "levels": 0.18, "fringes": 0.12},
}


def psf_kind(rng: np.random.Generator) -> tuple[str, float, float]:
    """Draw the kind of a bad PSF, the angle of its long axis (rad) and its elongation (0.2 to 1)."""
    angle, elongation = rng.uniform(0, np.pi), rng.uniform(0.2, 1.0)
    return "astigmatic" if elongation >= 0.5 else "broad", angle, elongation


def path_kind(rng: np.random.Generator) -> tuple[str, float]:
    """Draw the kind of the telescope's path and its direction (rad)."""
    angle = rng.uniform(0, 2 * np.pi)
    return draw_kind(rng, "telescope_moving"), angle


def draw_kind(rng: np.random.Generator, category: str) -> str:
    """Draw one of the category's KINDS by their shares."""
    kinds = KINDS[category]
    return str(rng.choice(list(kinds), p=list(kinds.values())))
