"""Backbones: our engines beside the plain PyTorch module, one image at a time, on the same images."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from badexp_assets.errors import InputError
from badexp_assets.vision.backbones import BACKBONES, lite_weights, load_backbone
from badexp_assets.vision.efficientnet import EfficientNetLite0
from badexp_assets.vision.engines import find_devices
from badexp_assets.vision.state_dicts import SAFETENSORS, read_state_dict
from benchmarks.measure import BenchOptions, Record, compare

PAPER_IMAGES_PER_HOUR = 8647
"""of one A100, DINOv2 ViT-B/14 at 2352 x 1176 px, with reading and preprocessing (the ViT + kNN paper)"""
_LAYERS = {"dinov2_vits14_reg": 12, "dinov2_vitb14_reg": 12, "dinov2_vitl14_reg": 24}


def embedding(options: BenchOptions) -> Iterator[Record]:
    """Yield images/s of both networks; on GPUs also of the production network at the paper's image size."""
    device = find_devices(options.device)[0]
    size, count = ((64, 32), 2) if options.quick else ((512, 256), 16)
    plain = EfficientNetLite0()
    plain.load_state_dict(read_state_dict(lite_weights()))
    yield from _case(options, device, "efficientnet_lite0", None, plain, size, count)
    size, count = ((28, 14), 2) if options.quick else ((518, 518), 4)
    yield from _dinov2_case(options, device, "dinov2_vits14_reg", size, count)
    if device.type == "cuda" and not options.quick:
        yield from _paper_case(options, device)


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
    yield from _case(options, device, name, weights, _Cls(network), size, count)


def _paper_case(options: BenchOptions, device: torch.device) -> Iterator[Record]:
    name, size = "dinov2_vitb14_reg", (2352, 1176)
    limit = 3600 * _matrix_rate(device) / dinov2_operations(name, *size)
    for record in _dinov2_case(options, device, name, size, 8):
        hourly = f"{3600 * record.rate:.0f} images/hour; the paper's A100: {PAPER_IMAGES_PER_HOUR}"
        yield replace(record, note=f"{record.note}; {hourly}; limit of bfloat16 products alone: {limit:.0f}")


def random_dinov2(name: str, seed: int, small: bool = False) -> Any:
    """Return transformers' network of the backbone `name` with random weights; `small`: two narrow layers."""
    from transformers import Dinov2WithRegistersConfig, Dinov2WithRegistersModel

    dim = 48 if small else BACKBONES[name].dim
    torch.manual_seed(seed)
    network = Dinov2WithRegistersModel(
        Dinov2WithRegistersConfig(
            hidden_size=dim,
            num_hidden_layers=2 if small else _LAYERS[name],
            num_attention_heads=dim // (16 if small else 64),
            image_size=518,
            patch_size=14,
            num_register_tokens=4,
        )
    )
    return network.eval().requires_grad_(False)


def save_network(network: nn.Module, path: Path) -> None:
    """Write the tensors of a network as `.safetensors`."""
    from safetensors.torch import save_file

    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(dict(network.state_dict()), path)


def dinov2_operations(name: str, rows: int, columns: int) -> float:
    """Return the floating-point operations of one image: 24 N d^2 + 4 N^2 d a layer, N tokens of d dimensions."""
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


class _Cls(nn.Module):
    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = copy.deepcopy(network)

    def forward(self, x: Tensor) -> Tensor:
        return self.network(pixel_values=x).last_hidden_state[:, 0]


def _one_by_one(model: nn.Module, images: Tensor, device: torch.device) -> Tensor:
    with torch.no_grad():
        return torch.cat([model(images[i : i + 1].to(device)).cpu() for i in range(len(images))])


def _difference(vectors: Tensor, expected: Tensor) -> float:
    return float(((vectors - expected).norm(dim=1) / expected.norm(dim=1)).max())
