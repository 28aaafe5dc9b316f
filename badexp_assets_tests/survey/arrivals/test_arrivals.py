"""What arrives is requested once, when it is written; nothing is forgotten, nothing that is wrong is passed over."""

import json
import os
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest

from badexp_assets.config.night_options import ArrivalParams
from badexp_assets.errors import InputError
from badexp_assets.survey.archive import list_night_files
from badexp_assets.survey.archive_tree import list_folder
from badexp_assets.survey.arrivals import scan
from badexp_assets.survey.arrivals.due_nights import EMPTY
from badexp_assets.survey.arrivals.summary_text import summarize_scan
from badexp_assets.survey.cameras import load_camera

NIGHT, NEXT = "2018-05-17", "2018-05-18"
OLD = 1_699_000_000.0  # long before the first look


def started(watch):
    """The first look, on a tree without nights."""
    assert watch.look().changes == []
    return watch


def test_an_empty_tree_asks_for_nothing_and_is_no_problem(watch):
    for _ in range(3):
        found = watch.look()
        assert (found.changes, found.problems, found.notes, found.unscored) == ([], [], [], [])
    assert summarize_scan(found) == "no night is due"


def test_a_new_night_is_requested_once_with_the_fingerprint_that_the_pass_will_find(watch, tree):
    started(watch)
    for number in range(3):
        tree.write(NIGHT, number, OLD)
        tree.write(NIGHT, number, OLD, product="ood")
    assert watch.look().changes == []  # the same at two looks
    [change] = watch.look().changes
    assert (change.night, change.n_exposures, change.n_files) == (NIGHT, 3, 6)
    assert change.fingerprint == list_night_files(tree.root, NIGHT, load_camera()).fingerprint
    for _ in range(3):
        assert watch.look().changes == []


def test_three_hundred_exposures_are_one_request(watch, tree):
    started(watch)
    for number in range(300):
        tree.write(NIGHT, number, watch.now + number / 10)
        if number % 60 == 0:
            watch.look(10)
    for _ in range(10):
        watch.look(60)
    assert watch.nights() == [NIGHT]


def test_a_half_written_file_is_waited_for_and_named(watch, tree):
    started(watch)
    tree.write(NIGHT, 0, OLD)
    half = tree.write(NIGHT, 1, watch.now, more=17)
    for _ in range(3):
        found = watch.look()
        assert found.changes == []
        assert found.writing == {NIGHT: [half.relative_to(tree.root).as_posix()]}
    assert "still being written" in summarize_scan(found)
    tree.write(NIGHT, 1, watch.now, blocks=2)
    assert watch.look(50).changes == []  # whole, but written 50 s ago
    for _ in range(3):
        watch.look()
    assert watch.requested == [(NIGHT, list_night_files(tree.root, NIGHT, load_camera()).fingerprint)]


@pytest.mark.parametrize("name", [".c4d_180518_000001_ooi_r_ls9.fits.fz", "c4d_180518_000001_ooi_r_ls9.fits.fz.part"])
def test_hidden_and_part_files_are_not_there(watch, tree, name):
    started(watch)
    path = tree.write(NIGHT, 0, OLD)
    (path.parent / name).write_bytes(b"x")
    (path.parent / ".rsync-partial").mkdir()
    shutil.copy2(path, path.parent / ".rsync-partial")
    watch.look()
    assert watch.look().changes[0].n_files == 1


def test_a_file_that_never_becomes_whole_is_taken_as_it_is_in_the_end(watch, tree):
    started(watch)
    tree.write(NIGHT, 0, OLD)
    tree.write(NIGHT, 1, watch.now, blocks=0)  # made, and nothing written into it
    counts = [change.n_files for _ in range(20) for change in watch.look(100).changes]
    assert counts == [1, 2]  # after max_wait_seconds without it, after incomplete_seconds with it


def test_a_night_that_files_keep_arriving_in_is_read_now_and_then(watch, tree):
    started(watch)
    for number in range(30):
        tree.write(NIGHT, number, watch.now)
        watch.look(50)
    assert 2 <= len(watch.requested) <= 4
    for _ in range(4):
        watch.look(60)
    assert watch.requested[-1] == (NIGHT, list_night_files(tree.root, NIGHT, load_camera()).fingerprint)


def test_a_file_that_is_written_again_makes_its_night_due(watch, tree):
    started(watch)
    tree.write(NIGHT, 0, OLD)
    watch.look(), watch.look()
    tree.write(NIGHT, 0, OLD + 5)
    watch.look()
    assert "written again" in watch.look().changes[0].why


def test_a_newer_reduction_in_another_folder_makes_its_night_due(watch, tree):
    started(watch)
    tree.write(NIGHT, 0, OLD)
    watch.look(), watch.look()
    tree.write(NIGHT, 0, OLD, place="CP/V5.7")
    watch.look()
    assert watch.look().changes[0].n_files == 2


