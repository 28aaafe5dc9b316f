"""Plots of orientations: where lines of CCDs point on the sky, and legends that cover nothing."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from badexp_assets.config.night_options import EntropyParams
from badexp_assets.entropy import plots
from badexp_assets.survey.cameras import load_camera

PARAMS = EntropyParams()
NO_REFERENCE = pd.DataFrame({"filter": [], "kind": [], "p": [], "p_trimmed": []})


@pytest.fixture
def figures(monkeypatch) -> list[Figure]:
    """The figures that were drawn."""
    drawn: list[Figure] = []
    to_png = plots.to_png
    monkeypatch.setattr(plots, "to_png", lambda figure: drawn.append(figure) or to_png(figure))
    return drawn


def orientations(ccdnums, degrees):
    """One exposure, whose sources and gradients all have this orientation to +x."""
    counts = 2 * PARAMS.min_points * np.eye(PARAMS.bins, dtype=int)[int(degrees * PARAMS.bins / 180)]
    rows = [(7, ccdnum, "r", 100, counts, counts, np.tile(counts, 2)) for ccdnum in ccdnums]
    names = ["expnum", "ccdnum", "filter", "n_sources", "source_counts", "gradient_counts", "gradient_halves"]
    return pd.DataFrame(rows, columns=names)


def whiskers(figure):
    """Ends of the lines of the two lower panels (right, up) in mm."""
    return [axes.collections[1].get_segments() for axes in figure.axes[2:]]


@pytest.mark.parametrize(
    ("axes", "position_angle"),
    [
        ("SE", lambda degrees: 180 - degrees),  # DECam: 0 degrees run North-South, 90 degrees East-West
        ("WN", lambda degrees: degrees + 90),
    ],
)
@pytest.mark.parametrize("degrees", [5, 35, 95, 155])
def test_the_line_of_a_ccd_has_its_direction_on_the_sky_with_north_up_and_east_left(
    figures, axes, position_angle, degrees
):
    camera = replace(load_camera(), x_towards=axes[0], y_towards=axes[1])
    plots.plot_exposure(orientations([28], degrees), NO_REFERENCE, camera, PARAMS)
    for (line,) in whiskers(figures[0]):
        right, up = line[1] - line[0]
        found = np.degrees(np.arctan2(-right, up))  # from North (up) over East (left)
        assert (found - position_angle(degrees) + 90) % 180 == pytest.approx(90)
        assert np.hypot(right, up) > 10


def test_the_line_of_a_ccd_lies_on_its_ccd(figures):
    camera = load_camera()
    north, south = camera.by_name["S29"], camera.by_name["N29"]  # DECam's S29 to S31 are its northernmost row
    plots.plot_exposure(orientations([north.ccdnum, south.ccdnum], 5), NO_REFERENCE, camera, PARAMS)
    for upper, lower in whiskers(figures[0]):
        assert upper.mean(axis=0)[1] > 150
        assert lower.mean(axis=0)[1] < -150


@pytest.mark.parametrize("degrees", [5, 95, 175])
def test_the_legend_lies_above_the_bars(figures, degrees):
    table = orientations([28], degrees)
    plots.plot_exposure(table, NO_REFERENCE, load_camera(), PARAMS)
    for axes in figures[0].axes[:2]:
        axes.figure.canvas.draw()
        box = axes.get_legend().get_window_extent().transformed(axes.transData.inverted())
        assert max(bar.get_height() for bar in axes.containers[0]) < box.y0
        assert box.y1 <= axes.get_ylim()[1]
