"""Benchmark of backbones: our engines and the plain PyTorch module, one image at a time, on the same images.

Luo et al. 2025 (arXiv:2507.12784) give the speed of the production network on an A100.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn

from badexp_assets.errors import InputError
from badexp_assets.vision.backbones import BACKBONES, lite_weights, load_backbone
from badexp_assets.vision.dinov2 import DinoV2, hugging_face_names
from badexp_assets.vision.efficientnet import EfficientNetLite0
from badexp_assets.vision.engines import find_devices
from badexp_assets.vision.weight_files import SAFETENSORS, read_tensors
from benchmarks.measure import BenchOptions, Record, compare

LUO2025_IMAGES_PER_HOUR = 8647  # on one A100, DINOv2 ViT-B/14 at 2352 x 1176 px, with reading and preprocessing
_LAYERS = {"dinov2_vits14_reg": 12, "dinov2_vitb14_reg": 12, "dinov2_vitl14_reg": 24}


def bench_embedding(options: BenchOptions) -> Iterator[Record]:
    """Yield images/s of both networks; on GPUs also of the production network at the image size of Luo et al."""
    device = find_devices(options.device)[0]
    size, count = ((64, 32), 2) if options.quick else ((512, 256), 16)
    plain = EfficientNetLite0()
    plain.load_state_dict(read_tensors(lite_weights()))
    yield from _case(options, device, "efficientnet_lite0", None, plain, size, count)
    size, count = ((28, 14), 2) if options.quick else ((518, 518), 4)
    yield from _dinov2_case(options, device, "dinov2_vits14_reg", size, count)
    if device.type == "cuda" and not options.quick:
        yield from _luo2025_case(options, device)


def _case(
    options: BenchOptions,
    device: torch.device,
    name: str,
    weights: Path | None,
    plain: nn.Module,
    size: tuple[int, int],
    count: int,
) -> Iterator[Record]:
    images = torch.randn(count, 3, *size, generator=torch.Generator().manual_seed(options.seed))
    plain = plain.eval().to(device)
    variants: dict[str, Callable[[], Tensor]] = {"plain PyTorch, float32": lambda: _one_by_one(plain, images, device)}
    for precision in ("float32", "bfloat16"):
        try:
            backbone = load_backbone(name, weights, options.device, precision)
        except InputError:  # a processor without bfloat16
            continue
        variants[f"ours, {precision}"] = partial(backbone.embed, images)
    first, *others = variants
    expected = variants[first]()
    notes = {first: "one image at a time"}
    for variant in others:
        notes[variant] = f"vectors differ by {_difference(variants[variant](), expected):.1e} of their length"
    case = f"{name} {size[0]}x{size[1]}"
    for record in compare("embedding", case, count, "images", variants, options.repeats):
        yield replace(record, note=notes[record.variant])


def _dinov2_case(
    options: BenchOptions, device: torch.device, name: str, size: tuple[int, int], count: int
) -> Iterator[Record]:
    network = random_dinov2(name, options.seed, small=options.quick)
    weights = options.folder / name / SAFETENSORS
    save_network(network, weights)
    yield from _case(options, device, name, weights, network, size, count)


def _luo2025_case(options: BenchOptions, device: torch.device) -> Iterator[Record]:
    name, size = "dinov2_vitb14_reg", (2352, 1176)
    limit = 3600 * _matrix_rate(device) / dinov2_operations(name, *size)
    for record in _dinov2_case(options, device, name, size, 8):
        hourly = f"{3600 * record.rate:.0f} images/hour; Luo et al. on an A100: {LUO2025_IMAGES_PER_HOUR}"
        yield replace(record, note=f"{record.note}; {hourly}; limit by bfloat16 matrix products: {limit:.0f}")


def random_dinov2(name: str, seed: int, small: bool = False) -> DinoV2:
    """Return the network of the backbone `name` with random weights; `small`: two narrow layers."""
    dim = 48 if small else BACKBONES[name].dim
    torch.manual_seed(seed)
    network = DinoV2(dim, 2 if small else _LAYERS[name], 4 * dim)
    return network.eval().requires_grad_(False)


def save_network(network: DinoV2, path: Path) -> None:
    """Write the tensors of a network as `.safetensors`, under the names of Hugging Face."""
    from safetensors.torch import save_file

    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(hugging_face_names(network.state_dict()), path)


def dinov2_operations(name: str, rows: int, columns: int) -> float:
    """Return the floating-point operations of one image: 24 N d^2 + 4 N^2 d per layer, N tokens of d dimensions."""
    dim = BACKBONES[name].dim
    tokens = (rows // 14) * (columns // 14) + 5
    return _LAYERS[name] * (24 * tokens * dim**2 + 4 * tokens**2 * dim)


def _matrix_rate(device: torch.device, side: int = 8192) -> float:
    """Return the operations/s of a large product of bfloat16 matrices."""
    a = torch.randn(side, side, device=device, dtype=torch.bfloat16)
    start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    for _ in range(3):
        a @ a
    start.record()
    for _ in range(10):
        a @ a
    end.record()
    torch.cuda.synchronize(device)
    return 10 * 2 * side**3 / (start.elapsed_time(end) / 1000)


def _one_by_one(model: nn.Module, images: Tensor, device: torch.device) -> Tensor:
    with torch.no_grad():
        return torch.cat([model(images[i : i + 1].to(device)).cpu() for i in range(len(images))])


def _difference(vectors: Tensor, expected: Tensor) -> float:
    return float(((vectors - expected).norm(dim=1) / expected.norm(dim=1)).max())
