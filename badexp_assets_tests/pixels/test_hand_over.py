"""What passes between readers, the main process and the device: memory without a name, and a queue of embeddings."""

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import psutil
import pytest

from badexp_assets.config.night_options import EntropyParams, PassParams
from badexp_assets.pixels.embedding_queue import EmbeddingQueue
from badexp_assets.pixels.exposure_stream import PixelReader
from badexp_assets.pixels.measure_ccd import CcdMeasurer
from badexp_assets.pixels.shared_arrays import SharedArrays
from badexp_assets.survey.archive import list_exposures
from badexp_assets.survey.cameras import load_camera
from badexp_assets_tests.pixels.stand_in import MeanEmbedder
from badexp_assets_tests.repository import REPOSITORY
from badexp_assets_tests.waiting import LONGEST_WAIT

NIGHT = "2018-05-17"
SHARED_MEMORY = Path("/dev/shm")


def write_to(images, place, arrays, shapes):
    shapes.send(images.write(place, *arrays))


@pytest.mark.slow
def test_arrays_that_another_process_wrote_are_read_to_the_bit():
    images = SharedArrays(3, 4 * (5 * 7 + 2 * 3 * 3))
    rng = np.random.default_rng(1)
    image, stamps = (rng.normal(size=shape).astype(np.float32) for shape in ((5, 7), (2, 3, 3)))
    image[2, 2] = np.nan
    context = multiprocessing.get_context("forkserver")
    here, there = context.Pipe(duplex=False)
    process = context.Process(target=write_to, args=(images, 1, (image, stamps), there))
    process.start()
    shapes = here.recv()
    process.join()
    for found, array in zip(images.read(1, shapes), (image, stamps), strict=True):
        np.testing.assert_array_equal(found, array)
    assert not images.read(0, [(5, 7)])[0].any()
    images.close()


def test_arrays_that_are_larger_than_their_place_are_refused_and_change_nothing():
    images = SharedArrays(2, 4 * 16)
    assert images.write(0, np.ones((2, 8), np.float32)) == ((2, 8),)
    assert images.write(0, np.zeros((3, 8), np.float32)) is None
    assert images.write(0, np.zeros((2, 8), np.float32), np.zeros(1, np.float32)) is None
    assert images.read(0, [(2, 8)])[0].all()
    assert not images.read(1, [(4, 4)])[0].any()
    images.close()


def test_results_come_in_the_order_of_submission_though_a_later_embedding_ends_first():
    first = threading.Event()
    with EmbeddingQueue(2) as queue:
        queue.submit("slow", lambda: first.wait(LONGEST_WAIT))
        queue.submit("quick", lambda: "done")
        assert list(queue.results(2)) == []
        first.set()
        assert list(queue.results(0)) == [("slow", True), ("quick", "done")]


def test_the_queue_waits_only_until_as_few_are_left_as_asked_for():
    gates = [threading.Event() for _ in range(3)]
    with EmbeddingQueue(1) as queue:
        for n, gate in enumerate(gates):
            queue.submit(n, lambda gate=gate: gate.wait(LONGEST_WAIT))
        gates[0].set()
        assert [owner for owner, _ in queue.results(2)] == [0]
        assert list(queue.results(2)) == []
        gates[1].set(), gates[2].set()
        assert [owner for owner, _ in queue.results(0)] == [1, 2]


def test_an_error_of_an_embedding_comes_after_the_results_before_it():
    with EmbeddingQueue(1) as queue:
        queue.submit("good", lambda: 1)
        queue.submit("broken", lambda: 1 / 0)
        results = queue.results(0)
        assert next(results) == ("good", 1)
        with pytest.raises(ZeroDivisionError):
            next(results)


@pytest.fixture
def ready(tiny_cp, tmp_path):
    """The archive, and the rows of its four exposures, 11 to 14."""
    for expnum in (11, 12, 13, 14):
        tiny_cp.write_cp(tmp_path / "cp", expnum, time=f"0400{expnum}")
    return tmp_path / "cp", list_exposures(tmp_path / "cp", NIGHT, load_camera()).to_dict("records")