def test_an_old_night_whose_file_is_written_again_in_its_place_is_found_within_the_rotation(watch, tree):
    started(watch)
    nights = [f"2018-05-{day:02d}" for day in range(1, 21)]
    for night in nights:
        tree.write(night, 0, OLD)
    watch.look(), watch.look()
    assert sorted(watch.nights()) == nights
    with open(tree.path(nights[4], 0), "r+b") as file:  # in place: the folder's time stays
        file.write(b"y")
    os.utime(tree.path(nights[4], 0), (OLD + 9, OLD + 9))
    hours = [watch.look(3600).changes for _ in range(26)]
    assert [change.night for changes in hours for change in changes] == [nights[4]]


def test_of_many_due_nights_a_look_requests_some_those_that_waited_longest_first(watch, tree):
    watch.params = replace(watch.params, max_requests=4)
    started(watch)
    for day in range(20, 30):
        tree.write(f"2018-05-{day}", 0, OLD)
    watch.look()
    tree.write("2018-05-01", 0, OLD)
    numbers, queued = [], []
    for _ in range(5):
        found = watch.look()
        numbers.append(len(found.changes))
        queued.append(found.n_queued)
    assert numbers == [4, 4, 3, 0, 0]
    assert queued == [6, 3, 0, 0, 0]
    assert watch.nights() == [f"2018-05-{day}" for day in range(20, 30)] + ["2018-05-01"]


def test_nights_of_the_first_look_are_recorded_and_those_without_tables_are_named(watch, tree):
    for night in (NIGHT, NEXT):
        tree.write(night, 0, OLD)
    watch.scored[NIGHT] = list_night_files(tree.root, NIGHT, load_camera()).fingerprint
    found = watch.look()
    assert found.changes == []
    assert found.unscored == [NEXT]
    assert "backfill" in summarize_scan(found)
    assert [watch.look().changes for _ in range(3)] == [[], [], []]
    tree.write("2018-05-19", 0, OLD)
    watch.look(), watch.look()
    assert watch.nights() == ["2018-05-19"]


def test_a_quiet_look_lists_no_files_of_old_nights(watch, tree, monkeypatch):
    for day in range(1, 31):
        tree.write(f"2018-05-{day:02d}", 0, OLD)
    watch.look()
    listed = []
    monkeypatch.setattr(
        scan, "list_folder", lambda archive, folder: listed.append(folder) or list_folder(archive, folder)
    )
    watch.look()
    assert len(listed) == watch.params.recent_nights + 1  # and one of the rotation


def test_nights_of_the_first_look_whose_tables_are_of_other_files_are_due(watch, tree):
    tree.write(NIGHT, 0, OLD)
    watch.scored[NIGHT] = "of other files"
    watch.look(), watch.look()
    assert watch.nights() == [NIGHT]


def test_on_request_the_first_look_runs_every_night_without_tables(watch, tree):
    watch.params = replace(watch.params, first_look="run")
    for night in (NIGHT, NEXT):
        tree.write(night, 0, OLD)
    watch.scored[NIGHT] = list_night_files(tree.root, NIGHT, load_camera()).fingerprint
    watch.look(), watch.look()
    assert watch.nights() == [NEXT]


def test_a_night_that_is_arriving_during_the_first_look_is_no_history(watch, tree):
    tree.write(NIGHT, 0, watch.now)
    for _ in range(5):
        watch.look()
    assert watch.nights() == [NIGHT]


def test_a_night_that_was_scored_by_hand_is_not_requested(watch, tree):
    started(watch)
    tree.write(NIGHT, 0, OLD)
    watch.scored[NIGHT] = list_night_files(tree.root, NIGHT, load_camera()).fingerprint
    for _ in range(3):
        assert watch.look().changes == []


def test_a_deleted_file_is_told_and_its_night_is_due(watch, tree):
    started(watch)
    for number in range(3):
        tree.write(NIGHT, number, OLD)
    watch.look(), watch.look()
    tree.path(NIGHT, 1).unlink()
    watch.look()
    [change] = watch.look().changes
    assert change.why == "1 file gone: 2 exposures in 2 files, 3 before"


def test_a_deleted_night_is_due_once_and_then_forgotten(watch, tree):
    started(watch)
    tree.write(NIGHT, 0, OLD)
    tree.write(NEXT, 0, OLD)
    watch.look(), watch.look()
    shutil.rmtree(tree.path(NIGHT, 0).parent)
    watch.look()
    [change] = watch.look().changes
    assert (change.night, change.fingerprint, change.n_exposures) == (NIGHT, EMPTY, 0)
    assert change.why == "all files are gone (1)"
    assert set(watch.look().state.nights) == {NEXT}
    tree.write(NIGHT, 0, OLD)  # and when it comes back it is new
    watch.look(), watch.look()
    assert watch.nights()[-1] == NIGHT


