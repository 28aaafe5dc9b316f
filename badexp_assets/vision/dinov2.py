"""DINOv2 with registers (Oquab et al. 2023, arXiv:2304.07193; Darcet et al. 2023, arXiv:2309.16588).

The network is that of transformers; position embeddings are interpolated there as the official models with registers do
(bicubic, antialiased, no offset). Weights come under the official names of PyTorch Hub, or under those of Hugging Face.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from badexp_assets.errors import ModelError
from badexp_assets.vision.backbones import load_strictly, read_state_dict

_HEADS = {384: 6, 768: 12, 1024: 16}
_OFFICIAL = (
    (r"^cls_token$", "embeddings.cls_token"),
    (r"^mask_token$", "embeddings.mask_token"),
    (r"^register_tokens$", "embeddings.register_tokens"),
    (r"^pos_embed$", "embeddings.position_embeddings"),
    (r"^patch_embed\.proj\.", "embeddings.patch_embeddings.projection."),
    (r"^norm\.", "layernorm."),
    (r"^blocks\.(\d+)\.ls([12])\.gamma$", r"encoder.layer.\1.layer_scale\2.lambda1"),
    (r"^blocks\.(\d+)\.attn\.proj\.", r"encoder.layer.\1.attention.o_proj."),
    (r"^blocks\.(\d+)\.(norm[12]|mlp\.fc[12])\.", r"encoder.layer.\1.\2."),
)
_QKV = re.compile(r"^blocks\.(\d+)\.attn\.qkv\.(weight|bias)$")
# Names in the published Hugging Face files, which are older than those of the installed transformers.
_PUBLISHED = (
    (r"^dinov2_with_registers\.", ""),
    (r"\.attention\.attention\.query\.", ".attention.q_proj."),
    (r"\.attention\.attention\.key\.", ".attention.k_proj."),
    (r"\.attention\.attention\.value\.", ".attention.v_proj."),
    (r"\.attention\.output\.dense\.", ".attention.o_proj."),
)


class ClsToken(nn.Module):
    """DINOv2 that returns its normalised CLS token: (B, 3, H, W) to (B, dim); H and W multiples of the patch."""

    def __init__(self, network: nn.Module, dim: int) -> None:
        super().__init__()
        self.network = network
        self.dim = dim

    def forward(self, x: Tensor) -> Tensor:
        """Return the CLS token after the last layer norm."""
        return self.network(pixel_values=x).last_hidden_state[:, 0]


def load_dinov2(weights: str | Path) -> tuple[ClsToken, int]:
    """Return the network for `weights` (a `.pth` file, a folder, or a Hugging Face id) and its patch size in px.

    Raises ModelError with the reason when they can't be found, read, or are not those of a DINOv2 with registers.
    """
    path = Path(weights)
    if path.is_dir():
        state = _published(_read_folder(path), path)
    elif path.is_file() or path.suffix in (".pth", ".pt"):
        state = _official(read_state_dict(path), path)
    else:
        state = _published(_read_folder(_fetch(str(weights))), weights)
    return _build(state, weights)


def _fetch(spec: str) -> Path:
    """Return the folder of a Hugging Face id in the local cache, downloading what is not there."""
    from huggingface_hub import snapshot_download

    name, _, revision = spec.partition("@")
    files = ["config.json", "model.safetensors"]
    try:
        for offline in (True, False):
            try:
                found = Path(
                    snapshot_download(name, revision=revision or None, allow_patterns=files, local_files_only=offline)
                )
            except Exception:
                if not offline:
                    raise
                continue
            if (found / files[1]).is_file():
                return found
    except Exception as error:  # the hub raises many kinds: no network, no such id, no permission
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ModelError(
            f"weights {spec}: neither in the local Hugging Face cache nor to be downloaded ({reason}); "
            "give a folder or the official .pth file as weights"
        ) from error
    raise ModelError(f"weights {spec}: it holds no {files[1]}")


def _read_folder(folder: Path) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    path = folder / "model.safetensors"
    if not path.is_file():
        raise ModelError(f"{folder}: no model.safetensors in it")
    try:
        return load_file(path)
    except (SafetensorError, OSError, ValueError) as error:
        raise ModelError(f"{path}: not a readable weights file, or a truncated one ({error})") from error


def _official(state: dict[str, Tensor], source: str | Path) -> dict[str, Tensor]:
    """Rename the tensors of an official checkpoint; the joint query-key-value matrix is split in its three parts."""
    found: dict[str, Tensor] = {}
    for name, value in state.items():
        joint = _QKV.match(name)
        if joint:
            if value.shape[0] % 3:
                raise ModelError(f"{source}: {name} has {value.shape[0]} rows; a multiple of 3 is needed")
            for part, piece in zip("qkv", value.chunk(3), strict=True):
                found[f"encoder.layer.{joint[1]}.attention.{part}_proj.{joint[2]}"] = piece.contiguous()
            continue
        for pattern, replacement in _OFFICIAL:
            if re.search(pattern, name):
                found[re.sub(pattern, replacement, name)] = value
                break
        else:
            raise ModelError(f"{source}: tensor {name} is not one of a DINOv2 with registers")
    return found


def _published(state: dict[str, Tensor], source: str | Path) -> dict[str, Tensor]:
    found: dict[str, Tensor] = {}
    for name, value in state.items():
        for pattern, replacement in _PUBLISHED:
            name = re.sub(pattern, replacement, name)
        found[name] = value.float()
        if not torch.isfinite(found[name]).all():
            raise ModelError(f"{source}: tensor {name} has non-finite values")
    return found


def _build(state: dict[str, Tensor], source: str | Path) -> tuple[ClsToken, int]:
    from transformers import Dinov2WithRegistersConfig, Dinov2WithRegistersModel

    need = ("embeddings.position_embeddings", "embeddings.register_tokens", "encoder.layer.0.mlp.fc1.weight")
    for name in (*need, "embeddings.patch_embeddings.projection.weight"):
        if name not in state:
            raise ModelError(f"{source}: no tensor {name}; a DINOv2 with registers (not ViT-g) is needed")
    dim, _, patch, _ = state["embeddings.patch_embeddings.projection.weight"].shape
    positions = state["embeddings.position_embeddings"].shape[1] - 1
    side = round(positions**0.5)
    if side * side != positions:
        raise ModelError(f"{source}: {positions} position embeddings; the square of a whole number is needed")
    layers = 1 + max(int(m[1]) for m in (re.match(r"encoder\.layer\.(\d+)\.", k) for k in state) if m)
    sizes: dict[str, Any] = {
        "hidden_size": dim,
        "num_hidden_layers": layers,
        "num_attention_heads": _heads(dim, source),
        "mlp_ratio": state["encoder.layer.0.mlp.fc1.weight"].shape[0] // dim,
        "image_size": side * patch,
        "patch_size": patch,
        "num_register_tokens": state["embeddings.register_tokens"].shape[1],
    }
    network = Dinov2WithRegistersModel(Dinov2WithRegistersConfig(**sizes))
    load_strictly(network, state, source)
    return ClsToken(network, dim), patch


def _heads(dim: int, source: str | Path) -> int:
    """Return the number of attention heads, which weights don't tell: 64 dimensions each, 16 in small test models."""
    if dim in _HEADS:
        return _HEADS[dim]
    for size in (64, 16):
        if dim % size == 0:
            return dim // size
    raise ModelError(f"{source}: {dim} dimensions can't be divided into attention heads of 64 or 16")
