"""Nights on several devices: the tables of one, whoever reads what; a process that dies costs what it was at."""

import multiprocessing
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path

import psutil
import pytest

from badexp_assets.config.night_options import EntropyParams, PassParams
from badexp_assets.config.settings import load_settings
from badexp_assets.errors import InputError, LostProcessError, ModelError
from badexp_assets.io.transient_errors import is_transient
from badexp_assets.pixels import worker_pool
from badexp_assets.pixels.device_shares import PassSetup, list_device_shares
from badexp_assets.pixels.journal import journal_folder
from badexp_assets.pixels.multi_device import run_nights
from badexp_assets.pixels.night_tables import PASS_TABLES
from badexp_assets.survey.archive import list_nights
from badexp_assets.survey.cameras import load_camera
from badexp_assets_tests.commands.homes import part_of_survey
from badexp_assets_tests.pixels.stand_in import MeanEmbedder
from badexp_assets_tests.repository import REPOSITORY
from badexp_assets_tests.waiting import LONGEST_WAIT

NIGHTS = ["2018-05-17", "2018-05-18", "2018-05-19"]
# without the other CCDs fewer exposures are read ahead, so that two processes get some of each night
PARAMS = PassParams(n_draw=2, preview_height=64, stamps_per_exposure=2, workers=0, focal_plane_step=0)


class Embedder(MeanEmbedder):
    """Notes which process was given what, and fails as it is told."""

    def __init__(self, share):
        super().__init__()
        self.share, self.backbone_id = share, share.backbone

    def add_prepared(self, key, prepared):
        if self.share.meet is not None:
            self._meet(self.share.meet)
        if self.share.log is not None:
            with open(self.share.log, "ab", buffering=0) as log:
                log.write(f"{os.getpid()} {key[0]}\n".encode())
        if self.share.at is not None and key[0] == self.share.at:
            if self.share.does == "dies":
                os.kill(os.getpid(), signal.SIGKILL)
            if self.share.does == "waits":
                time.sleep(10 * LONGEST_WAIT)
            raise {"fails": ModelError("the network broke"), "hiccup": TimeoutError("the disk is away")}[
                self.share.does
            ]
        time.sleep(self.share.pause)
        return super().add_prepared(key, prepared)

    def _meet(self, folder: Path) -> None:
        """Wait for a second process that embeds: under load one may be done before another has started."""
        (folder / str(os.getpid())).touch()
        deadline = time.monotonic() + LONGEST_WAIT
        while len(list(folder.iterdir())) < 2:
            assert time.monotonic() < deadline, "no other process came"
            time.sleep(0.01)


@dataclass(frozen=True)
class Share:
    """Makes an Embedder that, at exposure `at`, does what it is told. meet: folder in which two processes meet."""

    log: Path | None = None
    meet: Path | None = None
    at: int | None = None
    does: str = ""
    device: str = "cpu"
    backbone: str = "sky"
    pause: float = 0.0

    entropy, params = EntropyParams(gradient_points=100), PARAMS

    def load(self) -> PassSetup:
        if self.does == "stays away":
            raise ModelError("no weights")
        return PassSetup(Embedder(self), self.entropy, self.params)


def places(out: Path):
    return lambda night: {name: out / name / f"{night}.parquet" for name in PASS_TABLES}


def go(archive: Path, out: Path, shares, nights=NIGHTS, **more):
    return run_nights(archive, nights, load_camera(), shares, places(out), **more)


def content(out: Path, nights=NIGHTS) -> dict[Path, bytes]:
    return {path.relative_to(out): path.read_bytes() for night in nights for path in places(out)(night).values()}


def read_by(log: Path) -> dict[int, set[int]]:
    """Exposures by process."""
    found: dict[int, set[int]] = {}
    for line in log.read_text().splitlines():
        pid, expnum = map(int, line.split())
        found.setdefault(pid, set()).add(expnum)
    return found


def processes_of_passes() -> list[psutil.Process]:
    """Processes below this one that were forked from the fork server."""
    below = psutil.Process().children(recursive=True)
    return [p for p in below if p.parent() != psutil.Process() and p.status() != psutil.STATUS_ZOMBIE]


@pytest.fixture
def archive(tiny_cp, tmp_path):
    """Three nights of four exposures: 11 to 14, 21 to 24, 31 to 34."""
    for number, night in enumerate(NIGHTS, start=1):
        for i in range(1, 5):
            header = {"DTCALDAT": night}
            folder = f"decam/CP/V4.8.2/CP{night.replace('-', '')}"
            tiny_cp.write_cp(tmp_path / "cp", 10 * number + i, time=f"04{number}00{i}", folder=folder, header=header)
    return tmp_path / "cp"


