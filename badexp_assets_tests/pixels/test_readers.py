"""Reading in a thread or in processes: the same results in order, bounded, and a process that dies costs one CCD."""

import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil
import pytest

from badexp_assets.config.night_options import EntropyParams, PassParams
from badexp_assets.errors import InputError, LostProcessError
from badexp_assets.pixels.measure_ccd import CcdMeasurer, CcdTask, MeasuredCcd
from badexp_assets.pixels.measuring_pool import MeasuringPool
from badexp_assets.pixels.mosaic import MosaicPlan
from badexp_assets.survey.cameras import load_camera
from badexp_assets.survey.exposure import CcdInfo
from badexp_assets_tests.repository import REPOSITORY
from badexp_assets_tests.waiting import LONGEST_WAIT

CCDS = [CcdInfo(28, "S4", 1), CcdInfo(32, "N1", 2), CcdInfo(35, "N4", 3), CcdInfo(43, "N12", 4)]


LAST = "the last was killed by signal 9, as happens for lack of memory"
SLEEP = 60.0  # seconds


class Odd(Exception):
    """Can't be pickled."""

    def __init__(self, what, lock):
        super().__init__(what)
        self.lock = lock


@dataclass(frozen=True)
class Recipe:
    """Gives the mean, but for an image of `rows` rows; with that one it does what it is told."""

    does: str = "nothing"
    rows: int = 60
    fault: Path | None = None

    def prepare(self, image, mask, sky, noise):
        if image.shape[0] == self.rows:
            if self.does == "dies" or (self.fault is not None and self.fault.exists()):
                if self.fault is not None:
                    self.fault.unlink()
                os.kill(os.getpid(), signal.SIGKILL)
            if self.does == "refuses":
                raise InputError("image: not to my taste")
            if self.does == "sleeps":
                time.sleep(SLEEP)
            if self.does == "breaks oddly":
                raise Odd("of a lock", threading.Lock())
            if self.does == "breaks":
                raise ZeroDivisionError("a bug")
        return np.array([sky, noise, np.nanmean(image)], np.float32)


@pytest.fixture
def exposure(tiny_cp, tmp_path):
    """An exposure whose third CCD has 60 rows."""
    return tiny_cp.write_cp(tmp_path, 11, images={"N4": tiny_cp.tiny_image(1, (60, 90))})


def measure(does="nothing", fault=None):
    recipe = Recipe(does, fault=fault)
    return CcdMeasurer(
        load_camera(), recipe, MosaicPlan(load_camera(), 64, 64), EntropyParams(gradient_points=100), PassParams()
    )


def tasks(ooi, expnum=11):
    return [CcdTask(expnum, ooi, None, ccd, True, (20, 40)) for ccd in CCDS]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("places", "n_stamps"),
    [(0, 64), (3, 64), (8, 64), (8, 0)],
    ids=["in a pipe", "in both", "in shared memory", "without room for stamps"],
)
def test_processes_and_threads_give_what_one_thread_gives(exposure, places, n_stamps):
    items = [*tasks(exposure), "a word", *tasks(exposure, 12), "the end"]
    found = {}
    for workers, threads in ((0, 1), (0, 3), (2, 1)):
        room = 12 + n_stamps * 16384
        with MeasuringPool(measure(), workers, threads=threads, places=places, place_bytes=room) as readers:
            done = list(readers.run(iter(items)))
        assert [item for item in done if isinstance(item, str)] == ["a word", "the end"]
        ccds = [item for item in done if isinstance(item, MeasuredCcd)]
        assert max(len(ccd.stamps) for ccd in ccds) > 0
        if workers:
            shared = [ccd for ccd in ccds if ccd.free is not None]
            assert len(shared) == min(places, len(ccds))
            assert all(
                (ccd.stamps.pixels.base is ccd.prepared.base) == (n_stamps > 0) for ccd in shared if len(ccd.stamps)
            )
        found[workers, threads] = sorted(ccds, key=lambda ccd: (ccd.task.expnum, ccd.task.ccd.ccdnum))
    expected = [item for item in items if not isinstance(item, str)]
    for one, two, three, item in zip(*found.values(), expected, strict=True):
        assert_same(one, two, item)
        assert_same(one, three, item)


