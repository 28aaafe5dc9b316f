"""The nights of an archive and the files of each, where folders are not named by the night of all their files."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from badexp_assets.io.place import Place, Url
from badexp_assets.io.transient_errors import is_transient
from badexp_assets.survey.archive_tree import FoundFile, cp_folders, folder_time, list_fits_names, list_folder
from badexp_assets.survey.cameras import Camera
from badexp_assets.survey.cp_files import parse_name
from badexp_assets.survey.night_evidence import agreed_night, camera_of_prefix, night_of_name, night_of_path
from badexp_assets.survey.nights import tonight

if TYPE_CHECKING:
    from badexp_assets.survey.headers import ExposureHeader

_FRESH = 2.0  # s; a folder that changed so recently may change again without a new time
_Nights = dict[tuple[str, str], tuple[dict[str, int], frozenset[str]]]
_nights_of_folders: _Nights = {}  # by place and camera: times of the folders that were listed, nights of their files


class NightFolder(NamedTuple):
    """A folder with files of a night; `files`: these, where they have been listed, which needs those of all nights."""

    path: str
    files: tuple[FoundFile, ...] | None = None


def night_folders(
    archive: Place, camera: Camera, refuse: Callable[[OSError], None]
) -> Iterator[tuple[str, NightFolder]]:
    """Yield (night, folder relative to `archive`) of every folder of images and each night that it may have files of.

    These are the CP folders (see `cp_folders`, also for the order and `refuse`). One whose name is not the night of its
    files (a UT date, the first night of a run) is yielded for each of their nights; which files belong to a night,
    `files_of_night` tells. Names of files are enough for that, unless none of them is of the night of the folder.
    Behind URLs folders are not listed here, so that each has the night of its name alone. If files of the camera have
    names of its own, every other folder with such files follows, listed; see `loose_folders`.
    """
    loose: list[str] = []
    for own, folder in cp_folders(archive, refuse, loose.append):
        if isinstance(archive, Url):
            yield own, NightFolder(folder)
        else:
            for night in sorted(_nights_in(archive, folder, own, camera)):
                yield night, NightFolder(folder)
    for folder, files, nights in loose_folders(archive, camera, loose, refuse):
        of_nights: dict[str, list[FoundFile]] = {}
        for file in files:
            of_nights.setdefault(nights[file.path], []).append(file)
        of_nights.pop("", None)
        for night, found in sorted(of_nights.items()):
            yield night, NightFolder(folder, tuple(found))


def loose_folders(
    archive: Place, camera: Camera, paths: Iterable[str], refuse: Callable[[OSError], None]
) -> Iterator[tuple[str, list[FoundFile], dict[str, str]]]:
    """Yield the folders of `paths`, FITS files in no CP folder: the folder, its files, and the night of each by path.

    A file whose night is not known has "". Nothing for a camera whose files have the CP's names, and behind URLs, since
    headers of all files would have to be fetched. `refuse` is called for a folder that can't be listed, or in which a
    header can't be read at present.
    """
    if not camera.files or isinstance(archive, Url):
        return
    for folder in sorted({path.rpartition("/")[0] for path in paths}):
        try:
            files = list_folder(archive, folder)[0]
            nights = nights_of_files(archive, folder, files, camera)
        except OSError as error:
            refuse(OSError(error.errno, error.strerror, os.path.join(os.path.realpath(archive), folder)))
            continue
        yield folder, files, nights


def files_of_night(archive: Place, folder: NightFolder, night: str, camera: Camera) -> Sequence[FoundFile]:
    """Return the files of a folder that belong to `night`; see `nights_of_files`.

    Raises OSError for a folder that can't be listed.
    """
    if folder.files is not None:
        return folder.files
    files = list_folder(archive, folder.path)[0]
    nights = nights_of_files(archive, folder.path, files, camera)
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


def nights_of_files(archive: Place, folder: str, files: Sequence[FoundFile], camera: Camera) -> dict[str, str]:
    """Return the night of each of `files` (all those of a folder), by path; "" where it is not known.

    A file belongs to the night of its CP folder, unless the time in its name is of another night: then the header of
    the image decides (see `agreed_night`), and its mask and weight map follow it. A file whose header can't be read
    stays with the folder. Where a link leads out of the folder, the time in the name decides: links of several nights
    may lead to one file. Behind URLs all files stay with the folder. In a folder that is no CP folder the header of the
    image decides alone.
    """
    own = night_of_path(archive, f"{folder}/") or ""
    nights = dict.fromkeys((file.path for file in files), own)
    if isinstance(archive, Url):
        return nights
    named = [(file, name) for file in files if (name := parse_name(file.path.rpartition("/")[2], camera))]
    by_names = {file.path: night_of_name(name, camera) for file, name in named}
    undecided = [(file, name) for file, name in named if not own or by_names[file.path] not in (None, own)]
    linked = _linked_folders(archive, folder, [file for file, _ in undecided]) if own else set()
    together: dict[tuple[str, ...], list[str]] = {}
    images: dict[tuple[str, ...], list[FoundFile]] = {}
    for file, name in undecided:
        where = file.path.rpartition("/")[0]
        if where in linked:
            nights[file.path] = by_names[file.path] or own
            continue
        together.setdefault((where, *name.exposure), []).append(file.path)
        if name.product == "ooi":
            images.setdefault((where, *name.exposure), []).append(file)
    last = "" if own else tonight(camera)
    for key, copies in images.items():
        found = (_night_of_image(archive, file, own, by_names[file.path], camera) for file in copies)
        night = next((night for night in found if night != own), own)
        if own or camera.first_night <= night <= last:
            nights |= dict.fromkeys(together[key], night)
    return nights


def _linked_folders(archive: Path, folder: str, files: Iterable[FoundFile]) -> set[str]:
    """Return the folders of `files`, relative to `archive`, that are not below `folder` once links are resolved."""
    top = os.path.realpath(archive / folder)
    places = {where: os.path.realpath(archive / where) for where in {file.path.rpartition("/")[0] for file in files}}
    return {where for where, place in places.items() if place != top and not place.startswith(f"{top}{os.sep}")}


def _nights_in(archive: Path, folder: str, own: str, camera: Camera) -> frozenset[str]:
    place = os.path.join(os.path.realpath(str(archive)), folder)
    known = _nights_of_folders.get((place, camera.identity))
    try:
        if known is not None and all(folder_time(archive, f) == changed for f, changed in known[0].items()):
            return known[1]
        paths, times = list_fits_names(archive, folder)
        nights = _nights_of_names(paths, own, camera)
        if own not in nights:  # headers decide; an image that is written again changes no time of a folder
            return frozenset(nights_of_files(archive, folder, list_folder(archive, folder)[0], camera).values())
    except OSError:  # listing the files of the night will report it
        return frozenset([own])
    if max(times.values()) / 1e9 < time.time() - _FRESH:
        _nights_of_folders[place, camera.identity] = times, nights
    return nights


def _nights_of_names(paths: Iterable[str], own: str, camera: Camera) -> frozenset[str]:
    names = (parse_name(path.rpartition("/")[2], camera) for path in paths)
    nights = {(name and night_of_name(name, camera)) or own for name in names}
    return frozenset(nights or {own})


def _night_of_image(archive: Path, file: FoundFile, own: str, by_name: str | None, camera: Camera) -> str:
    """Return `by_name`, the night in the name of an image, if its header agrees with that, else `own`.

    Without `own`, the night of a CP folder, the header decides; "" where that can't be.
    """
    path = os.path.join(archive, file.path)
    try:
        header = _header_of_image(path, file.stamp, camera)
    except OSError as error:
        if is_transient(error) and not own:  # the file may be of any night, and must not vanish from its own
            raise OSError(error.errno, error.strerror, path) from error
        return own
    except Exception:  # damaged bytes can raise anything; the exposure will be reported as failed
        return own
    night, _, _ = agreed_night(own or None, header, by_name)
    if not own:
        return night or ""
    return by_name if by_name and night == by_name else own


@lru_cache(maxsize=200_000)
def _header_of_image(path: str, stamp: str, camera: Camera) -> ExposureHeader:
    """Return the header of an image; `stamp` makes one that was written again new. Failures are not kept."""
    import fitsio

    from badexp_assets.survey.fits_file import FitsFile, cfitsio_lock
    from badexp_assets.survey.headers import parse_header

    with open(path, "rb") as file:  # whose errors have a number, which those of CFITSIO do not
        file.read(1)
        with cfitsio_lock:
            header = fitsio.read_header(f"/dev/fd/{file.fileno()}", 0)  # CFITSIO takes brackets in a path for a part
    if header.get("NAXIS") == 0 and (camera.has_ccd_files or len(camera.ccds) == 1):
        with FitsFile(Path(path), one_image=True) as packed:
            header = packed.header(0)
    return parse_header(header, _camera_of(path, camera))


def _camera_of(path: str, camera: Camera) -> Camera:
    """Return the camera that the name of a file starts with, `camera` where it tells none that is known."""
    name = parse_name(os.path.basename(path), camera)
    if name is None or not name.prefix or name.prefix == camera.file_prefix:
        return camera
    return camera_of_prefix(name.prefix) or camera
