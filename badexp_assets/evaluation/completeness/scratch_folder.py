"""The folder where injected files lie for as long as they are read, outside the archive."""

from __future__ import annotations

import contextlib
import fcntl
import shutil
from collections.abc import Collection, Iterator
from pathlib import Path

from badexp_assets.errors import ChangedFileError, InputError, UnreadableImageError
from badexp_assets.io.place import Place, Url
from badexp_assets.survey.nights import parse_night


@contextlib.contextmanager
def scratch_folder(place: Path) -> Iterator[Path]:
    """Make an empty folder in `place` for the block, and remove it with all that is in it at the end.

    What a killed process left there is removed first. Raises InputError while another process works in `place`; its
    lock goes with the process, however that ends.
    """
    try:
        place.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{place}: can't be made ({error.strerror})") from error
    with open(place / "lock", "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise InputError(f"{place}: another process injects here; wait for its end") from error
        work = place / "work"
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir()
        try:
            yield work
        finally:
            shutil.rmtree(work, ignore_errors=True)


class ScratchArchive:
    """An archive of one night and one exposure, as `run_pass` reads it, in the folder `root`.

    Files behind URLs are copied there as a whole. Raises UnreadableImageError for one that can't be.
    """

    def __init__(self, root: Path, night: str, ooi: Place, ood: Place | None) -> None:
        self.root = root
        self._folder = root / f"CP{parse_night(night).replace('-', '')}"
        shutil.rmtree(root, ignore_errors=True)
        self._folder.mkdir(parents=True)
        self._ooi: Path | None = None
        self._source = self._copied(ooi)
        if ood is not None:
            (self._folder / ood.name).symlink_to(self._copied(ood))

    def show_original(self) -> None:
        """Put the exposure there as it is in the archive."""
        self._place(self._source.name).symlink_to(self._source)

    def inject(self, category: str, severity: float, seed: int, read: Collection[int]) -> frozenset[int]:
        """Put it there with an anomaly, in place of what was there; return the CCDNUMs that were hit.

        `read`: those that will be read; the others stay as they are. Raises UnreadableImageError when the exposure
        can't be read, as `inject_into` does.
        """
        from badexp_assets.simulate.inject_file import inject_into

        out = self._place(self._source.name.removesuffix(".gz"))
        return frozenset(inject_into(self._source, out, category, severity, seed, read))

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
        """Remove what is there, and return where the next file goes."""
        if self._ooi is not None:
            self._ooi.unlink(missing_ok=True)
        self._ooi = self._folder / name
        return self._ooi
