"""A pass that was killed goes on where it was; of a night that changed, only what changed is read."""

import multiprocessing
import os
import random
import shutil
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from badexp_assets.config.night_options import EntropyParams, PassParams
from badexp_assets.config.settings import load_settings
from badexp_assets.pixels.device_shares import load_pass_setup
from badexp_assets.pixels.journal import journal_folder
from badexp_assets.pixels.night_pass import run_pass
from badexp_assets.pixels.night_tables import BUFFER_ROWS, PASS_TABLES
from badexp_assets.simulate.params import SurveyParams
from badexp_assets.simulate.survey import write_survey
from badexp_assets.survey.cameras import load_camera
from badexp_assets_tests.pixels.stand_in import MeanEmbedder
from badexp_assets_tests.waiting import LONGEST_WAIT

NIGHT = "2018-05-17"
KILLS = 20
OPTIONS = {
    "night_pass": {"rows": 32, "columns": 32, "focal_plane_size": 160, "preview_height": 96, "stamps_per_exposure": 4},
    "entropy": {"gradient_points": 200},
}


class Seen(MeanEmbedder):
    """Lists what it is given, and fails at one of it."""

    def __init__(self, fails_at=None):
        super().__init__()
        self.fails_at = fails_at

    def add_prepared(self, key, prepared):
        if self.seen == self.fails_at:
            raise RuntimeError("no more")
        return super().add_prepared(key, prepared)


def paths(out: Path) -> dict[str, Path]:
    return {name: out / name / f"{NIGHT}.parquet" for name in PASS_TABLES}


def go(archive, out, seen=None, params=None):
    seen = seen or Seen()
    params = params or PassParams(n_draw=2, preview_height=64, stamps_per_exposure=2)
    entropy = EntropyParams(gradient_points=100)
    summary = run_pass(archive, NIGHT, load_camera(), seen, entropy, params, paths(out))
    return summary, seen.keys


def content(out: Path) -> dict[str, bytes]:
    return {name: path.read_bytes() for name, path in paths(out).items()}


@pytest.fixture
def archive(tiny_cp, tmp_path):
    for expnum in (11, 12, 13, 14):
        tiny_cp.write_cp(tmp_path / "cp", expnum, time=f"0400{expnum}")
    tiny_cp.write_cp(tmp_path / "cp", 10, time="040010", header={"EXPTIME": 1.0})
    return tmp_path / "cp"


@pytest.fixture(params=[BUFFER_ROWS, dict.fromkeys(BUFFER_ROWS, 3)], ids=["", "row groups that end anywhere"])
def row_groups(request, monkeypatch):
    for name, rows in request.param.items():
        monkeypatch.setitem(BUFFER_ROWS, name, rows)


@pytest.mark.slow
def test_a_new_exposure_and_one_that_changed_are_read_and_the_others_taken_over(archive, tiny_cp, tmp_path, row_groups):
    go(archive, tmp_path / "out")
    tiny_cp.write_cp(archive, 9, time="040009")
    changed = next(archive.rglob("*040012_ooi*"))
    shutil.copyfile(next(archive.rglob("*040013_ooi*")), tmp_path / "other")
    tiny_cp.write_cp(archive, 12, time="040012", images={"N4": tiny_cp.tiny_image(99)})
    os.utime(changed, ns=(1, 1))
    next(archive.rglob("*040014_ooi*")).unlink()
    summary, keys = go(archive, tmp_path / "out")
    assert {expnum for expnum, _ in keys} == {9, 12}
    assert (summary.n_taken_over, summary.n_resumed, summary.n_found) == (2, 0, 5)
    go(archive, tmp_path / "fresh")
    assert content(tmp_path / "out") == content(tmp_path / "fresh")


@pytest.mark.slow
def test_a_pass_that_fails_leaves_its_work_to_the_next(archive, tmp_path):
    with pytest.raises(RuntimeError, match="no more"):
        go(archive, tmp_path / "out", seen=Seen(fails_at=5))
    summary, keys = go(archive, tmp_path / "out")
    assert (summary.n_resumed, summary.n_discarded, len(keys)) == (2, 0, 4)
    assert "2 exposures read by a pass that was cut off" in str(summary)
    go(archive, tmp_path / "fresh")
    assert content(tmp_path / "out") == content(tmp_path / "fresh")
    assert not journal_folder(paths(tmp_path / "out")["night_exposures"]).exists()


