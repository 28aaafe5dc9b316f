"""Every way to run a network gives the vectors of the plain module."""

import importlib.util
import subprocess
import sys
import threading
import warnings
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from badexp_assets.errors import InputError
from badexp_assets.vision.backbones import lite_weights, load_backbone
from badexp_assets.vision.efficientnet import EfficientNetLite0
from badexp_assets.vision.engines import TorchEngine, choose_precision, find_devices
from badexp_assets.vision.weight_files import read_tensors
from badexp_assets_tests.vision.official import cls_token, random_state

CPU, GPU = torch.device("cpu"), torch.device("cuda")


@pytest.fixture(scope="module")
def official(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "random.pth"
    torch.save(random_state(3), path)
    return path


@pytest.fixture(scope="module")
def plain_lite() -> EfficientNetLite0:
    model = EfficientNetLite0()
    model.load_state_dict(read_tensors(lite_weights()))
    return model.eval()


def images(n: int, rows: int, columns: int) -> Tensor:
    return torch.randn(n, 3, rows, columns, generator=torch.Generator().manual_seed(rows + columns))


def difference(a: Tensor, b: Tensor) -> float:
    """Largest distance of two vectors in units of their length."""
    return float(((a - b).norm(dim=1) / b.norm(dim=1)).max())


@pytest.fixture(params=["openvino", "eager"])
def without_or_with_openvino(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "eager":
        monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)


@pytest.mark.usefixtures("without_or_with_openvino")
@pytest.mark.parametrize("size", [(518, 518), (168, 84), (84, 168), (14, 14), (588, 294), (28, 700)])
def test_dinov2_returns_what_its_equations_say_at_any_size(official: Path, size: tuple[int, int]) -> None:
    backbone = load_backbone("dinov2_vitb14_reg", official)
    expected = cls_token(read_tensors(official), images(2, *size))
    assert (backbone.embed(images(2, *size)) - expected).abs().max() <= 1e-5


def test_the_position_embeddings_of_one_size_are_not_used_for_another(official: Path) -> None:
    model = load_backbone("dinov2_vitb14_reg", official).model
    with torch.no_grad():
        for size in ((28, 56), (56, 28), (28, 56)):
            assert (model(images(1, *size)) - cls_token(read_tensors(official), images(1, *size))).abs().max() < 1e-5


@pytest.mark.slow
@pytest.mark.usefixtures("without_or_with_openvino")
@pytest.mark.parametrize("size", [(64, 96), (63, 33)])
def test_efficientnet_returns_what_the_plain_module_returns(
    plain_lite: EfficientNetLite0, size: tuple[int, int]
) -> None:
    with torch.no_grad():
        expected = plain_lite(images(3, *size))
    assert difference(load_backbone("efficientnet_lite0").embed(images(3, *size)), expected) <= 1e-5


@pytest.mark.slow
@pytest.mark.parametrize("device", ["cpu", "cpu,cpu"])
def test_a_vector_is_the_same_to_the_bit_whatever_its_batch(official: Path, device: str) -> None:
    for backbone, size in (
        (load_backbone("dinov2_vitb14_reg", official, device), (70, 42)),
        (load_backbone("efficientnet_lite0", device=device), (96, 64)),
    ):
        batch = images(5, *size)
        vectors = backbone.embed(batch)
        assert torch.equal(vectors, backbone.embed(batch))
        assert torch.equal(vectors.flip(0), backbone.embed(batch.flip(0)))
        assert torch.equal(vectors[3:4], backbone.embed(batch[3:4]))


@pytest.mark.usefixtures("without_or_with_openvino")
def test_bfloat16_is_within_a_hundredth_for_dinov2_and_stands_in_the_id(shared_data: Path) -> None:
    weights = shared_data / "dinov2_tiny" / "state_dict.pth"
    exact = load_backbone("dinov2_vitb14_reg", weights)
    try:
        rounded = load_backbone("dinov2_vitb14_reg", weights, precision="bfloat16")
    except InputError as error:
        pytest.skip(str(error))
    batch = images(2, 168, 84)
    assert 1e-5 < difference(rounded.embed(batch), exact.embed(batch)) <= 1e-2
    assert rounded.id == exact.id + "-bf16"


@pytest.mark.parametrize("name", ["dinov2_vitb14_reg", "efficientnet_lite0"])
def test_a_network_is_compiled_while_another_thread_changes_what_warnings_do(name: str, official: Path) -> None:
    backbone = load_backbone(name, official if name.startswith("dinov2") else None)
    ended = threading.Event()

    def change() -> None:  # as numba's compiler does
        while not ended.wait(0.001):
            with warnings.catch_warnings():
                ended.wait(0.01)

    other = threading.Thread(target=change)
    other.start()
    try:
        for rows in range(42, 98, 14):
            assert torch.isfinite(backbone.embed(images(1, rows, 98))).all()
    finally:
        ended.set()
        other.join()


@pytest.mark.usefixtures("without_or_with_openvino")
def test_an_image_with_a_pixel_that_is_not_finite_gives_a_vector_that_is_not(official: Path) -> None:
    for backbone in (load_backbone("efficientnet_lite0"), load_backbone("dinov2_vitb14_reg", official)):
        batch = images(3, 70, 70)
        batch[1, 0, 5, 5], batch[2, 2, 3, 3] = torch.nan, torch.inf
        assert torch.isfinite(backbone.embed(batch)).all(1).tolist() == [True, False, False]


@pytest.mark.slow
def test_a_process_heeds_signals_after_its_engines_have_gone() -> None:
    # with a core for each engine, this fails on processors with AMX, where OpenVINO replaces the stack of signals
    code = """
import signal
import torch
from torch import nn
from badexp_assets.vision.openvino_engine import OpenVinoEngine

signal.signal(signal.SIGINT, lambda *_: print("interrupted"))
large = nn.Sequential(nn.Flatten(), nn.Linear(3 * 96 * 96, 1000)).eval()  # none of its networks is kept
engines = [OpenVinoEngine(large, "float32", "large") for _ in range(3)]
for engine in engines:
    engine(torch.zeros(1, 3, 96, 96))
while engines:
    del engine, engines[0]  # the oldest first
    engine = None
    signal.raise_signal(signal.SIGINT)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.split()) == (0, ["interrupted"] * 3), done.stderr


def test_automatic_precision_is_bfloat16_for_dinov2_on_gpus_alone() -> None:
    assert choose_precision("auto", "dinov2", GPU) == "bfloat16"
    assert choose_precision("auto", "dinov2", CPU) == "float32"
    assert choose_precision("auto", "efficientnet", GPU) == "float32"
    assert choose_precision("float32", "dinov2", GPU) == "float32"
    with pytest.raises(InputError, match="precision 'half' found; auto, float32, bfloat16 allowed"):
        choose_precision("half", "dinov2", CPU)


def test_devices_are_found_by_name() -> None:
    assert find_devices("cpu, cpu") == [CPU, CPU]
    assert find_devices("auto")[0].type in ("cpu", "cuda")
    with pytest.raises(InputError, match="device 'cpu,toaster'"):
        find_devices("cpu,toaster")


def test_gpus_that_this_process_sees_are_found_without_touching_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    both = [torch.device("cuda", 0), torch.device("cuda", 1)]
    assert find_devices("auto") == find_devices("cuda:0,cuda:1") == both
    assert find_devices("cuda") == both[:1]
    with pytest.raises(InputError, match="there is no cuda:2; this process sees 2 GPUs"):
        find_devices("cuda:1,cuda:2")


def test_weights_stored_in_bfloat16_give_the_vectors_of_autocast_to_the_bit(
    official: Path, plain_lite: EfficientNetLite0
) -> None:
    for model, size in ((load_backbone("dinov2_vitb14_reg", official).model, (42, 28)), (plain_lite, (64, 32))):
        batch = images(2, *size)
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
            expected = model(batch).float()
        engine = TorchEngine(model, CPU, "bfloat16")
        assert torch.equal(torch.cat([engine(batch[:1]), engine(batch[1:])]), expected)
        assert next(model.parameters()).dtype == torch.float32  # it is the model of other engines, too


class _SmallMemory(nn.Module):
    """Sums of images, for at most `most` at a time."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self.most, self.seen = most, []

    def forward(self, x: Tensor) -> Tensor:
        self.seen.append(len(x))
        if len(x) > self.most:
            raise torch.OutOfMemoryError("no memory")
        return x.sum((2, 3))


def test_a_batch_that_does_not_fit_into_memory_goes_in_halves_from_then_on() -> None:
    model = _SmallMemory(3)
    engine = TorchEngine(model, CPU, "float32")
    batch = images(10, 8, 8)
    for _ in range(2):
        torch.testing.assert_close(engine(batch), batch.sum((2, 3)))
    assert model.seen == [10, 5, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2]
    with pytest.raises(torch.OutOfMemoryError):
        TorchEngine(_SmallMemory(0), CPU, "float32")(batch)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_a_gpu_gives_the_vectors_of_the_cpu(official: Path) -> None:
    batch = images(5, 168, 84)
    exact = load_backbone("dinov2_vitb14_reg", official).embed(batch)
    for precision, allowed in (("float32", 1e-4), ("bfloat16", 1e-2)):
        found = load_backbone("dinov2_vitb14_reg", official, "cuda", precision).embed(batch)
        assert difference(found, exact) <= allowed
