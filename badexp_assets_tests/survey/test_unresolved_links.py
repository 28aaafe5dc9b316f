"""A link that can't be resolved is named and costs neither its neighbours nor the nights that it led to."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from badexp_assets.survey.archive import list_exposures, list_files_outside, list_night_files, list_nights
from badexp_assets.survey.cameras import load_camera
from badexp_assets.survey.file_account import account_for
from badexp_assets_tests.survey.arrivals.conftest import Tree, Watch

NIGHT, NEXT = "2018-05-17", "2018-05-18"
OLD = 1_699_000_000.0
DECAM = load_camera()


@pytest.fixture
def watch() -> Iterator[Watch]:
    """In a folder that everybody can enter; what is below pytest's is its owner's alone."""
    with tempfile.TemporaryDirectory(prefix="badexp-links-") as name:
        folder = Path(name)
        folder.chmod(0o777)
        (folder / "state").mkdir()
        (folder / "state").chmod(0o777)
        yield Watch(Tree(folder / "archive"), folder / "state")


@contextmanager
def private(folder: Path) -> Iterator[None]:
    """Let nobody into `folder`; root, who may enter every folder, is somebody else meanwhile."""
    root = os.geteuid() == 0
    folder.chmod(0)
    if root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)
        folder.chmod(0o755)


def scored(watch: Watch) -> list[str]:
    """Look until the nights of the tree have been requested."""
    for _ in range(3):
        watch.look()
    requested = watch.nights()
    watch.requested.clear()
    return sorted(requested)


def test_a_link_to_itself_beside_nights_is_named_and_the_nights_are_kept(watch):
    root = watch.tree.root
    watch.look()
    watch.tree.write(NIGHT, 0, OLD)
    watch.tree.write(NEXT, 0, OLD)
    assert scored(watch) == [NIGHT, NEXT]
    (root / "CP" / "V5.6" / "loop").symlink_to("loop")
    assert list_nights(root, DECAM) == [NIGHT, NEXT]
    assert list(list_files_outside(root, DECAM)) == ["CP/V5.6/loop"]
    for _ in range(3):
        found = watch.look()
        assert found.changes == []
        assert [problem for problem in found.problems if "CP/V5.6/loop" not in problem] == []
    watch.tree.write(NEXT, 1, OLD)
    watch.look(), watch.look()
    assert watch.nights() == [NEXT]


@pytest.mark.parametrize(
    ("name", "row"), [("c4d_180518_040000_ooi_r_ls9.fits.fz", "failed"), ("more", "excluded"), ("a.fits", "excluded")]
)
def test_a_link_to_itself_in_a_night_is_one_row(watch, name, row):
    root = watch.tree.root
    folder = watch.tree.write(NIGHT, 0, OLD).parent
    (folder / name).symlink_to(name)
    files = list_night_files(root, NIGHT, DECAM)
    assert files.n_files + len(files.others) == 2
    table = list_exposures(root, NIGHT, DECAM)
    assert table["status"][table["path"].str.endswith(f"/{name}")].tolist() == [row]
    assert account_for(root, DECAM, [NIGHT], table).n_unaccounted == 0


def test_nights_behind_a_link_into_a_private_folder_are_named_and_kept(watch):
    root = watch.tree.root
    away = Tree(root.parent / "away")
    watch.look()
    watch.tree.write(NIGHT, 0, OLD)
    away.write(NEXT, 0, OLD, place="data")
    (root / "CP" / "V5.6" / "mine").symlink_to(away.root / "data")
    assert scored(watch) == [NIGHT, NEXT]
    with private(away.root):
        assert list_nights(root, DECAM) == [NIGHT]
        [(path, reason)] = list_files_outside(root, DECAM).items()
        assert path == "CP/V5.6/mine"
        assert "Permission denied" in reason
        for _ in range(3):
            found = watch.look()
            assert found.changes == []
            assert any("CP/V5.6/mine: can't be read (Permission denied)" in problem for problem in found.problems)
    assert watch.look().problems == []
    assert watch.look().changes == []


def test_a_private_folder_that_a_night_links_to_is_named_and_the_sensor_waits(watch):
    root = watch.tree.root
    away = Tree(root.parent / "away")
    watch.look()
    folder = watch.tree.write(NIGHT, 0, OLD).parent
    watch.tree.write(NEXT, 0, OLD)
    away.write(NIGHT, 1, OLD, place="data")
    (folder / "more").symlink_to(away.root / "data")
    assert scored(watch) == [NIGHT, NEXT]
    with private(away.root):
        files = list_night_files(root, NIGHT, DECAM)
        assert len(files.exposures) == 1
        assert list(files.others) == [f"CP/V5.6/{folder.name}/more"]
        assert len(list_night_files(root, NEXT, DECAM).exposures) == 1
        for _ in range(3):
            found = watch.look()
            assert found.changes == []
            [problem] = found.problems
            assert f"{folder.name}/more: can't be read (Permission denied)" in problem
    watch.tree.write(NEXT, 1, OLD)
    watch.look(), watch.look()
    assert watch.nights() == [NEXT]