def assert_same(one, two, item):
    """Both are the measurements of `item`."""
    assert one.task == two.task == item
    assert one.reason is two.reason is None
    assert one.features == two.features
    assert np.array_equal(one.prepared, two.prepared)
    assert np.array_equal(one.orientations.gradient_counts, two.orientations.gradient_counts)
    assert np.array_equal(one.tile.pixels, two.tile.pixels, equal_nan=True)
    for name in ("priority", "ccdnum", "x", "y", "pixels"):
        assert np.array_equal(getattr(one.stamps, name), getattr(two.stamps, name))


@pytest.mark.slow
def test_a_process_of_the_pool_can_be_ended_although_its_parent_ignores_that_signal():
    code = """
import multiprocessing, signal
from pathlib import Path
from badexp_assets.pixels.measure_ccd import CcdTask
from badexp_assets.pixels.task_process import TaskProcess
signal.signal(signal.SIGTERM, signal.SIG_IGN)
task = CcdTask(1, Path("ooi"), None, None, True, None)
work = TaskProcess(repr)
assert work(task) == repr(task)
(process,) = multiprocessing.active_children()
process.terminate()
process.join(30)
print(process.exitcode)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=LONGEST_WAIT, check=False
    )
    assert done.stdout.strip() == "-15", done.stderr


@pytest.mark.slow
def test_a_process_that_dies_costs_the_ccd_it_dies_of_and_no_other(exposure):
    with MeasuringPool(measure("dies"), 2) as readers:
        found = list(readers.run(tasks(exposure) + tasks(exposure, 12)))
    reasons = {(ccd.task.expnum, ccd.task.ccd.ccdname): ccd.reason for ccd in found}
    assert len(reasons) == 8
    lost = {key for key, reason in reasons.items() if reason is not None}
    assert lost == {(11, "N4"), (12, "N4")}
    assert reasons[11, "N4"] == f"{exposure}[N4]: 2 processes died at it; {LAST}"


@pytest.mark.slow
def test_leaving_early_does_not_wait_for_what_is_measured(exposure):
    with MeasuringPool(measure("sleeps"), 2) as readers:
        found = readers.run(tasks(exposure))
        assert [next(found).reason for _ in range(3)] == [None] * 3
        started = time.monotonic()
    assert time.monotonic() - started < SLEEP / 2


@pytest.mark.slow
def test_an_error_that_cannot_be_sent_is_no_fault_of_the_file(exposure):
    with MeasuringPool(measure("breaks oddly"), 1) as readers, pytest.raises(LostProcessError, match="Odd: of a lock"):
        list(readers.run(tasks(exposure)))


@pytest.mark.slow
def test_a_process_that_is_killed_for_another_reason_costs_no_ccd(exposure, tmp_path):
    (tmp_path / "fault").touch()
    with MeasuringPool(measure(fault=tmp_path / "fault"), 2) as readers:
        found = list(readers.run(tasks(exposure) + tasks(exposure, 12)))
    assert not (tmp_path / "fault").exists()
    assert [ccd.reason for ccd in found] == [None] * 8


@pytest.mark.parametrize("workers", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_an_image_that_is_refused_is_a_reason_and_a_bug_is_an_error_with_file_and_ccd(exposure, workers):
    with MeasuringPool(measure("refuses"), workers) as readers:
        reasons = [ccd.reason for ccd in readers.run(tasks(exposure))]
    assert reasons == [None, None, f"{exposure}[N4]: image: not to my taste", None]
    with MeasuringPool(measure("breaks"), workers) as readers:
        items = readers.run(tasks(exposure))
        assert next(items).reason is next(items).reason is None
        with pytest.raises(ZeroDivisionError) as caught:
            next(items)
    assert f"while measuring {exposure}[N4]" in caught.value.__notes__


def test_reading_stays_within_its_depth_and_leaving_early_ends_it(exposure):
    given = []

    def plan():
        for item in tasks(exposure) * 20:
            given.append(item)
            yield item

    with MeasuringPool(measure(), 0) as readers:
        items = readers.run(plan())
        for n in range(1, 6):
            next(items)
            assert len(given) <= n + 2
    assert len(given) < 10


def test_as_many_ccds_are_measured_ahead_as_asked_for_and_no_more(exposure):
    measured = []

    class Counted(CcdMeasurer):
        def __call__(self, task):
            found = super().__call__(task)
            measured.append(task)
            return found

    with MeasuringPool(
        Counted(
            load_camera(), Recipe(), MosaicPlan(load_camera(), 64, 64), EntropyParams(gradient_points=100), PassParams()
        ),
        0,
        6,
    ) as readers:
        items = readers.run(iter(tasks(exposure) * 20))
        next(items)
        deadline = time.monotonic() + LONGEST_WAIT
        while len(measured) < 7 and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(0.05)
        assert len(measured) == 7


def test_items_without_ccds_do_not_pile_up(exposure):
    given = []

    def plan():
        for i in range(100):
            given.append(i)
            yield i

    with MeasuringPool(measure(), 0) as readers:
        items = readers.run(plan())
        assert next(items) == 0
        assert len(given) < 10


def test_a_file_that_vanishes_in_the_middle_costs_the_ccds_that_were_not_read(exposure):
    run = measure()
    first, second = tasks(exposure)[:2], tasks(exposure)[2:]
    other = exposure.rename(exposure.with_name("elsewhere.fits.fz"))
    assert "can't be opened" in run(first[0]).reason
    other.rename(exposure)
    assert run(first[1]).reason is None
    exposure.unlink()
    assert run(second[0]).reason is None  # it is still open
    run.close()
    assert "can't be opened" in run(second[1]).reason


_LOADED = """
import sys
from pathlib import Path
sys.path[:0] = {path!r}
import badexp_assets.pixels.load_compiled
from badexp_assets.pixels import source_shapes
from numba.core.dispatcher import Dispatcher
import test_readers as t
from badexp_assets.vision.recipes import Recipe
modules = [module for name, module in sys.modules.items() if name.startswith("badexp_assets.")]
compiled = {{value for module in modules for value in vars(module).values() if isinstance(value, Dispatcher)}}
before = {{function: len(function.signatures) for function in compiled}}
assert sum(before.values()) > 10, before
assert all(before[function] for function in (source_shapes._measure_stamps, source_shapes._mean_profile))
ooi, ood = Path({ooi!r}), Path({ood!r})
recipe = Recipe("scaled", 2, 32, 16, (0.5,) * 3, (0.5,) * 3)
camera = t.load_camera()
measure = t.CcdMeasurer(camera, recipe, t.MosaicPlan(camera, 64, 64), t.EntropyParams(), t.PassParams())
for ccd in t.CCDS:
    assert measure(t.CcdTask(11, ooi, ood, ccd, True, (20, 40))).reason is None
