"""A process that answers tasks, as the images of focal planes are made: its death costs none of them."""

import errno
import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import numpy as np
import psutil
import pytest
from threadpoolctl import threadpool_info

from badexp_assets.errors import InputError, LostProcessError
from badexp_assets.pixels import task_process
from badexp_assets.pixels.focal_plane_images import PlaneImagesTask
from badexp_assets.pixels.task_process import TaskProcess
from badexp_assets_tests.waiting import LONGEST_WAIT

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Renderer:
    """Stands where the renderer of mosaics would; while the file `fault` is there, something goes wrong."""

    fault: Path
    does: str = "nothing"

    def __call__(self, tiles):
        image = np.full(5_000_000, sum(tiles.values()), np.float32)  # of 20 MB, as mosaics in use
        if self.fault.exists():
            if self.does == "stops":
                os.kill(os.getpid(), signal.SIGSTOP)
            if self.does == "answers oddly":
                return threading.Lock()
            if self.does == "refuses":
                raise InputError("image: not to my taste")
            if self.does in ("dies", "dies once"):
                if self.does == "dies once":
                    self.fault.unlink()
                os.kill(os.getpid(), signal.SIGKILL)
            if self.does == "dies while it answers":
                self.fault.unlink()
                return np.zeros(50_000_000, np.float32), Dies()
        return image


class Dies:
    """Kills its process 5 ms after it was pickled, as the last part of an answer whose 200 MB take longer to send."""

    def __reduce__(self):
        threading.Timer(0.005, os.kill, (os.getpid(), signal.SIGKILL)).start()
        return int, ()


@pytest.fixture
def task(tmp_path):
    fault = tmp_path / "fault"
    fault.touch()
    return lambda does="nothing", expnum=11: PlaneImagesTask(expnum, None, {1: 2, 3: 4}, Renderer(fault, does))


def process():
    return TaskProcess(PlaneImagesTask.make)


def test_threads_get_what_is_made_in_one_process_and_none_is_left(task):
    before = set(psutil.Process().children(recursive=True))
    with process() as make, ThreadPoolExecutor(3) as threads:
        found = list(threads.map(make, [task()] * 6))
        started = set(psutil.Process().children(recursive=True)) - before
        assert len([process for process in started if process.ppid() != os.getpid()]) == 1  # below the fork server
    assert [(images.png, images.mosaic[0], len(images.mosaic)) for images in found] == [(None, 6, 5_000_000)] * 6
    assert not any(process.is_running() and process.ppid() != os.getpid() for process in started)


@pytest.mark.parametrize("does", ["dies once", "dies while it answers"])
def test_a_process_that_dies_is_replaced_and_no_image_is_lost(task, does):
    with process() as make:
        assert make(task()).mosaic[0] == 6
        assert len(make(task(does)).mosaic) == 5_000_000
        assert make(task()).mosaic[0] == 6


def test_two_processes_that_die_of_a_task_are_an_error_that_names_it(task):
    with process() as make:
        with pytest.raises(
            LostProcessError,
            match="focal plane of exposure 12: 2 processes died at it; the last was killed by signal 9",
        ):
            make(task("dies", expnum=12))
        assert make(task()).mosaic[0] == 6


def test_the_answer_to_an_interrupted_task_is_not_taken_for_that_to_the_next(task, monkeypatch):
    def interrupted(connection):
        raise KeyboardInterrupt

    with process() as make:
        make(task())
        other = PlaneImagesTask(12, None, {1: 7}, task().mosaics)
        with monkeypatch.context() as patch:
            patch.setattr(Connection, "recv", interrupted)
            with pytest.raises(KeyboardInterrupt):
                make(other)
        assert make(task()).mosaic[0] == 6


def test_a_result_that_cannot_be_sent_is_an_error_and_the_process_goes_on(task):
    with process() as make:
        with pytest.raises(TypeError, match=r"cannot pickle '_thread\.lock'"):
            make(task("answers oddly"))
        task().mosaics.fault.unlink()
        assert make(task()).mosaic[0] == 6


def test_without_a_process_nothing_is_made_and_no_task_is_blamed(task, monkeypatch):
    def refused(self):
        raise OSError(errno.EMFILE, "Too many open files")

    descriptors = psutil.Process().num_fds()
    with process() as make:
        monkeypatch.setattr(ForkServerProcess, "start", refused)
        with pytest.raises(OSError, match="Too many open files"):
            make(task())
        monkeypatch.undo()
        assert make(task()).mosaic[0] == 6
    assert psutil.Process().num_fds() <= descriptors + 3  # those of the fork server, if it is the first


def test_a_process_that_heeds_no_signal_is_ended_while_a_thread_waits_for_it(task, monkeypatch):
    monkeypatch.setattr(task_process, "_SECONDS_TO_END", 0.1)
    with ThreadPoolExecutor(1) as threads:
        with process() as make:
            make(task())
            (child,) = [p for p in psutil.Process().children(recursive=True) if p.ppid() != os.getpid()]
            waiting = threads.submit(make, task("stops"))
            while child.status() != psutil.STATUS_STOPPED:
                assert not waiting.done()
        assert not child.is_running()
        with pytest.raises(LostProcessError, match="exposure 11: the process was ended before it was done"):
            waiting.result()


def test_a_program_that_fails_without_leaving_the_block_ends():
    code = """
from badexp_assets.pixels.focal_plane_images import PlaneImagesTask
from badexp_assets.pixels.task_process import TaskProcess

def images():
    with TaskProcess(PlaneImagesTask.make) as make:
        yield make(PlaneImagesTask(11, None, {}, None))

kept = images()
assert next(kept) == (None, None)
raise RuntimeError("the disk is full")
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=LONGEST_WAIT, check=False
    )
    assert (done.returncode, done.stderr.splitlines()[-1]) == (1, "RuntimeError: the disk is full")


def test_an_error_arrives_with_the_exposure_and_where_it_came_from(task):
    with process() as make:
        with pytest.raises(InputError, match="not to my taste") as raised:
            make(task("refuses"))
        assert make(task()).mosaic[0] == 6
    notes = "\n".join(raised.value.__notes__)
    assert "while making the images of the focal plane of exposure 11" in notes
    assert 'raise InputError("image: not to my taste")' in notes


def threads_of_blas(task: PlaneImagesTask) -> list[int]:
    np.ones((500, 500)) @ np.ones((500, 500))
    return [library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"]


def test_products_of_matrices_use_one_thread_in_a_process(task):
    with TaskProcess(threads_of_blas) as ask:
        assert set(ask(task())) == {1}
