"""The tree of CP files behind a URL: nights by listing prefixes, files by listing nights; `tree` does so of folders."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from badexp_assets.errors import InputError
from badexp_assets.io.place import Url
from badexp_assets.io.remote_files import FoundBelow, list_below, list_names
from badexp_assets.survey.nights import night_from_folder


def night_folders(archive: Url) -> Iterator[tuple[str, str]]:
    """Yield (night, folder relative to `archive`) of every folder `CP<YYYYMMDD>`; see `tree.night_folders`.

    One listing for every folder above the nights, whatever lies in these. Raises InputError where there is nothing.
    """
    night = night_from_folder(archive.name)
    if night is not None:
        yield night, ""
        return
    files, folders = list_names(archive)
    if not files and not folders:
        raise InputError(f"archive {archive}: no such folder")
    yield from _walk(archive, "", folders)


def _walk(archive: Url, top: str, folders: list[str]) -> Iterator[tuple[str, str]]:
    for name in folders:
        if name.startswith("."):
            continue
        path = f"{top}{name}"
        night = night_from_folder(name)
        if night is not None:
            yield night, path
        else:
            yield from _walk(archive, f"{path}/", list_names(archive / path)[1])


def list_files(archive: Url, folder: str) -> Iterator[FoundBelow]:
    """Yield the files in `folder` and below it, but for hidden ones, with paths relative to `archive`."""
    top = f"{folder}/" if folder else ""
    for file in list_below(archive / folder):
        if not any(part.startswith(".") for part in file.path.split("/")):
            yield replace(file, path=top + file.path)
