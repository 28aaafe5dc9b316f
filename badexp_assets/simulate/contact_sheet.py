"""A picture of every kind of anomaly, at three severities."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from badexp_assets.io.parquet import atomic_path
from badexp_assets.simulate.anomalies import ANOMALIES, kind_of
from badexp_assets.simulate.anomaly_kinds import KINDS
from badexp_assets.simulate.ccd_pixels import CcdPixels, Plane
from badexp_assets.simulate.exposure import simulate_exposure
from badexp_assets.simulate.geometry import choose_ccds, frame_of
from badexp_assets.simulate.params import SurveyParams
from badexp_assets.simulate.survey_plan import FEW_SOURCES, HARD_NEGATIVES, ExposurePlan, as_hard_negative, plan_survey
from badexp_assets.survey.cameras import load_camera

SEVERITIES = (0.15, 0.5, 1.0)


def contact_sheet(
    out_png: Path, seed: int = 0, band: str = "r", ccd_rows: int = 256, ccd_columns: int = 128, n_ccds: int = 16
) -> None:
    """Write a PNG of mosaics of the focal plane: each category at severities 0.15, 0.5, 1, each kind at 0.7, good ones.

    Stretch: asinh of (image - median of the exposure) / noise, the same for all; North is left, East is up.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    params = SurveyParams(ccd_rows=ccd_rows, ccd_columns=ccd_columns, n_ccds=n_ccds, seed=seed, bands=(band,))
    base = plan_survey(replace(params, nights=1, exposures=1, bad_fraction=0.0, hard_negative_fraction=0.0))[0]
    rows: list[tuple[str, list[tuple[str, ExposurePlan]]]] = [
        (name, [(f"{s:g}", replace(base, expnum=base.expnum + i, category=name, severity=s)) for s in SEVERITIES])
        for i, name in enumerate(ANOMALIES)
    ]
    plans = [(title, plan) for name, cells in rows for title, plan in [(f"{name} {t}", p) for t, p in cells]]
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
        axis.imshow(
            exposure_mosaic(plan, params), cmap="gray", vmin=-1.2, vmax=3.5, origin="lower", interpolation="nearest"
        )
        axis.set_title(title, fontsize=9)
    with atomic_path(Path(out_png)) as path:
        canvas.print_png(str(path))


def exposure_mosaic(plan: ExposurePlan, params: SurveyParams) -> NDArray[np.float32]:
    """Return the exposure's CCDs in place, as asinh((image - median) / noise); gaps NaN."""
    camera = load_camera(params.camera)
    frames = [
        frame_of(camera, c, params.ccd_rows, params.ccd_columns) for c in choose_ccds(camera, plan.night, params.n_ccds)
    ]
    ccds = [ccd.pixels for ccd in simulate_exposure(plan, frames, params.seed, Plane())]
    picture = mosaic(ccds)
    middle, noise = np.nanmedian(picture), ccds[0].sigma
    return np.arcsinh((picture - middle) / noise / 1.5).astype(np.float32)


def mosaic(ccds: list[CcdPixels]) -> NDArray[np.float32]:
    """Return CCD images in their places in the focal plane, (rows, columns) on the first one's grid; NaN in gaps."""
    dx, dy = ccds[0].dx_mm, ccds[0].dy_mm
    x0, y0 = min(c.x0_mm for c in ccds), min(c.y0_mm for c in ccds)
    corners: list[tuple[int, int, Any]] = [
        (round((c.y0_mm - y0) / dy), round((c.x0_mm - x0) / dx), c.image) for c in ccds
    ]
    shape = max(r + i.shape[0] for r, _, i in corners), max(c + i.shape[1] for _, c, i in corners)
    picture = np.full(shape, np.nan, np.float32)
    for row, column, image in corners:
        picture[row : row + image.shape[0], column : column + image.shape[1]] = image
    return picture
