"""DINOv2 with registers (Oquab et al. 2023, arXiv:2304.07193; Darcet et al. 2023, arXiv:2309.16588).

The network is that of transformers; position embeddings are interpolated there as the official models with registers do
(bicubic, antialiased, no offset). Weights come under the official names of PyTorch Hub, or under those of Hugging Face.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from torch import Tensor, nn
from torch.nn import functional as F

from badexp_assets.errors import ModelError
from badexp_assets.vision.hugging_face_hub import hub_folder
from badexp_assets.vision.state_dicts import SAFETENSORS, load_strictly, read_tensors

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
    """DINOv2 that returns its normalised CLS token: (B, 3, H, W) to (B, dim); H and W multiples of the patch.

    Two things are left out that do not change it: the position embeddings of a size are interpolated once, and the last
    layer works on the CLS token alone, since nothing looks at its other outputs.
    """

    def __init__(self, network: nn.Module, dim: int) -> None:
        super().__init__()
        self.network = network
        self.dim = dim
        self._positions: tuple[Any, Tensor] | None = None  # of the latest size and device
        embeddings: Any = network.embeddings
        self._interpolate = type(embeddings).interpolate_pos_encoding
        embeddings.interpolate_pos_encoding = self._position_embeddings

    def forward(self, x: Tensor) -> Tensor:
        """Return the CLS token after the last layer norm."""
        network: Any = self.network
        tokens = network.embeddings(x)
        *layers, last = network.encoder.layer
        for layer in layers:
            tokens = layer(tokens)
        return network.layernorm(_cls_of_layer(last, tokens))[:, 0]

    def patches(self, x: Tensor) -> Tensor:
        """Return the patch tokens after the last layer norm: (B, dim, H / patch, W / patch)."""
        network: Any = self.network
        tokens = network.embeddings(x)
        for layer in network.encoder.layer:
            tokens = layer(tokens)
        before = 1 + network.config.num_register_tokens  # CLS and register tokens come first
        size = network.config.patch_size
        grid = (x.shape[2] // size, x.shape[3] // size)
        return network.layernorm(tokens)[:, before:].transpose(1, 2).unflatten(2, grid)

    def _position_embeddings(self, tokens: Tensor, rows: int, columns: int) -> Tensor:
        size = (int(rows), int(columns), tokens.device)
        if self._positions is None or self._positions[0] != size:
            self._positions = (size, self._interpolate(self.network.embeddings, tokens, rows, columns))
        return self._positions[1]


def _cls_of_layer(layer: Any, tokens: Tensor) -> Tensor:
    """Return what a layer makes of the first of its tokens: (B, N, dim) to (B, 1, dim)."""
    attention = layer.attention
    normed = layer.norm1(tokens)
    query, key, value = (
        project(part).unflatten(-1, (attention.num_attention_heads, -1)).transpose(1, 2)
        for project, part in (
            (attention.q_proj, normed[:, :1]),
            (attention.k_proj, normed),
            (attention.v_proj, normed),
        )
    )
    seen = F.scaled_dot_product_attention(query, key, value).transpose(1, 2).flatten(2)
    first = tokens[:, :1] + layer.layer_scale1(attention.o_proj(seen))
    return first + layer.layer_scale2(layer.mlp(layer.norm2(first)))


def load_dinov2(weights: str | Path) -> tuple[ClsToken, int]:
    """Return the network for `weights` (a file, a folder, or a Hugging Face id) and its patch size in px.

    Raises ModelError with the reason when they can't be found, read, or are not those of a DINOv2 with registers.
    """
    path = Path(weights)
    if not (path.exists() or path.suffix in (".pth", ".pt", ".safetensors")):
        path = hub_folder(str(weights))
    if path.is_dir():
        path = path / SAFETENSORS
    state = read_tensors(path)
    state = _published(state) if path.suffix == ".safetensors" else _official(state, path)
    return _build(state, weights)


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


def _published(state: dict[str, Tensor]) -> dict[str, Tensor]:
    found: dict[str, Tensor] = {}
    for name, value in state.items():
        for pattern, replacement in _PUBLISHED:
            name = re.sub(pattern, replacement, name)
        found[name] = value.float()
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
