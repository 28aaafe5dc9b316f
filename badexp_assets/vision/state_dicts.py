"""Named tensors in files: reading without running code, loading strictly, and a hash of what they hold."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from badexp_assets.errors import ModelError

SAFETENSORS = "model.safetensors"


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Read a `.safetensors` or `.pth` file. Raises ModelError when it is missing, damaged or something else."""
    return read_safetensors(path) if path.suffix == ".safetensors" else read_state_dict(path)


def read_safetensors(path: Path) -> dict[str, Tensor]:
    """Read a `.safetensors` file. Raises ModelError when it is missing, damaged, or holds non-finite values."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    if not path.is_file():
        raise ModelError(f"{path.parent}: no {path.name} in it")
    try:
        found = load_file(path)
    except (SafetensorError, OSError, ValueError) as error:
        raise ModelError(f"{path}: not a readable weights file, or a truncated one ({error})") from error
    _check_finite(found, path)
    return found


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
    _check_finite(found, path)
    return found


def _check_finite(state: dict[str, Tensor], path: Path) -> None:
    bad = [k for k, v in state.items() if v.is_floating_point() and not torch.isfinite(v).all()]
    if bad:
        raise ModelError(f"{path}: {len(bad)} tensor(s) with non-finite values, e.g. {bad[0]}")


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
