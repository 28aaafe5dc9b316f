"""A tree whose files and times are set by hand, and somebody who looks at it at times that are given."""

import os
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from badexp_assets.config.night_options import ArrivalParams
from badexp_assets.survey.arrivals.archive_state import ArchiveState, StateStore
from badexp_assets.survey.arrivals.due_nights import DueNights, find_due_nights
from badexp_assets.survey.arrivals.scan import scan_archive
from badexp_assets.survey.cameras import load_camera

START = 1_700_000_000.0  # s since 1970
PARAMS = ArrivalParams(settle_seconds=100, incomplete_seconds=1000, max_wait_seconds=500)


class Tree:
    """An archive. Times of files are given; those of folders are the file system's own."""

    def __init__(self, root: Path) -> None:
        self.root = root
        root.mkdir(parents=True)

    def path(self, night: str, number: int, product: str = "ooi", place: str = "CP/V5.6", suffix: str = ".fits.fz"):
        name = f"c4d_180518_{number // 3600:02d}{number // 60 % 60:02d}{number % 60:02d}_{product}_r_ls9{suffix}"
        return self.root / place / f"CP{night.replace('-', '')}" / name

    def write(self, night: str, number: int, mtime: float, blocks: int = 1, more: int = 0, **name) -> Path:
        path = self.path(night, number, **name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x" * (2880 * blocks + more))
        os.utime(path, ns=(int(mtime * 1e9), int(mtime * 1e9)))
        return path


@dataclass
class Watch:
    """Looks again and again; the state goes through its file and its cursor every time, as in the sensor."""

    tree: Tree
    folder: Path
    params: ArrivalParams = PARAMS
    scored: dict[str, str] = field(default_factory=dict)
    now: float = START
    cursor: str | None = None
    said: str | None = None
    requested: list[tuple[str, str]] = field(default_factory=list)

    def look(self, seconds: float = 60.0, clock=None) -> DueNights:
        self.now += seconds
        store = StateStore(self.folder)
        state, self.said = store.load(self.cursor)
        assert isinstance(state, ArchiveState)
        look = scan_archive(
            self.tree.root, load_camera(), state, self.params, self.now, **({"clock": clock} if clock else {})
        )
        found = find_due_nights(state, look, self.now, self.params, self.scored.get)
        self.cursor = store.save(found.state, self.cursor)
        self.requested += [(change.night, change.fingerprint) for change in found.changes]
        return found

    def nights(self) -> list[str]:
        return [night for night, _ in self.requested]


@pytest.fixture
def tree(tmp_path) -> Tree:
    return Tree(tmp_path / "archive")


@pytest.fixture
def watch(tree, tmp_path) -> Watch:
    return Watch(tree, tmp_path / "state")


@pytest.fixture(scope="session")
def make_watch():
    """For tests that need a fresh tree in a folder many times."""
    return lambda folder: Watch(Tree(folder / "archive"), folder / "state")
