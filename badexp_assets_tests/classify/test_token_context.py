"""Surroundings and plane that are added to tokens of CCDs."""

import numpy as np

from badexp_assets.classify.token_context import TokenContext, token_blocks

# two rows of three CCDs with gaps
BOXES = np.array([[x, y, x + 30, y + 20] for y in (0, 30) for x in (0, 40, 80)], float)
DIM = 4


def tokens(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(len(BOXES), DIM)).astype(np.float32)


def test_the_surroundings_of_a_ccd_are_the_mean_of_its_neighbours_by_shared_area() -> None:
    found = TokenContext(BOXES).vectors(tokens())
    own, around, plane = np.split(found, 3, axis=1)
    assert np.array_equal(own, tokens())
    # the box of the first CCD grows by 15 on each side: it meets 5 of the 30 columns of the second and 5 of the 20 rows
    weights = np.array([600, 100, 0, 150, 25, 0]) / 875
    assert np.allclose(around[0], weights @ tokens(), rtol=1e-5)
    assert np.allclose(plane, tokens().mean(axis=0), rtol=1e-5)


def test_missing_ccds_have_no_vector_and_no_weight_in_those_of_others() -> None:
    some = tokens()
    some[1] = np.nan
    found = TokenContext(BOXES).vectors(some)
    assert np.isnan(found[1]).all()
    there = np.delete(np.arange(6), 1)
    assert np.array_equal(found[there], TokenContext(BOXES[there]).vectors(some[there]))
    none = TokenContext(BOXES).vectors(np.full((6, DIM), np.nan))
    assert none.shape == (6, 3 * DIM)
    assert np.isnan(none).all()


def test_the_blocks_are_those_of_the_vectors() -> None:
    blocks = token_blocks(DIM)
    assert [(b.start, b.stop) for b in blocks] == [(2 * i, 2 * i + 2) for i in range(6)]
    assert [b.part for b in blocks] == ["ccd"] * 2 + ["surroundings"] * 2 + ["plane"] * 2
    assert len(set(blocks)) == 6
