"""The nights of an archive and the files of each, where folders are not named by the night of all their files."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path

from badexp_assets.io.place import Place, Url
from badexp_assets.survey.archive_tree import FoundFile, cp_folders, folder_time, list_fits_names, list_folder
from badexp_assets.survey.cameras import load_camera
from badexp_assets.survey.cp_files import parse_cp_name
from badexp_assets.survey.night_evidence import agreed_night, camera_of_prefix, night_of_name, night_of_path

_FRESH = 2.0  # s; a folder that changed so recently may change again without a new time
_Nights = dict[str, tuple[dict[str, int], frozenset[str]]]
_nights_of_folders: _Nights = {}  # by place: times of the folders that were listed, and the nights of their files


def night_folders(
    archive: Place, refuse: Callable[[OSError], None], outside: Callable[[str], None] = lambda path: None
) -> Iterator[tuple[str, str]]:
    """Yield (night, folder relative to `archive`) of every CP folder and each night that it may have files of.

    See `cp_folders` for the order and the arguments. A folder whose name is not the night of its files (a UT date, the
    first night of a run) is yielded for each of their nights; which files belong to a night, `files_of_night` tells.
    Names of files are enough for that, unless none of them is of the night of the folder. Behind URLs folders are not
    listed here, so that each has the night of its name alone.
    """
    for own, folder in cp_folders(archive, refuse, outside):
        if isinstance(archive, Url):
            yield own, folder
        else:
            for night in sorted(_nights_in(archive, folder, own)):
                yield night, folder


def files_of_night(archive: Place, folder: str, files: Sequence[FoundFile], night: str) -> list[FoundFile]:
    """Return those of `files` (all those of a CP folder) that belong to `night`; see `nights_of_files`."""
    nights = nights_of_files(archive, folder, files)
    return [file for file in files if nights[file.path] == night]


def without_copies(archive: Place, files: Iterable[FoundFile]) -> list[FoundFile]:
    """Return `files` without those that were found before by another path: links can lead to a folder twice."""
    if isinstance(archive, Url):
        return list(files)
    places: dict[str, str] = {}
    found: dict[tuple[str, str], FoundFile] = {}
    for file in files:
        folder, _, name = file.path.rpartition("/")
        if folder not in places:
            places[folder] = os.path.realpath(os.path.join(archive, folder))
        found.setdefault((places[folder], name), file)
    return list(found.values())


def nights_of_files(archive: Place, folder: str, files: Sequence[FoundFile]) -> dict[str, str]:
    """Return the night of each of `files` (all those of a CP folder), by path.

    A file belongs to the night of the folder, unless the time in its name is of another night: then the header of the
    image decides (see `agreed_night`), and its mask and weight map follow it. A file whose header can't be read stays
    with the folder. Where a link leads out of the folder, the time in the name decides: links of several nights may
    lead to one file. Behind URLs all files stay with the folder.
    """
    own = night_of_path(archive, f"{folder}/") or ""
    nights = dict.fromkeys((file.path for file in files), own)
    if isinstance(archive, Url):
        return nights
    named = ((file, parse_cp_name(file.path.rpartition("/")[2])) for file in files)
    of_others = [
        (file, name, night) for file, name in named if name and (night := night_of_name(name)) not in (None, own)
    ]
    linked = _linked_folders(archive, folder, [file for file, _, _ in of_others])
    elsewhere: dict[tuple[str, ...], list[str]] = {}
    images: dict[tuple[str, ...], tuple[FoundFile, str, str]] = {}
    for file, name, night in of_others:
        where = file.path.rpartition("/")[0]
        if where in linked:
            nights[file.path] = night
            continue
        elsewhere.setdefault((where, *name.exposure), []).append(file.path)
        if name.product == "ooi":
            images.setdefault((where, *name.exposure), (file, night, name.prefix))
    for key, (file, by_name, prefix) in images.items():
        night = _night_of_image(os.path.join(archive, file.path), file.stamp, own, by_name, prefix)
        nights |= dict.fromkeys(elsewhere[key], night)
    return nights


def _linked_folders(archive: Path, folder: str, files: Iterable[FoundFile]) -> set[str]:
    """Return the folders of `files`, relative to `archive`, that are not below `folder` once links are resolved."""
    top = os.path.realpath(archive / folder)
    places = {where: os.path.realpath(archive / where) for where in {file.path.rpartition("/")[0] for file in files}}
    return {where for where, place in places.items() if place != top and not place.startswith(f"{top}{os.sep}")}


def _nights_in(archive: Place, folder: str, own: str) -> frozenset[str]:
    place = os.path.join(os.path.realpath(str(archive)), folder)
    known = _nights_of_folders.get(place)
    try:
        if known is not None and all(folder_time(archive, f) == changed for f, changed in known[0].items()):
            return known[1]
        paths, times = list_fits_names(archive, folder)
        nights = _nights_of_names(paths, own)
        if own not in nights:  # headers decide; an image that is written again changes no time of a folder
            return frozenset(nights_of_files(archive, folder, list_folder(archive, folder)[0]).values())
    except OSError:  # listing the files of the night will report it
        return frozenset([own])
    if max(times.values()) / 1e9 < time.time() - _FRESH:
        _nights_of_folders[place] = times, nights
    return nights


def _nights_of_names(paths: Iterable[str], own: str) -> frozenset[str]:
    names = (parse_cp_name(path.rpartition("/")[2]) for path in paths)
    nights = {(name and night_of_name(name)) or own for name in names}
    return frozenset(nights or {own})


@lru_cache(maxsize=100_000)
def _night_of_image(path: str, stamp: str, own: str, by_name: str, prefix: str) -> str:
    """Return `by_name`, the night in the name of an image, if its header agrees with that, else `own`.

    `stamp` makes an image that was written again a new one.
    """
    import fitsio

    from badexp_assets.survey.fits_file import cfitsio_lock
    from badexp_assets.survey.headers import parse_header

    try:
        with cfitsio_lock:
            header = parse_header(fitsio.read_header(path, 0), camera_of_prefix(prefix) or load_camera())
    except Exception:  # damaged bytes can raise anything; the exposure will be reported as failed
        return own
    night, _, _ = agreed_night(own, header, by_name)
    return by_name if night == by_name else own
