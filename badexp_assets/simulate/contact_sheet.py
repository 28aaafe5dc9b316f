"""A picture of simulated exposures: every category at three severities, every kind, and good exposures."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from badexp_assets.io.parquet import atomic_path
from badexp_assets.simulate.anomalies import ANOMALIES, kind_of
from badexp_assets.simulate.anomaly_kinds import KINDS
from badexp_assets.simulate.ccd_pixels import CcdPixels, Plane, simulated_frames
from badexp_assets.simulate.exposure import simulate_exposure
from badexp_assets.simulate.params import SurveyParams
from badexp_assets.simulate.survey_plan import FEW_SOURCES, HARD_NEGATIVES, ExposurePlan, as_hard_negative, plan_survey

SEVERITIES = (0.15, 0.5, 1.0)


def contact_sheet(
    out_png: Path, seed: int = 0, band: str = "r", ccd_rows: int = 256, ccd_columns: int = 128, n_ccds: int = 16
) -> None:
    """Write a PNG with a mosaic of the focal plane for each exposure; North is left, East is up.

    It shows every category at severities 0.15, 0.5 and 1, every kind at 0.7, a good exposure and the hard negatives.
    All have the same stretch: asinh of (image - median of the exposure) / noise.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    params = SurveyParams(ccd_rows=ccd_rows, ccd_columns=ccd_columns, n_ccds=n_ccds, seed=seed, bands=(band,))
    base = plan_survey(replace(params, nights=1, exposures=1, bad_fraction=0.0, hard_negative_fraction=0.0))[0]
    plans = [
        (f"{name} {severity:g}", replace(base, expnum=base.expnum + i, category=name, severity=severity))
        for i, name in enumerate(ANOMALIES)
        for severity in SEVERITIES
    ]
    for category, kinds in KINDS.items():
        of_kind = {kind_of(category, seed, base.expnum + i): base.expnum + i for i in reversed(range(200))}
        plans += [
            (f"{kind} 0.7", replace(base, expnum=of_kind[kind], category=category, severity=0.7)) for kind in kinds
        ]
    plans += [("good", base), *((n, as_hard_negative(base, n)) for n in (*HARD_NEGATIVES, FEW_SOURCES))]
    columns = 6
    n_rows = -(-len(plans) // columns)
    figure = Figure(figsize=(3.0 * columns, 4.2 * n_rows), layout="constrained")
    canvas = FigureCanvasAgg(figure)
    axes = figure.subplots(n_rows, columns, squeeze=False).ravel()
    for axis in axes:
        axis.set_axis_off()
    for axis, (title, plan) in zip(axes, plans, strict=False):
        stretch = {"cmap": "gray", "vmin": -1.2, "vmax": 3.5, "interpolation": "nearest"}
        axis.imshow(exposure_mosaic(plan, params), origin="lower", **stretch)
        axis.set_title(title, fontsize=9)
    with atomic_path(Path(out_png)) as path:
        canvas.print_png(str(path))


def exposure_mosaic(plan: ExposurePlan, params: SurveyParams) -> NDArray[np.float32]:
    """Return the mosaic of an exposure, asinh((image - median) / noise), (rows, columns); NaN in gaps."""
    frames = simulated_frames(plan.camera, plan.night, params.n_ccds, params.ccd_rows, params.ccd_columns)
    ccds = [ccd.pixels for ccd in simulate_exposure(plan, frames, params.seed, Plane())]
    picture = mosaic(ccds)
    middle, noise = np.nanmedian(picture), ccds[0].sigma
    return np.arcsinh((picture - middle) / noise / 1.5).astype(np.float32)


def mosaic(ccds: list[CcdPixels]) -> NDArray[np.float32]:
    """Return CCD images at their focal-plane positions, (rows, columns) on the grid of the first one; NaN in gaps."""
    dx, dy = ccds[0].dx_mm, ccds[0].dy_mm
    x0, y0 = min(c.x0_mm for c in ccds), min(c.y0_mm for c in ccds)
    corners = [(round((c.y0_mm - y0) / dy), round((c.x0_mm - x0) / dx), c.image) for c in ccds]
    shape = max(r + i.shape[0] for r, _, i in corners), max(c + i.shape[1] for _, c, i in corners)
    picture = np.full(shape, np.nan, np.float32)
    for row, column, image in corners:
        picture[row : row + image.shape[0], column : column + image.shape[1]] = image
    return picture