@pytest.mark.slow
def test_all_stamps_of_an_exposure_can_be_wanted_of_reading_processes(ready, monkeypatch):
    archive, rows = ready
    sizes = []
    make = SharedArrays.__init__
    monkeypatch.setattr(SharedArrays, "__init__", lambda self, n, size: sizes.append(n * size) or make(self, n, size))
    found = []
    for workers in (0, 2):
        params = PassParams(n_draw=20, preview_height=0, stamps_per_exposure=10**6, workers=workers)
        reader = PixelReader(archive, load_camera(), MeanEmbedder(), EntropyParams(gradient_points=50), params)
        found.append({exposure.place: exposure.tables["night_stamps"] for exposure in reader.read(rows)})
    assert len(sizes) == 1
    assert sizes[0] < 2**31  # not a million stamps for each CCD: a limit of address space would end the pass
    assert found[0] == found[1]
    assert sum(map(len, found[0].values())) > 10


def test_a_slow_ccd_holds_up_its_own_exposure_and_no_other(ready, monkeypatch):
    archive, rows = ready
    others = threading.Event()
    measured = CcdMeasurer.__call__

    def slow(self, task):
        if (task.expnum, task.ccd.ccdname) == (11, "S4"):
            assert others.wait(120)
        return measured(self, task)

    monkeypatch.setattr(CcdMeasurer, "__call__", slow)
    monkeypatch.setattr("torch.get_num_threads", lambda: 2)
    params = PassParams(n_draw=20, preview_height=64, stamps_per_exposure=2, workers=0)
    reader = PixelReader(archive, load_camera(), MeanEmbedder(), EntropyParams(gradient_points=50), params)
    order = []
    for exposure in reader.read(rows):
        order.append(exposure.place)
        if len(order) == 3:
            others.set()
    assert order == [1, 2, 3, 0]


def test_rows_of_an_exposure_do_not_depend_on_the_order_in_which_ccds_are_measured(ready, monkeypatch):
    archive, rows = ready
    params = PassParams(n_draw=20, preview_height=64, stamps_per_exposure=2, workers=0)
    found = {}
    for threads in (1, 4):
        delays = np.random.default_rng(threads)
        measured = CcdMeasurer.__call__

        def delayed(self, task, measured=measured, delays=delays):
            found = measured(self, task)
            time.sleep(delays.uniform(0, 0.02))
            return found

        with monkeypatch.context() as patched:
            patched.setattr(CcdMeasurer, "__call__", delayed)
            patched.setattr("torch.get_num_threads", lambda threads=threads: threads)
            reader = PixelReader(archive, load_camera(), MeanEmbedder(), EntropyParams(gradient_points=50), params)
            found[threads] = {exposure.place: exposure.tables for exposure in reader.read(rows)}
    assert found[1].keys() == found[4].keys() == {0, 1, 2, 3}
    for place, tables in found[1].items():
        assert tables.keys() == found[4][place].keys()
        for name, table in tables.items():
            assert table.equals(found[4][place][name])


_PASS = """
import sys, time
from pathlib import Path
sys.path[:0] = {path!r}
import test_hand_over as t
if __name__ == "__main__":
    rows = t.list_exposures(Path({archive!r}), t.NIGHT, t.load_camera()).to_dict("records")
    params = t.PassParams(n_draw=20, preview_height=64, stamps_per_exposure=2, workers=2)
    embedder = t.MeanEmbedder()
    embedder.recipe.rows = embedder.recipe.columns = 8
    reader = t.PixelReader(
        Path({archive!r}), t.load_camera(), embedder, t.EntropyParams(gradient_points=50), params
    )
    for exposure in reader.read(rows):
        print("ready", flush=True)
        time.sleep(60)
"""


@pytest.mark.slow
@pytest.mark.skipif(not SHARED_MEMORY.is_dir(), reason="no /dev/shm")
def test_a_pass_that_is_killed_with_all_its_processes_leaves_no_shared_memory(ready, tmp_path):
    archive, _ = ready
    before = set(SHARED_MEMORY.iterdir())
    script = tmp_path / "pass.py"
    path = [str(Path(__file__).parent), str(REPOSITORY)]
    script.write_text(_PASS.format(path=path, archive=str(archive)))
    with subprocess.Popen(
        [sys.executable, str(script)], stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        assert process.stdout.readline() == "ready\n"
        family = psutil.Process(process.pid).children(recursive=True)
        assert [f for p in family for f in maps_of(p) if "badexp-pixels" in f]  # the readers do share memory
        os.killpg(process.pid, signal.SIGKILL)
    psutil.wait_procs(family, timeout=LONGEST_WAIT)
    assert {path for path in SHARED_MEMORY.iterdir() if path.name.startswith(("badexp", "psm"))} <= before


def maps_of(process):
    return Path(f"/proc/{process.pid}/maps").read_text().splitlines()