def test_many_nights_that_go_at_once_are_not_believed_until_they_are_back_or_allowed(watch, tree):
    watch.params = replace(watch.params, max_deleted_nights=2)
    started(watch)
    for day in range(10, 16):
        tree.write(f"2018-05-{day}", 0, OLD)
    watch.look(), watch.look()
    n = len(watch.requested)
    os.rename(tree.root / "CP", tree.root.parent / "aside")
    for _ in range(3):
        assert "6 nights have gone at once" in watch.look().problems[0]
    os.rename(tree.root.parent / "aside", tree.root / "CP")
    assert watch.look().problems == []
    shutil.rmtree(tree.root / "CP" / "V5.6" / "CP20180510")
    for _ in range(2):
        watch.look()
    assert watch.nights()[n:] == ["2018-05-10"]


def test_an_unreadable_root_raises_and_is_never_an_empty_tree(watch, tree, monkeypatch):
    started(watch)
    tree.write(NIGHT, 0, OLD)
    watch.look(), watch.look()
    refuse(monkeypatch, str(tree.root))
    with pytest.raises(InputError, match="can't be read"):
        watch.look()
    monkeypatch.undo()
    shutil.rmtree(tree.root)
    with pytest.raises(InputError, match="no such folder"):
        watch.look()


def refuse(monkeypatch, folder: str) -> None:
    """Let listing `folder` fail as it does without permission; root is never refused."""
    listed = os.scandir

    def scandir(path):
        if os.fspath(path) == folder:
            raise PermissionError(13, "Permission denied", folder)
        return listed(path)

    monkeypatch.setattr(os, "scandir", scandir)


def test_a_night_without_permission_is_a_problem_at_every_look_and_others_go_on(watch, tree, monkeypatch):
    started(watch)
    tree.write(NIGHT, 0, OLD)
    tree.write(NEXT, 0, OLD)
    with monkeypatch.context() as patch:
        refuse(patch, str(tree.path(NIGHT, 0).parent))
        problems = [watch.look().problems for _ in range(4)]
        assert all(f"night {NIGHT}" in problem and "Permission denied" in problem for [problem] in problems)
        assert watch.nights() == [NEXT]
    watch.look(), watch.look()
    assert watch.nights() == [NEXT, NIGHT]
    with monkeypatch.context() as patch:  # a night that is known is not called deleted
        refuse(patch, str(tree.path(NIGHT, 0).parent))
        for _ in range(3):
            assert len(watch.look().problems) == 1
    assert watch.look().problems == []
    assert watch.nights() == [NEXT, NIGHT]


def test_nights_below_a_folder_without_permission_are_kept(watch, tree, monkeypatch):
    started(watch)
    tree.write(NIGHT, 0, OLD)
    tree.write(NIGHT, 0, OLD, place="CP/V5.7")
    tree.write(NEXT, 0, OLD, place="CP/V5.7")
    watch.look(), watch.look()
    refuse(monkeypatch, str(tree.root / "CP" / "V5.7"))
    for _ in range(3):
        found = watch.look()
        assert any("CP/V5.7: can't be read" in problem for problem in found.problems)
        assert found.changes == []
    monkeypatch.undo()
    assert watch.look().problems == []
    assert sorted(watch.nights()) == [NIGHT, NEXT]


def test_a_folder_that_the_system_really_refuses_is_a_problem_until_it_does_not(watch):
    root = os.geteuid() == 0
    place = Path(tempfile.mkdtemp(prefix="badexp-refused-"))  # nobody else may enter the folders of pytest
    place.chmod(0o777)
    watch.tree, watch.folder = type(watch.tree)(place / "archive"), place / "state"
    try:
        started(watch)
        watch.folder.mkdir(exist_ok=True)
        watch.folder.chmod(0o777)
        folder = watch.tree.write(NIGHT, 0, OLD).parent
        folder.chmod(0)
        if root:
            os.seteuid(65534)
        try:
            for _ in range(3):
                [problem] = watch.look().problems
                assert "Permission denied" in problem
        finally:
            if root:
                os.seteuid(0)
        folder.chmod(0o755)
        watch.look(), watch.look()
        assert watch.nights() == [NIGHT]
    finally:
        shutil.rmtree(place)


def test_a_file_servers_clock_that_is_ahead_is_told_and_files_settle_by_ours(watch, tree):
    started(watch)
    tree.write(NIGHT, 0, watch.now + 7200)
    found = watch.look()
    assert found.changes == []
    assert "ahead of this machine's" in found.notes[0]
    for _ in range(3):
        watch.look()
    assert watch.nights() == [NIGHT]
    for _ in range(5):
        assert watch.look(3600).changes == []