@pytest.mark.slow
def test_work_for_other_options_and_damaged_work_is_discarded_and_counted(archive, tmp_path):
    def cut_off():
        with pytest.raises(RuntimeError):
            go(archive, tmp_path / "out", seen=Seen(fails_at=7))

    cut_off()
    params = PassParams(n_draw=2, preview_height=64, stamps_per_exposure=3)
    summary, keys = go(archive, tmp_path / "out", params=params)
    assert (summary.n_discarded, summary.n_resumed, len(keys)) == (3, 0, 8)
    shutil.rmtree(tmp_path / "out")
    cut_off()
    pieces = sorted(journal_folder(paths(tmp_path / "out")["night_exposures"]).glob("*.arrows"))
    pieces[0].write_bytes(pieces[0].read_bytes()[:-500])
    pieces[1].write_bytes(b"")
    summary, keys = go(archive, tmp_path / "out")
    assert (summary.n_discarded, summary.n_resumed, len(keys)) == (2, 1, 6)


@pytest.mark.slow
def test_a_pass_killed_while_tables_move_to_their_places_takes_over_what_old_and_new_share(archive, tiny_cp, tmp_path):
    go(archive, tmp_path / "out")
    tiny_cp.write_cp(archive, 15, time="040015")
    go(archive, tmp_path / "new")
    for name in ("night_previews", "night_stamps"):  # these were moved, the others were not; the journal is lost too
        shutil.copyfile(paths(tmp_path / "new")[name], paths(tmp_path / "out")[name])
    summary, keys = go(archive, tmp_path / "out")
    assert (summary.n_taken_over, {expnum for expnum, _ in keys}) == (4, {15})
    assert content(tmp_path / "out") == content(tmp_path / "new")


def test_what_a_finished_pass_left_behind_goes_away(archive, tmp_path):
    go(archive, tmp_path / "out")
    folder = journal_folder(paths(tmp_path / "out")["night_exposures"])
    folder.mkdir()
    (folder / "1234.arrows").write_bytes(b"")
    summary, keys = go(archive, tmp_path / "out")
    assert (summary.reused, keys) == (True, [])
    assert not folder.exists()


def test_of_two_passes_at_once_one_reads_and_the_other_finds_the_tables(archive, tmp_path):
    results = []
    threads = [threading.Thread(target=lambda: results.append(go(archive, tmp_path / "out"))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(len(keys) for _, keys in results) == [0, 8]
    assert sorted(summary.reused for summary, _ in results) == [False, True]


def one_pass(archive: Path, out: Path, log: Path, started) -> None:
    """Run the pass with the real backbone; every CCD that it takes is a line of `log`."""
    import torch

    torch.set_num_threads(1)  # two of them wait for each other on a busy machine
    machine = load_pass_setup(replace(load_settings(out), sections=OPTIONS))
    embed = machine.embedder.embed

    def logged(keys, prepared):
        with open(log, "ab", buffering=0) as handle:
            handle.write("".join(f"{key}\n" for key in keys).encode())
        return embed(keys, prepared)

    machine.embedder.embed = logged
    started.set()
    run_pass(archive, NIGHT, load_camera(), *machine, paths(out))


@pytest.mark.slow
def test_a_pass_killed_at_twenty_random_moments_gives_the_same_tables_for_little_more_work(tmp_path):
    survey = SurveyParams(nights=1, exposures=8, n_ccds=5, ccd_rows=128, ccd_columns=96, first_night=NIGHT, seed=3)
    archive = write_survey(tmp_path / "survey", survey).archive
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__, "badexp_assets.vision.openvino_engine"])  # seconds for every process

    def start(out: Path) -> tuple:
        started = context.Event()
        process = context.Process(target=one_pass, args=(archive, out, out.with_suffix(".log"), started))
        process.start()
        assert started.wait(LONGEST_WAIT)
        return process, time.monotonic()

    process, begin = start(tmp_path / "undisturbed")
    process.join()
    assert process.exitcode == 0
    seconds = time.monotonic() - begin
    undisturbed = content(tmp_path / "undisturbed")
    n_ccds = len((tmp_path / "undisturbed.log").read_text().splitlines())
    assert n_ccds == 40
    rng, kills, rounds = random.Random(1), 0, 0
    while kills < KILLS:  # a pass that was finished before its kill begins anew, in another place
        rounds += 1
        out = tmp_path / f"killed-{rounds}"
        kills_before = kills
        while True:
            process, _ = start(out)
            if kills < KILLS:
                process.join(rng.uniform(0, seconds / 2))
                process.kill()
            process.join()
            if process.exitcode == 0:
                break
            assert process.exitcode == -9
            kills += 1
        assert content(out) == undisturbed
        n_more = len(out.with_suffix(".log").read_text().splitlines()) - n_ccds
        assert 0 <= n_more <= 5 * (kills - kills_before)
        assert not journal_folder(paths(out)["night_exposures"]).exists()
