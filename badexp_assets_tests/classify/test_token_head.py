from pathlib import Path

import numpy as np
import pytest

from badexp_assets.classify.token_context import TokenBlock
from badexp_assets.classify.token_head import EVERY, BlockScaler, fit_token_head, score_tokens
from badexp_assets.errors import InputError

BLOCKS = (
    TokenBlock(0, 30, "plain", "ccd"),
    TokenBlock(30, 130, "plain", "plane"),
    TokenBlock(130, 230, "other", "ccd"),
)


def planted(seed: int = 0, n: int = 300) -> tuple[np.ndarray, np.ndarray]:
    """Vectors whose first block tells bad from good, beside two longer ones of noise."""
    rng = np.random.default_rng(seed)
    bad = rng.random(n) < 0.3
    x = rng.normal(size=(n, 230)).astype(np.float32)
    x[:, :30] += np.where(bad[:, None], 1.0, 0.0)
    return x, bad


def test_the_head_finds_a_planted_difference_in_new_vectors() -> None:
    head = fit_token_head(*planted(), BLOCKS)
    x, bad = planted(1)
    scores = score_tokens(head, x)
    assert np.median(scores[bad]) > np.quantile(scores[~bad], 0.99)
    assert np.array_equal(scores, score_tokens(fit_token_head(*planted(), BLOCKS), x))


def test_blocks_have_the_same_variance_whatever_their_length_and_scale() -> None:
    x, _ = planted()
    x[:, 30:] *= 1000
    x[:, 0] = 5
    scaled = BlockScaler([(0, 30), (30, 230)]).fit(x).transform(x)
    assert np.isfinite(scaled).all()
    assert scaled[:, :30].var(axis=0).sum() == pytest.approx(29 / 30, rel=1e-4)
    assert scaled[:, 30:].var(axis=0).sum() == pytest.approx(1, rel=1e-4)


def test_missing_ccds_are_not_fitted_and_have_no_score() -> None:
    x, bad = planted()
    more = np.vstack([x, np.full((2, x.shape[1]), np.nan)])
    head = fit_token_head(more, np.append(bad, [True, False]), BLOCKS)
    scores = score_tokens(head, more)
    assert np.isnan(scores[-2:]).all()
    assert np.array_equal(scores[:-2], score_tokens(fit_token_head(x, bad, BLOCKS), x))
    assert np.isnan(score_tokens(head, more[-2:])).all()


def test_a_head_can_be_stored_without_code_and_scores_the_same(tmp_path: Path) -> None:
    import skops.io

    x, bad = planted()
    head = fit_token_head(x, bad, BLOCKS)
    skops.io.dump(head, tmp_path / "head.skops")
    foreign = skops.io.get_untrusted_types(file=tmp_path / "head.skops")
    assert {name.rpartition(".")[0] for name in foreign} == {"badexp_assets.classify.token_head"}
    stored = skops.io.load(tmp_path / "head.skops", trusted=foreign)
    assert np.allclose(score_tokens(stored, x), score_tokens(head, x), atol=1e-12)


def test_vectors_of_one_class_or_of_other_blocks_are_refused() -> None:
    x, bad = planted()
    with pytest.raises(InputError, match="0 bad and 300 good CCDs found"):
        fit_token_head(x, np.zeros(300, bool), BLOCKS)
    with pytest.raises(InputError, match="229 columns found; 230 of the blocks"):
        fit_token_head(x[:, 1:], bad, BLOCKS)


def test_a_block_of_no_rendering_is_seen_by_all_classifiers_and_the_plane_by_half_of_them() -> None:
    x, bad = planted()
    head = fit_token_head(x, bad, (*BLOCKS[:2], BLOCKS[2]._replace(rendering=EVERY)))
    assert [model[0].limits for model in head.models_] == [[(0, 30), (30, 130), (130, 230)], [(0, 30), (130, 230)]]
    assert len(fit_token_head(x, bad, BLOCKS).models_) == 4