def test_a_file_servers_clock_that_is_behind_does_not_make_a_growing_file_whole(watch, tree):
    started(watch)
    for blocks in range(1, 6):
        tree.write(NIGHT, 0, watch.now - 7200, blocks=blocks)
        assert watch.look().changes == []
    watch.look()
    assert watch.requested == [(NIGHT, list_night_files(tree.root, NIGHT, load_camera()).fingerprint)]


def test_a_clock_that_is_set_back_is_told_and_nothing_is_requested_twice_or_lost(watch, tree):
    started(watch)
    tree.write(NIGHT, 0, watch.now)
    for _ in range(4):
        watch.look()
    found = watch.look(-86400)
    assert "was set back by 86400 s" in found.notes[0]
    assert watch.nights() == [NIGHT]
    tree.write(NEXT, 0, watch.now + 86400)  # by a file server that was not set back
    for _ in range(5):
        watch.look()
    assert watch.nights() == [NIGHT, NEXT]


def test_a_slow_disk_is_looked_at_in_parts_and_nothing_is_forgotten(watch, tree, monkeypatch):
    """Every stat takes a second of the clock that limits a look."""
    watch.params = replace(watch.params, scan_seconds=5, recent_nights=1)
    started(watch)
    nights = [f"2018-05-{day:02d}" for day in range(1, 31)]
    for night in nights:
        tree.write(night, 0, OLD)
    seconds = 0.0
    stat = os.stat

    def slow_stat(*words, **options):
        nonlocal seconds
        seconds += 1
        return stat(*words, **options)

    monkeypatch.setattr(os, "stat", slow_stat)
    left = []
    for _ in range(40):
        before = seconds
        left.append(watch.look(clock=lambda: seconds).n_left)
        assert seconds - before < 12
    assert left[0] > 20
    assert sorted(watch.nights()) == nights
    tree.write(nights[7], 1, OLD)
    for _ in range(40):
        watch.look(clock=lambda: seconds)
    assert watch.nights()[30:] == [nights[7]]


@pytest.mark.parametrize(
    "cursor",
    ["5f3a", "{}", '{"version": 0, "nights": {"2018-05-17": "abc"}}', '{"version": 1, "nights": "gone"}', "[1]"],
)
def test_an_old_or_damaged_cursor_is_told_and_made_anew(watch, tree, cursor):
    tree.write(NIGHT, 0, OLD)
    tree.write(NEXT, 0, OLD)
    watch.scored = {NIGHT: list_night_files(tree.root, NIGHT, load_camera()).fingerprint, NEXT: "of other files"}
    watch.cursor = cursor
    watch.look()
    assert "starting with a new one" in watch.said
    watch.look()
    assert watch.said is None
    assert watch.nights() == [NEXT]


@pytest.mark.parametrize("text", ["", "{}", '{"version":1,"nights":{"2018-05-17":[1]}}', '{"version":9,"nights":{}}'])
def test_a_damaged_file_of_nights_is_told_and_made_anew(watch, tree, text):
    tree.write(NIGHT, 0, OLD)
    watch.look()
    [path] = watch.folder.glob("nights-*.json")
    path.write_text(text)
    found = watch.look()
    assert str(path) in watch.said
    assert found.unscored == [NIGHT]


def test_a_tick_that_fails_after_it_stored_its_state_is_repeated(watch, tree):
    started(watch)
    tree.write(NIGHT, 0, OLD)
    watch.look()
    before = watch.cursor
    assert len(watch.look().changes) == 1
    watch.cursor = before  # Dagster keeps the cursor of the last tick that came to its end
    assert len(watch.look().changes) == 1


def test_the_cursor_is_short_and_a_quiet_look_writes_nothing(watch, tree):
    for day in range(1, 31):
        tree.write(f"2018-05-{day:02d}", 0, OLD)
    watch.look(), watch.look()
    before = {path: path.stat().st_mtime_ns for path in watch.folder.iterdir()}
    watch.look()
    assert {path: path.stat().st_mtime_ns for path in watch.folder.iterdir()} == before
    assert len(watch.cursor) < 300
    assert set(json.loads(watch.cursor)) >= {"version", "nights"}


@pytest.mark.parametrize(
    "given",
    [
        {"first_look": "all"},
        {"settle_seconds": -1},
        {"settle_seconds": float("nan")},
        {"max_requests": 0},
        {"max_requests": 2.5},
        {"scan_seconds": "30"},
        {"recent_nights": True},
    ],
)
def test_an_option_out_of_range_is_named(given):
    with pytest.raises(InputError, match=rf"^\[arrivals\]: {next(iter(given))} is "):
        ArrivalParams(**given)
