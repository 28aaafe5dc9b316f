"""Writing a fitted model as a folder that appears whole."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from badexp_assets.errors import ModelError, StorageError
from badexp_assets.io.parquet import folder_to_move, sync, sync_folder

if TYPE_CHECKING:
    from badexp_assets.io.models import Model


def write_model_folder(model: Model, folder: Path, write: Callable[[Path], None]) -> None:
    """Write `model` as `folder`, all or nothing: `write` fills a temporary folder, which is then renamed.

    If the same version is there already, it is left as it is. Raises ModelError if `folder` holds anything else, and
    StorageError if the disk can't be written to.
    """
    if folder.exists():
        if not folder.is_dir():
            raise ModelError(f"{folder}: a file is there; a folder that does not exist yet is needed")
        if any(folder.iterdir()):
            _check_same_version(model, folder)
            return
    try:
        with folder_to_move(folder) as temporary:
            write(temporary)
            sync_folder(temporary)
            os.rename(temporary, folder)
            sync(folder.parent)
    except OSError as error:
        if folder.is_dir() and any(folder.iterdir()):  # another process was faster
            _check_same_version(model, folder)
            return
        raise StorageError(f"{folder}: the model could not be written ({error.strerror or error})") from error


def _check_same_version(model: Model, folder: Path) -> None:
    """Raise ModelError unless `folder` holds the version of `model`, whole."""
    found = type(model).load(folder)
    if found.version != model.version:
        raise ModelError(
            f"{folder}: holds model {found.version}; model {model.version} is not written over it: use another folder"
        )