print([function.__name__ for function in compiled if len(function.signatures) > before[function]])
"""


def test_a_process_that_inherits_the_compiled_code_loads_none_for_a_ccd(exposure):
    path = [str(Path(__file__).parent), str(REPOSITORY)]
    ood = exposure.with_name(exposure.name.replace("_ooi_", "_ood_"))
    script = _LOADED.format(path=path, ooi=str(exposure), ood=str(ood))
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("[]\n", "")


_PARENT = """
import sys, time
from pathlib import Path
sys.path[:0] = {path!r}
import test_readers as t
if __name__ == "__main__":
    with t.MeasuringPool(t.measure(), 2) as readers:
        list(readers.run(t.tasks(Path({ooi!r}))))
        print("ready", flush=True)
        time.sleep(600)
"""


@pytest.mark.slow
def test_no_process_outlives_a_parent_that_was_killed(exposure, tmp_path):
    script = tmp_path / "parent.py"
    path = [str(Path(__file__).parent), str(REPOSITORY)]
    script.write_text(_PARENT.format(path=path, ooi=str(exposure)))
    with subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout.readline() == "ready\n"
        family = psutil.Process(parent.pid).children(recursive=True)
        assert len(family) >= 3  # the fork server and two readers
        parent.kill()
    _, alive = psutil.wait_procs(family, timeout=LONGEST_WAIT)
    assert [process.pid for process in alive if process.status() != psutil.STATUS_ZOMBIE] == []
