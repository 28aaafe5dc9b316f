"""Pictures of any camera have North up and East left."""

import numpy as np
import pytest

from badexp_assets.pixels.previews import FocalPlane, bin_ccd
from badexp_assets.survey.cameras import load_camera
from badexp_assets.survey.exposure import CcdImage
from badexp_assets.survey.sky_axes import SkyAxes

DIRECTIONS = [x + y for pair in ("NE", "NW", "SE", "SW") for x, y in (pair, pair[::-1])]
STEPS = {"N": (-1, 0), "S": (1, 0), "E": (0, -1), "W": (0, 1)}  # rows and columns of a picture


@pytest.mark.parametrize("directions", DIRECTIONS)
def test_a_step_along_an_axis_is_a_step_towards_its_direction(directions):
    axes = SkyAxes(*directions)
    pixels = np.zeros((5, 7))
    pixels[2, 3] = 1.0
    start = np.argwhere(axes.turned(pixels))[0]
    for direction, (row, column), place in ((axes.x, (2, 4), (1.0, 0.0)), (axes.y, (3, 3), (0.0, 1.0))):
        pixels[:] = 0.0
        pixels[row, column] = 1.0
        assert tuple(np.argwhere(axes.turned(pixels))[0] - start) == STEPS[direction]
        south, east = axes.south_east(*place)
        assert (south, -east) == STEPS[direction]
    assert axes.turned(pixels).shape == axes.shape(5, 7)


def test_the_most_northern_ccd_of_megacam_is_at_the_top_of_its_preview():
    camera = load_camera("megacam")
    plane = FocalPlane(camera, 200, [ccd.ccdnum for ccd in camera.ccds])
    north_east, south_west = plane.boxes[1], plane.boxes[36]  # ccd00 and ccd35 in CFHT's drawing
    assert north_east[:2] == (min(box[0] for box in plane.boxes.values()), min(box[1] for box in plane.boxes.values()))
    assert south_west[:2] == (max(box[0] for box in plane.boxes.values()), max(box[1] for box in plane.boxes.values()))
    assert north_east[3] > 2 * north_east[2]  # CCDs stand upright
    image = np.zeros((461, 205), np.float32)
    image[-1, 0] = 1000.0  # y grows towards North, x towards West
    tile = bin_ccd(CcdImage(1, "ccd00", image, None, None, None, None, None, {}, axes=camera.axes), plane.slot)
    assert np.unravel_index(tile.pixels.argmax(), tile.pixels.shape) == (0, 0)