@pytest.mark.slow
def test_two_processes_share_the_exposures_and_give_the_tables_of_one(archive, tmp_path):
    one = list(go(archive, tmp_path / "one", [Share()]))
    steps = []
    log, meet = tmp_path / "log", tmp_path / "meet"
    meet.mkdir()
    shares = [Share(log, meet, pause=0.05)] * 2
    two = list(go(archive, tmp_path / "two", shares, NIGHTS[::-1], progress=lambda *step: steps.append(step)))
    assert [summary.night for summary in two] == NIGHTS
    assert [replace(s, seconds=0.0) for s in two] == [replace(s, seconds=0.0) for s in one]
    assert content(tmp_path / "two") == content(tmp_path / "one")
    for night in NIGHTS:
        assert [step[1:] for step in steps if step[0] == night] == [(n, 4) for n in range(1, 5)]
    found = read_by(log)
    assert len(found) == 2
    assert os.getpid() not in found
    assert sum(map(len, found.values())) == 12
    assert processes_of_passes() == []


@pytest.mark.slow
def test_a_single_night_is_shared_by_all_processes_and_none_is_read_twice(archive, tiny_cp, tmp_path):
    header, folder = {"DTCALDAT": NIGHTS[0]}, f"decam/CP/V4.8.2/CP{NIGHTS[0].replace('-', '')}"
    for i in range(8):  # a process that starts first reads four or five exposures ahead
        tiny_cp.write_cp(archive, 41 + i, time=f"05010{i}", folder=folder, header=header)
    log, meet = tmp_path / "log", tmp_path / "meet"
    meet.mkdir()
    list(go(archive, tmp_path / "out", [Share(log, meet, pause=0.2)] * 2, NIGHTS[:1]))
    first, second = read_by(log).values()
    assert min(len(first), len(second)) >= 2
    assert (len(first | second), len(first & second)) == (12, 0)
    again = list(go(archive, tmp_path / "out", [Share(log)] * 2, NIGHTS[:2]))
    assert [summary.reused for summary in again] == [True, False]
    assert sum(map(len, read_by(log).values())) == 16


@pytest.mark.slow
@pytest.mark.parametrize("does", ["dies", "fails"])
def test_a_process_that_dies_or_fails_costs_what_it_was_at_and_the_rest_is_kept(archive, tmp_path, does):
    told, done, log = [], [], tmp_path / "log"
    shares = [Share(at=22, does=does, pause=0.05)] * 2  # whoever comes to exposure 22
    with pytest.raises(LostProcessError) as raised:  # noqa: PT012
        for summary in go(archive, tmp_path / "out", shares, tell=told.append):
            done.append(summary.night)
    n_lost, lost_nights = re.fullmatch(
        r".*; it was at (\d+) exposures? of (.*); the other processes go on", *told
    ).groups()
    lost_nights = lost_nights.split(", ")
    assert NIGHTS[1] in lost_nights
    assert sorted(done + lost_nights) == NIGHTS
    text = str(raised.value)
    assert f"{len(lost_nights)} of 3 nights are not finished ({', '.join(lost_nights)})" in text
    assert "what was read of them is kept" in text
    assert ("was killed by signal 9" if does == "dies" else "the network broke") in text
    if does == "fails":
        assert "in the process that worked on it" in raised.value.__cause__.__notes__[0]
    assert not is_transient(raised.value)
    summaries = list(go(archive, tmp_path / "out", [Share(log)] * 2))
    assert [s.night for s in summaries] == NIGHTS
    assert [summary.night for summary in summaries if summary.reused] == done
    assert sum(4 - s.n_resumed for s in summaries if not s.reused) <= int(n_lost)
    assert 1 <= len(set().union(*read_by(log).values())) <= int(n_lost)  # only what was in flight when it was lost
    list(go(archive, tmp_path / "one", [Share()]))
    assert content(tmp_path / "out") == content(tmp_path / "one")


@pytest.mark.slow
def test_when_all_processes_are_gone_the_nights_that_were_not_read_are_named(archive, tmp_path):
    shares = [Share(at=11, does="fails"), Share(does="stays away")]
    with pytest.raises(
        LostProcessError, match=r"3 of 3 nights are not finished \(2018-05-17, 2018-05-18, 2018-05-19\)"
    ):
        list(go(archive, tmp_path / "out", shares))


@pytest.mark.slow
def test_a_hiccup_in_a_process_is_one_here_so_that_the_step_is_repeated(archive, tmp_path):
    with pytest.raises(LostProcessError) as raised:
        list(go(archive, tmp_path / "out", [Share(at=22, does="hiccup")] * 2))
    assert is_transient(raised.value)


@pytest.mark.slow
def test_a_device_that_does_not_start_is_told_and_the_others_do_its_part(archive, tmp_path):
    told = []
    shares = [Share(), Share(does="stays away")]
    assert len(list(go(archive, tmp_path / "out", shares, tell=told.append))) == 3
    assert len(told) == 1
    assert told[0].startswith("no weights")


@pytest.mark.slow
def test_when_no_device_starts_its_own_error_is_raised(archive, tmp_path):
    with pytest.raises(ModelError, match="no weights"):
        list(go(archive, tmp_path / "out", [Share(does="stays away")] * 2))


@pytest.mark.slow
def test_devices_whose_vectors_differ_are_refused(archive, tmp_path):
    with pytest.raises(InputError, match=r"gives other vectors than the rest .*sky.*; set precision"):
        list(go(archive, tmp_path / "out", [Share(pause=0.2), Share(backbone="sky-bf16")]))


