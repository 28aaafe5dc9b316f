"""Account of an archive's files: every image found is an exposure, an older reduction, or named with the reason."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from badexp_assets.io.place import Place
from badexp_assets.survey.archive import folders_by_night, list_files_outside, list_night_files
from badexp_assets.survey.archive_tree import cp_folders, list_folder
from badexp_assets.survey.cameras import Camera
from badexp_assets.survey.night_evidence import disagrees_on_night

_MOST = 5


@dataclass(frozen=True)
class FileAccount:
    """Files of some nights of an archive, and the exposures that the stored tables make of them.

    n_found: images, files whose name is not understood, and `others`; masks and weight maps count with their image.
    others: the reason why a file is not read, by path, without those that are exposures (`excluded`) by themselves.
    """

    n_found: int
    n_exposures: int
    n_older: int
    others: Mapping[str, str] = field(default_factory=dict)

    @property
    def n_unaccounted(self) -> int:
        """Files that are in none of the counts: the archive has changed since the tables were made; 0 otherwise."""
        return self.n_found - self.n_exposures - self.n_older - len(self.others)

    def lines(self) -> Iterator[str]:
        """Yield the account in one line, and reasons with the number of files and the first one."""
        text = (
            f"{self.n_found} found = {counted(self.n_exposures, 'exposure')} + "
            f"{counted(self.n_older, 'older reduction')} + {counted(len(self.others), 'other file')}"
        )
        if self.n_unaccounted:
            text += f" + {self.n_unaccounted} that came, went or were not read (a night failed?)"
        yield text
        yield from other_file_lines(self.others)


def account_for(archive: Place, camera: Camera, nights: Iterable[str], exposures: pd.DataFrame) -> FileAccount:
    """Return the account of `nights` of `archive`; `exposures`: rows of night_exposures of these nights.

    The other files include those that are in no night, whatever the nights.
    """
    found, others = 0, list_files_outside(archive, camera)
    outside = {_real(archive, path): path for path in others} if isinstance(archive, Path) else {}
    folders = folders_by_night(archive, camera)
    for night in nights:
        files = list_night_files(archive, night, camera, folders=folders)
        found += len(files.exposures) + len(files.unknown)
        others |= {path: reason for path, reason in files.others.items() if path not in files.unknown}
        if outside and isinstance(archive, Path):  # a link inside a night may lead to them
            read = [path for exposure in files.exposures for path in exposure.all_files]
            for path in (*read, *files.others):
                others.pop(outside.get(_real(archive, path), ""), None)
    return FileAccount(found + len(others), len(exposures), int(exposures["n_superseded"].sum()), others)


def archive_stamps(archive: Place) -> Iterator[str]:
    """Yield a text for every FITS file of `archive`, which changes when the file is written again (see `FoundFile`).

    Raises InputError for an archive, and OSError for a folder, that can't be read.
    """

    def refuse(error: OSError) -> None:
        raise error

    outside: list[str] = []
    folders = [folder for _, folder in cp_folders(archive, refuse, outside.append)]
    for folder in (*folders, *sorted({path.rpartition("/")[0] for path in outside})):
        yield from (file.stamp for file in list_folder(archive, folder)[0])


def other_file_lines(others: Mapping[str, str]) -> Iterator[str]:
    """Yield a line for each of the commonest reasons in `others`: number of files, reason, and the first file."""
    reasons = Counter(others.values())
    for reason, n in reasons.most_common(_MOST):
        first = next(path for path, why in others.items() if why == reason)
        yield f"  {n} x {reason}: {first}{' and others' if n > 1 else ''}"
    if len(reasons) > _MOST:
        yield f"  and {sum(n for _, n in reasons.most_common()[_MOST:])} more for other reasons"


def nights_are_wrong(exposures: pd.DataFrame) -> bool:
    """Whether all `exposures` (rows of night_exposures) are excluded, each because its night is contradictory."""
    excluded = exposures["status"] == "excluded"
    return bool(len(exposures)) and bool((excluded & exposures["status_reason"].map(disagrees_on_night)).all())


def _real(archive: Path, path: str) -> str:
    folder, _, name = path.rpartition("/")
    return os.path.join(os.path.realpath(archive / folder), name)


def counted(n: int, noun: str) -> str:
    """Return `n` and the noun, in the plural unless `n` is 1."""
    return f"{n} {noun}{'' if n == 1 else 's'}"
