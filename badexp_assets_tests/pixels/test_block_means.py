import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from badexp_assets.pixels.block_means import block_means


def reference(
    image: np.ndarray, mask: np.ndarray | None, without_value: tuple[int, ...], shape: tuple[int, int]
) -> np.ndarray:
    """Means of blocks as operations of NumPy on whole images."""
    bad = ~np.isfinite(image)
    if mask is not None:
        bad |= np.isin(mask, without_value)
    rows, columns = (min(n, size) for n, size in zip(shape, image.shape, strict=True))
    row_edges = np.linspace(0, image.shape[0], rows + 1).astype(int)[:-1]
    column_edges = np.linspace(0, image.shape[1], columns + 1).astype(int)[:-1]

    def total(values: np.ndarray) -> np.ndarray:
        return np.add.reduceat(np.add.reduceat(values, column_edges, axis=1), row_edges, axis=0)

    count = total((~bad).astype(np.float32))
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(count > 0, total(np.where(bad, np.float32(0), image)) / count, np.float32(np.nan))


def planted(rng: np.random.Generator, shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """An image with zeros and pixels that are not finite, and a mask with all codes; a corner has no value at all."""
    image = rng.normal(rng.normal(0, 300), 10, shape).astype(np.float32)
    for value in (np.nan, np.inf, -np.inf, 0, 1e30):
        image[rng.random(shape) < 0.02] = value
    mask = np.where(rng.random(shape) < 0.2, rng.integers(0, 256, shape), 0).astype(np.uint8)
    mask[rng.random(shape) < 0.2] = 5
    mask[: shape[0] // 2, : shape[1] // 2] = 1
    return image, mask


@settings(max_examples=60, deadline=None)
@given(*[st.integers(1, 300)] * 2, *[st.integers(1, 40)] * 2, st.integers(0, 2**32 - 1), st.booleans())
def test_one_pass_gives_the_bits_of_sums_over_whole_images(
    rows: int, columns: int, down: int, across: int, seed: int, masked: bool
) -> None:
    image, mask = planted(np.random.default_rng(seed), (rows, columns))
    codes = mask if masked else None
    for without_value in ((1, 2), (1, 2, 5, 6)):
        found = block_means(image, codes, without_value, (down, across))
        assert found.dtype == np.float32
        np.testing.assert_array_equal(found, reference(image, codes, without_value, (down, across)))


@pytest.mark.parametrize("shape", [(35, 39), (78, 39), (3, 2)])
def test_a_full_size_ccd_and_a_transposed_one_have_the_same_bits_too(shape: tuple[int, int]) -> None:
    image, mask = planted(np.random.default_rng(1), (2046, 4094))
    for pixels, codes in ((image, mask), (image.T, mask.T)):
        np.testing.assert_array_equal(
            block_means(pixels, codes, (1, 2), shape),
            reference(np.ascontiguousarray(pixels), np.ascontiguousarray(codes), (1, 2), shape),
        )