@pytest.mark.slow
def test_leaving_early_ends_every_process_and_lets_go_of_the_nights(archive, tmp_path):
    passes = go(archive, tmp_path / "out", [Share(at=31, does="waits")] * 2)
    assert next(passes).night == NIGHTS[0]
    assert 1 <= len(processes_of_passes()) <= 2  # the other may have nothing left to do
    passes.close()
    assert processes_of_passes() == []
    assert [s.night for s in go(archive, tmp_path / "out", [Share()])] == NIGHTS  # no journal is held any more
    assert not journal_folder(places(tmp_path / "out")(NIGHTS[2])["night_exposures"]).exists()


_PARENT = """
import signal, sys
from pathlib import Path
sys.path[:0] = {path!r}
import test_multi_device as t
if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # what runs in the background of a shell ignores it
    shares = [t.replace(t.Share(at=31, does="waits"), device="cpu")] * 2
    for summary in t.go(Path({archive!r}), Path({out!r}), shares):
        print(summary.night, flush=True)
        t.time.sleep({pause})
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("how", "pause"),
    [(signal.SIGKILL, 0), (signal.SIGINT, 0), (signal.SIGINT, 10 * LONGEST_WAIT)],
    ids=["killed", "in it", "between"],
)
def test_no_process_outlives_a_job_that_was_killed_or_interrupted(archive, tmp_path, how, pause):
    script = tmp_path / "parent.py"
    path = [str(Path(__file__).parent), str(REPOSITORY)]
    script.write_text(_PARENT.format(path=path, archive=str(archive), out=str(tmp_path / "out"), pause=pause))
    with subprocess.Popen(
        [sys.executable, str(script)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as parent:
        assert parent.stdout.readline() == f"{NIGHTS[0]}\n"
        family = psutil.Process(parent.pid).children(recursive=True)
        assert len(family) >= 3  # the fork server and two that read
        os.killpg(parent.pid, how) if how == signal.SIGINT else parent.kill()  # Ctrl-C goes to all of them
        _, said = parent.communicate(timeout=LONGEST_WAIT)
    _, alive = psutil.wait_procs(family, timeout=LONGEST_WAIT)
    assert [process.pid for process in alive if process.status() != psutil.STATUS_ZOMBIE] == []
    assert said.count("Traceback") == (how == signal.SIGINT)  # that of the job alone


def test_a_process_whose_job_was_killed_ends_without_a_word(monkeypatch):
    monkeypatch.setattr(worker_pool, "end_with_parent", lambda: None)
    job, connection = multiprocessing.Pipe()
    job.close()
    with pytest.raises(SystemExit), connection:
        worker_pool._work(connection, object(), Path(), load_camera())  # which can't be loaded, and can't be told


@pytest.mark.slow
def test_two_processes_with_the_real_backbone_give_the_tables_of_one_to_the_byte(simulated_survey, tmp_path):
    part_of_survey(simulated_survey, tmp_path / "survey", nights=2, exposures=8)
    archive = tmp_path / "survey" / "images"
    nights = list_nights(archive, load_camera())
    assert len(nights) == 2
    for device, workers in (("cpu", 0), ("cpu,cpu", 2)):
        options = {
            "night_pass": {"device": device, "rows": 32, "columns": 32, "focal_plane_size": 160, "workers": workers}
        }
        shares = list_device_shares(replace(load_settings(tmp_path / "home"), sections=options))
        assert [share.device for share in shares] == ["cpu"] * (device.count(",") + 1)
        out = tmp_path / f"{device}-{workers}"
        assert len(list(go(archive, out, shares, nights))) == 2
        assert content(out, nights) == content(tmp_path / "cpu-0", nights)


def test_devices_share_cores_and_readers(tmp_path, monkeypatch):
    import torch

    def shares(**options):
        settings = replace(load_settings(tmp_path / "home"), sections={"night_pass": options})
        return [(share.device, share.threads, share.params.workers) for share in list_device_shares(settings)]

    monkeypatch.setattr("badexp_assets.pixels.device_shares.processors", lambda: 15)
    assert shares(device="cpu") == [("cpu", 15, 0)]
    assert shares(device="cpu", workers=3) == [("cpu", 15, 3)]
    assert shares(device="cpu,cpu") == [("cpu", 8, 0), ("cpu", 7, 0)]
    monkeypatch.setattr("torch.cuda.device_count", lambda: 4)
    assert torch.cuda.device_count() == 4
    assert shares() == [("cuda:0", 4, 3), ("cuda:1", 4, 3), ("cuda:2", 4, 3), ("cuda:3", 3, 2)]
    assert shares(device="cuda") == [("cuda:0", 15, 14)]
    assert shares(workers=2) == [("cuda:0", 4, 1), ("cuda:1", 4, 1), ("cuda:2", 4, 1), ("cuda:3", 3, 1)]
    assert shares(workers=0)[0] == ("cuda:0", 4, 0)
    monkeypatch.setattr("badexp_assets.pixels.device_shares.processors", lambda: 1)
    assert shares(device="cuda:1,cuda:3") == [("cuda:1", 1, 1), ("cuda:3", 1, 1)]
