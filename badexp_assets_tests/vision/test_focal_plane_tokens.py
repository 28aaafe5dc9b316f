from pathlib import Path

import numpy as np
import pytest
import torch

from badexp_assets.errors import InputError
from badexp_assets.vision import backbones
from badexp_assets.vision.backbones import Backbone, load_backbone
from badexp_assets.vision.engines import TorchEngine
from badexp_assets.vision.focal_plane_tokens import FocalPlaneEmbedder

SHAPE = (96, 128)
# two rows of three CCDs with gaps of 4 px
BOXES = np.array([[x, y, x + 36, y + 40] for y in (4, 52) for x in (6, 46, 86)], float)
LEFT, MIDDLE = 0, 1


@pytest.fixture(scope="module")
def lite() -> Backbone:
    return load_backbone("efficientnet_lite0")


@pytest.fixture(scope="module")
def tiny(shared_data: Path) -> Backbone:
    return load_backbone("dinov2_vits14_reg", shared_data / "dinov2_tiny" / "state_dict.pth")


@pytest.fixture
def eager(monkeypatch: pytest.MonkeyPatch) -> None:
    """PyTorch runs the network, which needs no compilation."""
    monkeypatch.setattr(backbones, "make_engine", lambda model, device, *_: TorchEngine(model, device, "float32"))


def plane(seed: int = 0, gaps: float = np.nan) -> np.ndarray:
    image = np.full(SHAPE, gaps, np.float32)
    rng = np.random.default_rng(seed)
    for x0, y0, x1, y1 in BOXES.astype(int):
        image[y0:y1, x0:x1] = 0.3 + 0.05 * rng.standard_normal((y1 - y0, x1 - x0))
    return image


def hide(image: np.ndarray, ccd: int) -> np.ndarray:
    x0, y0, x1, y1 = BOXES[ccd].astype(int)
    image = image.copy()
    image[y0:y1, x0:x1] = np.nan
    return image


def embedder(backbone: Backbone, **options) -> FocalPlaneEmbedder:
    return FocalPlaneEmbedder(backbone, BOXES, SHAPE, **({"size": 128} | options))


@pytest.mark.usefixtures("eager")
@pytest.mark.parametrize("name", ["lite", "tiny"])
def test_every_backbone_gives_a_token_for_each_ccd(name, request) -> None:
    made = embedder(request.getfixturevalue(name))
    found = made.embed([plane()])
    channels = [m.shape[1] for m in made.backbone.model.feature_maps(torch.zeros(1, 3, 56, 56), made.depths)]
    assert made.dim == 2 * sum(min(128, n) for n in channels)
    assert found.shape == (1, len(BOXES), made.dim)
    assert found.dtype == np.float32
    assert np.isfinite(found).all()


@pytest.mark.parametrize(("name", "sizes"), [("lite", [(57, 90), (224, 33)]), ("tiny", [(56, 84)])])
def test_the_shapes_of_feature_maps_are_known_without_making_any(name, sizes, request) -> None:
    model = request.getfixturevalue(name).model
    depths = tuple(range(1, model.n_depths + 1))
    for size in sizes:
        maps = model.feature_maps(torch.zeros(1, 3, *size), depths)
        assert model.map_shapes(*size, depths) == [tuple(m.shape[1:]) for m in maps]


@pytest.mark.usefixtures("eager")
def test_the_numbers_of_a_token_keep_the_distances_of_all_channels(lite: Backbone) -> None:
    halves = [
        half for n in (128, 10_000) for half in np.split(embedder(lite, numbers=n).embed([plane()])[0], 2, axis=1)
    ]
    few, many = ([np.linalg.norm(half[0] - half[1:], axis=1) for half in pair] for pair in (halves[:2], halves[2:]))
    assert [half.shape[1] for half in halves] == [256, 256, 512, 512]
    assert np.abs(np.array(few) / np.array(many) - 1).max() < 0.25


@pytest.mark.usefixtures("eager")
def test_the_token_of_a_whole_image_is_the_mean_of_its_feature_maps(lite: Backbone) -> None:
    image = np.random.default_rng(1).uniform(0, 1, (64, 96)).astype(np.float32)
    made = FocalPlaneEmbedder(lite, [[0, 0, 96, 64]], image.shape, size=96, depths=(3, 7), mirrors=False, numbers=320)
    mean, std = (torch.tensor(v)[:, None, None] for v in (lite.mean, lite.std))
    with torch.no_grad():
        maps = lite.model.feature_maps((torch.from_numpy(image) - mean)[None] / std, (3, 7))
    expected = torch.cat([m.mean((2, 3))[0] for m in maps]).numpy()
    plain, _ = np.split(made.embed([image])[0, 0], 2)
    assert len(plain) == 40 + 320
    assert np.allclose(plain, expected, atol=1e-4)


@pytest.mark.usefixtures("eager")
@pytest.mark.parametrize("name", ["lite", "tiny"])
def test_a_flaw_moves_the_token_of_its_ccd_most(name, request) -> None:
    made = embedder(request.getfixturevalue(name), size=256)
    image = plane()
    flawed = image.copy()
    flawed[10:40, 10:40] += 0.5
    before, after = made.embed([image, flawed])
    assert np.linalg.norm(after - before, axis=1).argmax() == LEFT


@pytest.mark.usefixtures("eager")
@pytest.mark.parametrize("value", [0.9, np.inf])
def test_a_missing_ccd_has_no_token(lite: Backbone, value: float) -> None:
    made = embedder(lite)
    masked = hide(plane(), MIDDLE)
    tokens = made.embed([masked])[0]
    assert np.isnan(tokens[MIDDLE]).all()
    assert np.isfinite(np.delete(tokens, MIDDLE, axis=0)).all()
    if np.isinf(value):
        other = np.where(np.isnan(masked), np.inf, masked)
        assert np.array_equal(made.embed([other])[0], tokens, equal_nan=True)


