"""DINOv2 with registers (Oquab et al. 2023, arXiv:2304.07193; Darcet et al. 2023, arXiv:2309.16588) in plain PyTorch.

Attribute names are the tensor names of the official checkpoints on PyTorch Hub, so loading is strict. Checkpoints from
Hugging Face, which use other names, are renamed when they are read.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from badexp_assets.errors import ModelError
from badexp_assets.vision.weight_files import find_weights, load_strictly, read_tensors, weights_hash

# Parts of tensor names: official, and in checkpoints written by transformers 5.
_HUGGING_FACE = (
    ("blocks.", "encoder.layer."),
    ("cls_token", "embeddings.cls_token"),
    ("mask_token", "embeddings.mask_token"),
    ("register_tokens", "embeddings.register_tokens"),
    ("pos_embed", "embeddings.position_embeddings"),
    ("patch_embed.proj.", "embeddings.patch_embeddings.projection."),
    (".attn.q.", ".attention.q_proj."),
    (".attn.k.", ".attention.k_proj."),
    (".attn.v.", ".attention.v_proj."),
    (".attn.proj.", ".attention.o_proj."),
    (".ls1.gamma", ".layer_scale1.lambda1"),
    (".ls2.gamma", ".layer_scale2.lambda1"),
    ("norm.", "layernorm."),
)
# Parts of names in Meta's published Hugging Face files, which are older, and in those written by transformers 5.
_PUBLISHED = (
    ("dinov2_with_registers.", ""),
    (".attention.attention.query.", ".attention.q_proj."),
    (".attention.attention.key.", ".attention.k_proj."),
    (".attention.attention.value.", ".attention.v_proj."),
    (".attention.output.dense.", ".attention.o_proj."),
)


class _Attention(nn.Module):
    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(dim, 3 * dim)
        self.proj = nn.Linear(dim, dim)

    def forward(self, x: Tensor, first: int | None) -> Tensor:
        dim, weight, bias = x.shape[-1], self.qkv.weight, self.qkv.bias
        query = F.linear(x[:, :first], weight[:dim], bias[:dim])
        key, value = F.linear(x, weight[dim:], bias[dim:]).chunk(2, -1)
        split = [part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in (query, key, value)]
        return self.proj(F.scaled_dot_product_attention(*split).transpose(1, 2).flatten(2))


class _LayerScale(nn.Module):
    def __init__(self, dim: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(dim))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.gamma


class _Block(nn.Module):
    def __init__(self, dim: int, heads: int, mlp_dim: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(dim, eps=1e-6)
        self.attn = _Attention(dim, heads)
        self.ls1 = _LayerScale(dim)
        self.norm2 = nn.LayerNorm(dim, eps=1e-6)
        self.mlp = nn.Sequential(OrderedDict(fc1=nn.Linear(dim, mlp_dim), act=nn.GELU(), fc2=nn.Linear(mlp_dim, dim)))
        self.ls2 = _LayerScale(dim)

    def forward(self, x: Tensor, first: int | None = None) -> Tensor:
        """Return the first `first` output tokens (None: all) of the tokens (B, N, dim)."""
        x = x[:, :first] + self.ls1(self.attn(self.norm1(x), first))
        return x + self.ls2(self.mlp(self.norm2(x)))


class DinoV2(nn.Module):
    """Vision transformer with `registers` register tokens, trained on images of `side` x `side` patches of `patch` px.

    Meant for inference only (eval mode, no gradients).
    """

    def __init__(
        self, dim: int, layers: int, mlp_dim: int, patch: int = 14, side: int = 37, registers: int = 4
    ) -> None:
        super().__init__()
        self.dim, self.patch, self.side = dim, patch, side
        self.cls_token = nn.Parameter(torch.zeros(1, 1, dim))
        self.mask_token = nn.Parameter(torch.zeros(1, dim))  # used in training only
        self.register_tokens = nn.Parameter(torch.zeros(1, registers, dim))
        self.pos_embed = nn.Parameter(torch.zeros(1, 1 + side * side, dim))
        self.patch_embed = nn.Sequential(OrderedDict(proj=nn.Conv2d(3, dim, patch, patch)))
        heads = dim // (64 if dim % 64 == 0 else 16)  # 64 dimensions each in all published models, 16 in test models
        self.blocks = nn.ModuleList(_Block(dim, heads, mlp_dim) for _ in range(layers))
        self.norm = nn.LayerNorm(dim, eps=1e-6)
        self._positions: tuple[tuple[int, int, torch.device], Tensor] | None = None  # for the latest grid and device

    def forward(self, x: Tensor) -> Tensor:
        """Return the normalised CLS token (B, dim) of images (B, 3, H, W); H and W are multiples of the patch.

        The last block is computed for the CLS token alone, because nothing depends on its other outputs.
        """
        tokens = self._embed(x)
        *blocks, last = self.blocks
        for block in blocks:
            tokens = block(tokens)
        return self.norm(last(tokens, 1))[:, 0]

    def patches(self, x: Tensor) -> Tensor:
        """Return the normalised patch tokens: (B, dim, H / patch, W / patch)."""
        return self.feature_maps(x, (self.n_depths,))[0]

    @property
    def n_depths(self) -> int:
        """Number of blocks."""
        return len(self.blocks)

    def feature_maps(self, x: Tensor, depths: tuple[int, ...]) -> list[Tensor]:
        """Return the normalised patch tokens after the blocks `depths` (from 1, ascending).

        (B, dim, H / patch, W / patch) each, as `get_intermediate_layers` of the official model returns them.
        """
        tokens = self._embed(x)
        before = 1 + self.register_tokens.shape[1]
        grid = (x.shape[2] // self.patch, x.shape[3] // self.patch)
        found = []
        for depth, block in enumerate(self.blocks[: max(depths)], start=1):
            tokens = block(tokens)
            if depth in depths:
                found.append(self.norm(tokens)[:, before:].transpose(1, 2).unflatten(2, grid))
        return found

    def map_shapes(self, rows: int, columns: int, depths: tuple[int, ...]) -> list[tuple[int, int, int]]:
        """Return channels, rows and columns of what `feature_maps` returns of images of `rows` x `columns` px."""
        return [(self.dim, rows // self.patch, columns // self.patch) for _ in depths]

    def _embed(self, x: Tensor) -> Tensor:
        """Return the tokens before the first block: CLS, registers (without positions), patches row by row."""
        rows, columns = x.shape[2] // self.patch, x.shape[3] // self.patch
        # the convolution as one product, which GPUs compute faster: (B, patches, 3 x patch x patch) times the weights
        split = x.unflatten(3, (columns, self.patch)).unflatten(2, (rows, self.patch))
        pixels = split.permute(0, 2, 4, 1, 3, 5).flatten(3).flatten(1, 2)
        patches = F.linear(pixels, self.patch_embed.proj.weight.flatten(1), self.patch_embed.proj.bias)
        positions = self._position_embeddings(rows, columns, x.device)
        cls_token = (self.cls_token + positions[:, :1]).expand(len(x), -1, -1)
        registers = self.register_tokens.expand(len(x), -1, -1)
        return torch.cat([cls_token, registers, patches + positions[:, 1:]], 1)

    def _position_embeddings(self, rows: int, columns: int, device: torch.device) -> Tensor:
        """Return the position embeddings of CLS and rows x columns patches: bicubic, antialiased, without offset."""
        if (rows, columns) == (self.side, self.side):
            return self.pos_embed
        if self._positions is None or self._positions[0] != (rows, columns, device):
            trained = self.pos_embed[:, 1:].unflatten(1, (self.side, self.side)).permute(0, 3, 1, 2)
            found = F.interpolate(trained, (rows, columns), mode="bicubic", antialias=True)
            found = torch.cat([self.pos_embed[:, :1], found.flatten(2).transpose(1, 2)], 1)
            self._positions = ((rows, columns, device), found)
        return self._positions[1]

    def weights_hash(self) -> str:
        """Return the hash of the weights that identifies stored embeddings.

        It is computed over the names that transformers 5 gave to the tensors, so embeddings that were computed with
        transformers stay valid.
        """
        return weights_hash({f"network.{name}": value for name, value in hugging_face_names(self.state_dict()).items()})


def load_dinov2(weights: str | Path) -> DinoV2:
    """Return the network for `weights`: a file, a folder, or a Hugging Face id.

    Raises ModelError with the reason when they can't be found or read, or are not those of a DINOv2 with registers.
    """
    path, _ = find_weights(weights)
    state = _official_names(read_tensors(path))
    for name in ("pos_embed", "register_tokens", "patch_embed.proj.weight", "blocks.0.mlp.fc1.weight"):
        if name not in state:
            raise ModelError(f"{path}: no tensor {name}; a DINOv2 with registers (not ViT-g) is needed")
    dim, _, patch, _ = state["patch_embed.proj.weight"].shape
    if dim % 16:
        raise ModelError(f"{path}: {dim} dimensions can't be divided into attention heads of 64 or 16")
    positions = state["pos_embed"].shape[1] - 1
    side = math.isqrt(positions)
    if side * side != positions:
        raise ModelError(f"{path}: {positions} position embeddings; the square of a whole number is needed")
    model = DinoV2(
        dim=dim,
        layers=len({name.split(".")[1] for name in state if name.startswith("blocks.")}),
        mlp_dim=state["blocks.0.mlp.fc1.weight"].shape[0],
        patch=patch,
        side=side,
        registers=state["register_tokens"].shape[1],
    )
    load_strictly(model, state, path)
    return model


def _official_names(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors of a checkpoint, official or from Hugging Face, under the official names and as float32."""
    found: dict[str, Tensor] = {}
    for name, value in state.items():
        for old, new in (*_PUBLISHED, *((theirs, official) for official, theirs in _HUGGING_FACE)):
            name = name.replace(old, new)
        found[name] = value.float()
    for name in [name for name in found if ".attn.q." in name]:
        parts = [name.replace(".attn.q.", f".attn.{letter}.") for letter in "qkv"]
        if all(part in found for part in parts):  # else strict loading names what is missing
            found[name.replace(".attn.q.", ".attn.qkv.")] = torch.cat([found.pop(part) for part in parts])
    return found


def hugging_face_names(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors of an official checkpoint under the names that transformers 5 gives them."""
    found: dict[str, Tensor] = {}
    for name, value in state.items():
        joint = ".attn.qkv." in name
        for letter, part in zip("qkv", value.chunk(3), strict=True) if joint else [("", value)]:
            part_name = name.replace(".attn.qkv.", f".attn.{letter}.")
            for official, theirs in _HUGGING_FACE:
                part_name = part_name.replace(official, theirs)
            found[part_name] = part.contiguous()
    return found
