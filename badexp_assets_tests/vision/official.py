"""DINOv2 with registers written from its equations, with the official names of its weights."""

import math

import torch
from torch import Tensor
from torch.nn import functional as F

PATCH, HEADS, REGISTERS = 14, 3, 4


def random_state(seed: int, dim: int = 48, layers: int = 2, side: int = 37) -> dict[str, Tensor]:
    """State dict of random weights; `side` position embeddings a side (37: trained at 518 px)."""
    generator = torch.Generator().manual_seed(seed)

    def draw(*shape: int, scale: float = 0.2, mean: float = 0.0) -> Tensor:
        return mean + scale * torch.randn(shape, generator=generator)

    state = {
        "cls_token": draw(1, 1, dim),
        "pos_embed": draw(1, 1 + side * side, dim),
        "register_tokens": draw(1, REGISTERS, dim),
        "mask_token": draw(1, dim),
        "patch_embed.proj.weight": draw(dim, 3, PATCH, PATCH, scale=0.05),
        "patch_embed.proj.bias": draw(dim),
        "norm.weight": draw(dim, mean=1),
        "norm.bias": draw(dim),
    }
    for i in range(layers):
        for norm in ("norm1", "norm2"):
            state |= {f"blocks.{i}.{norm}.weight": draw(dim, mean=1), f"blocks.{i}.{norm}.bias": draw(dim)}
        for name, rows, columns in (
            ("attn.qkv", 3 * dim, dim),
            ("attn.proj", dim, dim),
            ("mlp.fc1", 4 * dim, dim),
            ("mlp.fc2", dim, 4 * dim),
        ):
            state |= {f"blocks.{i}.{name}.weight": draw(rows, columns), f"blocks.{i}.{name}.bias": draw(rows)}
        state |= {f"blocks.{i}.ls{j}.gamma": draw(dim, mean=0.5) for j in (1, 2)}
    return state


def cls_token(state: dict[str, Tensor], images: Tensor) -> Tensor:
    """Return the normalised CLS token, (B, dim), of (B, 3, H, W) images."""
    batch, _, rows, columns = images.shape
    x = F.conv2d(images, state["patch_embed.proj.weight"], state["patch_embed.proj.bias"], stride=PATCH)
    x = x.flatten(2).transpose(1, 2)
    x = torch.cat([state["cls_token"].expand(batch, -1, -1), x], 1)
    x = x + positions(state["pos_embed"], rows // PATCH, columns // PATCH)
    x = torch.cat([x[:, :1], state["register_tokens"].expand(batch, -1, -1), x[:, 1:]], 1)
    i = 0
    while f"blocks.{i}.norm1.weight" in state:
        block = {k.removeprefix(f"blocks.{i}."): v for k, v in state.items() if k.startswith(f"blocks.{i}.")}
        x = x + block["ls1.gamma"] * attention(block, norm(x, block, "norm1"))
        hidden = F.gelu(linear(norm(x, block, "norm2"), block, "mlp.fc1"))
        x = x + block["ls2.gamma"] * linear(hidden, block, "mlp.fc2")
        i += 1
    return norm(x, state, "norm")[:, 0]


def positions(embeddings: Tensor, rows: int, columns: int) -> Tensor:
    """Position embeddings for rows x columns patches: as they are when there are as many, else bicubic, antialiased."""
    side = math.isqrt(embeddings.shape[1] - 1)
    if (rows, columns) == (side, side):
        return embeddings
    grid = embeddings[:, 1:].reshape(1, side, side, -1).permute(0, 3, 1, 2)
    grid = F.interpolate(grid, (rows, columns), mode="bicubic", antialias=True)
    return torch.cat([embeddings[:, :1], grid.flatten(2).transpose(1, 2)], 1)


def attention(block: dict[str, Tensor], x: Tensor) -> Tensor:
    batch, tokens, dim = x.shape
    query, key, value = linear(x, block, "attn.qkv").reshape(batch, tokens, 3, HEADS, -1).permute(2, 0, 3, 1, 4)
    weights = (query @ key.transpose(-2, -1) / math.sqrt(dim // HEADS)).softmax(-1)
    return linear((weights @ value).transpose(1, 2).reshape(batch, tokens, dim), block, "attn.proj")


def norm(x: Tensor, state: dict[str, Tensor], name: str) -> Tensor:
    return F.layer_norm(x, x.shape[-1:], state[f"{name}.weight"], state[f"{name}.bias"], eps=1e-6)


def linear(x: Tensor, state: dict[str, Tensor], name: str) -> Tensor:
    return x @ state[f"{name}.weight"].T + state[f"{name}.bias"]
