import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from badexp_assets.vision.scaling_kernel import scaled_image

sides = st.integers(1, 90)
wanted = st.integers(2, 90)  # PyTorch returns one value for all rows of an image with one column


def reference(
    image: np.ndarray, mask: np.ndarray | None, sky: float, noise: float, shape: tuple[int, int]
) -> np.ndarray:
    """The recipe `scaled` as operations of PyTorch on whole images."""
    levels = torch.from_numpy(image.astype(np.float32)).sub(sky).div(noise)
    levels = levels.nan_to_num(nan=0.0, posinf=0.0, neginf=0.0).clamp(-4, 1000)
    if mask is not None:
        levels[torch.from_numpy(np.isin(mask, (1, 2, 5, 6)))] = 0
        levels[torch.from_numpy(np.isin(mask, (3, 4)))] = 1000
    low, high = math.asinh(-4), math.asinh(1000)
    levels = levels.double().asinh().sub(low).div(high - low).float()
    return F.interpolate(levels[None, None], shape, mode="bilinear", antialias=True)[0, 0].numpy()


@settings(max_examples=60, deadline=None)
@given(sides, sides, wanted, wanted, st.integers(0, 2**32 - 1), st.sampled_from([None, "u1", "i2"]))
def test_one_pass_gives_the_grey_levels_of_pytorch_operations(
    rows: int, columns: int, down: int, across: int, seed: int, codes: str | None
) -> None:
    rng = np.random.default_rng(seed)
    sky, noise = rng.normal(0, 300), 10 ** rng.uniform(-2, 2)
    image = (sky + noise * rng.standard_cauchy((rows, columns)) * 10 ** rng.uniform(-1, 3)).astype(np.float32)
    for value in (np.nan, np.inf, -np.inf, 1e30, -1e30, sky):
        image[rng.random(image.shape) < 0.02] = value
    mask = None if codes is None else rng.integers(0, 19, image.shape).astype(codes) * (rng.random(image.shape) < 0.3)
    found = scaled_image(image, mask, sky, noise, (down, across))
    np.testing.assert_allclose(found, reference(image, mask, sky, noise, (down, across)), atol=1e-6, rtol=0)


@pytest.mark.parametrize("size", [(4094, 512), (2046, 256), (4094, 2352), (2046, 1176)])
def test_full_size_lines_are_averaged_as_by_pytorch(size: tuple[int, int]) -> None:
    line = np.random.default_rng(1).normal(0, 30, (size[0], 1)).astype(np.float32)
    for image, shape in ((line, (size[1], 2)), (line.T, (2, size[1]))):
        expected = reference(image, None, 0, 1, shape)
        np.testing.assert_allclose(scaled_image(image, None, 0, 1, shape), expected, atol=1e-6, rtol=0)


@pytest.mark.parametrize("noise", [1e-300, 1e-40, 1e30])
def test_extreme_noise_gives_finite_grey_levels(noise: float) -> None:
    image = np.array([[0, 1, -1, np.nan]], np.float32)
    np.testing.assert_allclose(
        scaled_image(image, None, 0, noise, (1, 4)), reference(image, None, 0, noise, (1, 4)), atol=1e-6, rtol=0
    )
