"""Running a network on a device: through OpenVINO on processors, through PyTorch elsewhere."""

from __future__ import annotations

import copy
import importlib.util
import threading
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from badexp_assets.errors import InputError

PRECISIONS = ("auto", "float32", "bfloat16")
# Pixels that eager PyTorch processes at once on a processor: activations of larger batches do not fit into the caches,
# and their memory is mapped again for every layer.
_CPU_PIXELS = 512 * 256


Expand = Callable[[Tensor], Tensor]
"""makes (B, 3, H, W) of the images (B, ...) that are given to an engine, on its device"""


class Engine(Protocol):
    """Turns B float32 images into float32 vectors (B, dim), or (B, dim, rows, columns) of patches.

    `expand` makes (B, 3, H, W) of (B, ...) images, which have this shape without it. Input and output are on the CPU.
    Several threads may call it at once.
    """

    def __call__(self, images: Sequence[Tensor], expand: Expand | None = None) -> Tensor:
        """Return the vectors, in the order of the images."""


def find_devices(device: str) -> list[torch.device]:
    """Return the devices that `device` names: "auto" (all GPUs, else the CPU), or PyTorch's names separated by commas.

    "cuda:0,cuda:1" are two GPUs, "cuda" is the first. Only GPUs that are visible to this process are found
    (CUDA_VISIBLE_DEVICES, which Slurm sets), without using their memory. Raises InputError for a device that can't be
    used.
    """
    n_gpus = torch.cuda.device_count()
    if device == "auto":
        return [torch.device("cuda", i) for i in range(n_gpus)] or [torch.device("cpu")]
    found = []
    for name in device.split(","):
        try:
            one = torch.device(name.strip())
            if one.type != "cuda":
                torch.empty(0, device=one)
        except (RuntimeError, AssertionError) as error:
            raise InputError(f"device {device!r} can't be used: {str(error).splitlines()[0]}") from error
        if one.type == "cuda":
            one = torch.device("cuda", one.index or 0)
            if one.index >= n_gpus:
                raise InputError(f"device {device!r} can't be used: there is no {one}; this process sees {n_gpus} GPUs")
        found.append(one)
    return found


def choose_precision(precision: str, family: str, device: torch.device) -> str:
    """Return "float32" or "bfloat16" for `precision` (one of PRECISIONS); "auto" is bfloat16 for DINOv2 on a GPU only.

    EfficientNet stays float32: in bfloat16 its vectors move by 2 %, those of DINOv2 by less than 1 %.
    Raises InputError for another name.
    """
    if precision not in PRECISIONS:
        raise InputError(f"precision {precision!r} found; {', '.join(PRECISIONS)} allowed")
    if precision == "auto":
        return "bfloat16" if family == "dinov2" and device.type == "cuda" else "float32"
    return precision


def make_engine(model: nn.Module, device: torch.device, precision: str, identity: str) -> Engine:
    """Return an engine that runs `model` (in evaluation mode, on the CPU) on `device`.

    `identity` must depend on architecture and weights: models of the same identity share a compiled network.
    """
    if device.type == "cpu" and importlib.util.find_spec("openvino"):
        from badexp_assets.vision.openvino_engine import OpenVinoEngine

        return OpenVinoEngine(model, precision, identity)
    return TorchEngine(model if device.type == "cpu" else copy.deepcopy(model), device, precision)


class TorchEngine:
    """Eager PyTorch on one device.

    bfloat16 is autocast: products in bfloat16, residual sums and norms in float32; the weights of products are stored
    in bfloat16, which changes no bit and saves converting them for each batch. A GPU runs a whole batch at once; if
    its memory does not suffice, the batch is halved, and the number that fitted is remembered. While a GPU works on the
    batch of one thread, another thread can copy and queue the next. `patches`: run the model's method `patches` instead
    of `forward`.
    """

    def __init__(self, model: nn.Module, device: torch.device, precision: str, patches: bool = False) -> None:
        if precision == "bfloat16":
            model = copy.deepcopy(model)
            for module in model.modules():
                if isinstance(module, nn.Linear | nn.Conv2d):
                    module.to(torch.bfloat16)
        self.model = model.to(device)
        self._run_model: Any = self.model.patches if patches else self.model
        self.device = device
        self._half = precision == "bfloat16"
        self._most: dict[torch.Size, int] = {}  # by rows and columns
        self._queueing = threading.Lock()  # batches of two threads must not alternate on the GPU

    def __call__(self, images: Sequence[Tensor], expand: Expand | None = None) -> Tensor:
        """Return float32 vectors on the CPU. Raises PyTorch's OutOfMemoryError if a single image does not fit."""
        if self.device.type == "cpu":
            return self._in_pieces(torch.stack(tuple(images)), expand)
        with torch.cuda.device(self.device):  # of this thread, for which memory is pinned; else it is the first GPU
            # from and to pinned memory, so that copies don't wait for the network
            batch = torch.empty((len(images), *images[0].shape), pin_memory=True)
            torch.stack(tuple(images), out=batch)
            with self._queueing:
                on_device = self._in_pieces(batch, expand)
                vectors = torch.empty(on_device.shape, pin_memory=True).copy_(on_device, non_blocking=True)
                copied = torch.cuda.Event()
                copied.record()
            copied.synchronize()
        return vectors

    def _in_pieces(self, images: Tensor, expand: Expand | None) -> Tensor:
        """Run the network on as many images at once as fit, and return the vectors on its device."""
        vectors: list[Tensor] = []
        done = 0
        while done < len(images):
            piece = images[done : done + self._together(images)]
            try:
                vectors.append(self._run(piece, expand))
            except torch.OutOfMemoryError:
                if len(piece) == 1:
                    raise
                self._most[images.shape[-2:]] = len(piece) // 2
                if self.device.type == "cuda":
                    torch.cuda.empty_cache()
                continue
            done += len(piece)
        return torch.cat(vectors)

    def _together(self, images: Tensor) -> int:
        rows, columns = images.shape[-2:]
        usual = max(1, _CPU_PIXELS // (rows * columns)) if self.device.type == "cpu" else len(images)
        return self._most.get(images.shape[-2:], usual)

    def _run(self, piece: Tensor, expand: Expand | None) -> Tensor:
        piece = piece.to(self.device, non_blocking=True)
        with torch.no_grad():
            piece = (expand(piece) if expand else piece).contiguous(memory_format=torch.channels_last)
            with torch.autocast(self.device.type, torch.bfloat16, enabled=self._half):
                return self._run_model(piece).float()
