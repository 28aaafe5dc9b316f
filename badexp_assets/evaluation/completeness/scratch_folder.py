"""A temporary folder outside the archive for injected files, while they are read."""

from __future__ import annotations

import contextlib
import fcntl
import shutil
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from badexp_assets.errors import ChangedFileError, InputError, UnreadableImageError
from badexp_assets.io.place import Place, Url
from badexp_assets.survey.camera_file import CCD_PLACE
from badexp_assets.survey.fits_validation import is_gzipped
from badexp_assets.survey.nights import parse_night

if TYPE_CHECKING:
    from badexp_assets.survey.cameras import Camera


@contextlib.contextmanager
def scratch_folder(place: Path) -> Iterator[Path]:
    """Make an empty folder in `place` for the block, and remove it with its contents at the end.

    Remains of a killed process are removed first. Raises InputError while another process uses `place`; its lock ends
    with that process, however it ends.
    """
    try:
        place.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{place}: can't be made ({error.strerror})") from error
    with open(place / "lock", "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise InputError(f"{place}: another process injects here; wait until it has ended") from error
        work = place / "work"
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir()
        try:
            yield work
        finally:
            shutil.rmtree(work, ignore_errors=True)


class ScratchArchive:
    """An archive with one night and one exposure in the folder `root`, which `run_pass` can read.

    camera: DECam by default. Files behind URLs are copied there. Raises UnreadableImageError if one cannot be copied.
    """

    def __init__(self, root: Path, night: str, ooi: Place, ood: Place | None, camera: Camera | None = None) -> None:
        self.root, self._camera = root, camera
        self._folder = root / f"CP{parse_night(night).replace('-', '')}"
        shutil.rmtree(root, ignore_errors=True)
        self._folder.mkdir(parents=True)
        if any(CCD_PLACE in place.name for place in (ooi, ood) if place is not None):
            raise UnreadableImageError(f"{ooi}: nothing can be injected where each CCD has a file of its own")
        self._ooi: Path | None = None
        self._source = self._copied(ooi)
        self._ood: Path | None = None
        if ood is not None:
            self._ood = self._copied(ood)
            (self._folder / ood.name).symlink_to(self._ood)

    def show_original(self) -> None:
        """Put the unchanged exposure into the archive."""
        self._place(self._source.name).symlink_to(self._source)

    def inject(self, category: str, severity: float, seed: int, read: Collection[int]) -> frozenset[int]:
        """Replace the exposure by one with an injected anomaly; return the CCDNUMs that it affects.

        `read`: CCDNUMs that will be read; the others stay unchanged. Raises UnreadableImageError if the exposure cannot
        be read, as `inject_into` does.
        """
        from badexp_assets.simulate.inject_file import inject_into

        name = self._source.name
        out = self._place(name[: -len(".gz")] if is_gzipped(name) else name)
        return frozenset(inject_into(self._source, out, category, severity, seed, read, self._camera, self._ood))

    def _copied(self, place: Place) -> Path:
        if not isinstance(place, Url):
            return place.resolve()
        copy = self.root / place.name
        try:
            place.fetch(copy)
        except (FileNotFoundError, ChangedFileError) as error:
            raise UnreadableImageError(f"{place}: can't be copied ({error})") from error
        return copy

    def _place(self, name: str) -> Path:
        """Remove the previous file and return the path of the next one."""
        if self._ooi is not None:
            self._ooi.unlink(missing_ok=True)
        self._ooi = self._folder / name
        return self._ooi