@pytest.mark.usefixtures("eager")
def test_cells_of_a_map_count_by_the_share_of_them_that_is_visible() -> None:
    class Columns(torch.nn.Module):
        """The number of the column is the only feature of a map of 1 x 4 cells."""

        n_depths = 1

        def __init__(self) -> None:
            super().__init__()
            self.weight = torch.nn.Parameter(torch.zeros(1))

        def feature_maps(self, x: torch.Tensor, depths: tuple[int, ...]) -> list[torch.Tensor]:
            return [torch.arange(4.0).expand(len(x), 1, 1, 4)]

        def map_shapes(self, rows: int, columns: int, depths: tuple[int, ...]) -> list[tuple[int, int, int]]:
            return [(1, 1, 4)]

    one = torch.device("cpu")
    backbone = Backbone("columns", "0", 1, 8, (0.5,) * 3, (0.5,) * 3, "float32", Columns(), None, one)
    image = np.zeros((8, 32))
    image[:, 16:24] = np.nan  # cell 2
    boxes = [[0, 0, 12, 8], [8, 0, 32, 8], [16, 0, 24, 8]]
    made = FocalPlaneEmbedder(backbone, boxes, image.shape, size=32, depths=(1,), mirrors=False)
    own = made.embed([image])[0][:, 0]
    edge = made.renderer(image).planes[-1][0]  # resizing by 1 leaves the mask as it is
    assert edge.reshape(4, 8).mean(axis=1).tolist() == [1, 1, 0, 1]
    assert own[:2].tolist() == pytest.approx([(0 * 8 + 1 * 4) / 12, (1 + 3) / 2])
    assert np.isnan(own[2])


@pytest.mark.usefixtures("eager")
def test_a_plane_without_a_visible_pixel_has_no_tokens_and_leaves_its_batch_unchanged(lite: Backbone) -> None:
    made = embedder(lite)
    empty = np.full(SHAPE, np.nan)
    none, some = made.embed([empty, plane()])
    assert np.isnan(none).all()
    assert np.array_equal(some, made.embed([plane()])[0])
    assert made.embed([]).shape == (0, len(BOXES), made.dim)


@pytest.mark.usefixtures("eager")
def test_a_plane_of_one_visible_ccd_has_its_token(lite: Backbone) -> None:
    image = plane()
    for ccd in range(1, len(BOXES)):
        image = hide(image, ccd)
    (found,) = embedder(lite).embed([image])
    assert np.isfinite(found).all(axis=1).tolist() == [True] + [False] * 5


@pytest.mark.usefixtures("eager")
def test_with_mirrors_a_plane_turned_by_180_degrees_has_the_tokens_of_the_turned_ccds(lite: Backbone) -> None:
    image = np.random.default_rng(0).normal(0.3, 0.05, SHAPE).astype(np.float32)
    image[10:30, 50:70] = 0.9
    boxes = [[0, 0, 64, 48], [64, 0, 128, 48], [0, 48, 64, 96], [64, 48, 128, 96]]
    made = FocalPlaneEmbedder(lite, boxes, SHAPE, size=128)
    a, b = made.embed([image, image[::-1, ::-1]])
    assert np.abs(a).max() > 1
    assert np.allclose(a[::-1], b, atol=1e-3)
    assert not np.allclose(a, b, atol=0.1)


def test_openvino_gives_the_tokens_of_pytorch(lite: Backbone, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("openvino")
    images = [plane(), hide(plane(1), MIDDLE)]
    found = embedder(lite, depths=(7,), mirrors=False).embed(images)
    monkeypatch.setattr(backbones, "make_engine", lambda model, device, *_: TorchEngine(model, device, "float32"))
    expected = embedder(lite, depths=(7,), mirrors=False).embed(images)
    for ours, theirs in zip(found, expected, strict=True):
        assert np.allclose(ours, theirs, atol=1e-3, equal_nan=True)


@pytest.mark.usefixtures("eager")
def test_the_recipe_names_version_size_depths_and_mirrors(lite: Backbone, tiny: Backbone) -> None:
    assert embedder(lite).recipe_id == "focal_plane-2-96x128-depths6.7-128-mirrors"
    assert embedder(lite, depths=(2, 5), mirrors=False).recipe_id == "focal_plane-2-96x128-depths2.5-128-plain"
    assert embedder(lite).backbone_id == lite.id
    other = embedder(tiny)
    assert (other.rows % 14, other.columns % 14, other.depths[-1]) == (0, 0, tiny.model.n_depths)


@pytest.mark.usefixtures("eager")
def test_wrong_boxes_depths_and_images_are_refused_with_what_is_allowed(lite: Backbone) -> None:
    for boxes, found in (([[0, 0, 0, 5]], r"\[0.0, 0.0, 0.0, 5.0\]"), ([[0, 0, 500, 5]], "500"), ([1, 2], r"\(2,\)")):
        with pytest.raises(InputError, match=f"boxes: .*{found}.* found"):
            FocalPlaneEmbedder(lite, boxes, SHAPE)
    with pytest.raises(InputError, match=r"depths: \(8,\) found; ascending numbers from 1 to 7"):
        embedder(lite, depths=(8,))
    with pytest.raises(InputError, match=r"image: shape \(3, 3\) found"):
        embedder(lite).embed([np.zeros((3, 3))])
