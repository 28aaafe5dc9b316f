"""Finds weight files on disk or on the Hugging Face hub, reads them without running code, and loads them strictly."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from badexp_assets.errors import ModelError

SAFETENSORS = "model.safetensors"


def find_weights(source: str | Path, cached: bool = True) -> tuple[Path, str | None]:
    """Return the weight file that `source` names and, if it came from the Hugging Face hub, its commit.

    `source`: a file; a folder that holds `model.safetensors`; or a Hugging Face id, `id` or `id@revision`. Files of the
    hub are downloaded to its local cache. With `cached` the hub is contacted only if the cache lacks the files;
    without, a branch or tag is resolved again if the hub can be reached. Raises ModelError if neither has the weights.
    """
    path = Path(source)
    if path.is_dir():
        return path / SAFETENSORS, None
    if path.exists() or path.suffix in (".pth", ".pt", ".safetensors"):
        return path, None
    return _download(str(source), cached)


def _download(source: str, cached: bool) -> tuple[Path, str]:
    from huggingface_hub import snapshot_download

    name, _, revision = source.partition("@")
    files = ["config.json", SAFETENSORS]
    reason: Exception | None = None
    for offline in (True, False) if cached else (False,):
        try:
            found = snapshot_download(name, revision=revision or None, allow_patterns=files, local_files_only=offline)
        except Exception as error:  # the hub raises many kinds: no network, no such id or revision, no permission
            reason = error
            continue
        folder = Path(found)
        if (folder / SAFETENSORS).is_file():
            return folder / SAFETENSORS, folder.name
        reason = FileNotFoundError(f"it holds no {SAFETENSORS}")
    message = f"{type(reason).__name__}: {str(reason).strip()}".splitlines()[0]
    raise ModelError(
        f"weights {source}: not in the local Hugging Face cache, and the download failed ({message}); "
        "give a folder or the official .pth file as weights"
    ) from reason


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Read the named tensors of a `.safetensors` or `.pth` file without running code from it.

    Raises ModelError if the file is missing, damaged or something else, or if a value is not finite.
    """
    if not path.is_file():
        raise ModelError(f"{path}: no such weights file")
    try:
        found: Any
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            found = load_file(path)
        else:
            found = torch.load(path, map_location="cpu", weights_only=True)
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
    """Load `state` into `model`. Raises ModelError that names the first tensor whose name or shape does not fit."""
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
    """Return 12 hex digits that depend on names, shapes, types and values of all tensors, and on nothing else."""
    digest = hashlib.sha256()
    for name in sorted(state):
        value = state[name].detach().cpu().contiguous()
        digest.update(f"{name} {tuple(value.shape)} {value.dtype} ".encode())
        digest.update(value.numpy().tobytes())
    return digest.hexdigest()[:12]
