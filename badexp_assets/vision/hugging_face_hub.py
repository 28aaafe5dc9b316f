"""Weights from the Hugging Face hub, by its own client: its cache, its resumed downloads, its checks."""

from __future__ import annotations

from pathlib import Path

from badexp_assets.errors import ModelError
from badexp_assets.vision.state_dicts import SAFETENSORS


def hub_folder(spec: str, cached: bool = True) -> Path:
    """Return the folder of `spec` (`id` or `id@revision`) in the local cache; its name is the resolved commit.

    What is not there is downloaded. With `cached` the hub is not asked when the cache has an answer; without, a branch
    or tag is resolved anew when the hub can be reached. Raises ModelError when neither has it.
    """
    from huggingface_hub import snapshot_download

    name, _, revision = spec.partition("@")
    files = ["config.json", SAFETENSORS]
    reason: Exception | None = None
    for offline in (True, False) if cached else (False,):
        try:
            found = snapshot_download(name, revision=revision or None, allow_patterns=files, local_files_only=offline)
        except Exception as error:  # the hub raises many kinds: no network, no such id or revision, no permission
            reason = error
            continue
        if (Path(found) / SAFETENSORS).is_file():
            return Path(found)
        reason = FileNotFoundError(f"it holds no {SAFETENSORS}")
    said = f"{type(reason).__name__}: {str(reason).strip()}".splitlines()[0]
    raise ModelError(
        f"weights {spec}: neither in the local Hugging Face cache nor to be downloaded ({said}); "
        "give a folder or the official .pth file as weights"
    ) from reason
