"""I/O errors of local files: what passes costs nothing, and what stays costs the file, with a reason that says so."""

import errno
import os
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from badexp_assets.config.night_options import EntropyParams, PassParams
from badexp_assets.errors import TransientError, UnreadableImageError
from badexp_assets.io.parquet_reading import read_table
from badexp_assets.io.transient_errors import is_transient
from badexp_assets.pixels.night_pass import run_pass
from badexp_assets.pixels.night_tables import PASS_TABLES
from badexp_assets.survey import read_again
from badexp_assets.survey.archive import list_exposures
from badexp_assets.survey.cameras import load_camera
from badexp_assets.survey.fits_file import FitsFile
from badexp_assets_tests.pixels.stand_in import MeanEmbedder

NIGHT = "2018-05-17"
CAMERA = load_camera()
EIO = Path("/proc/self/mem")  # whose first bytes are an I/O error


@pytest.fixture
def pauses(monkeypatch) -> list[float]:
    """Pauses, s, before files were read again; nobody waits."""
    made: list[float] = []
    monkeypatch.setattr(read_again.time, "sleep", lambda seconds: made.append(seconds) if seconds else None)
    monkeypatch.setattr(read_again, "_given_up", {})
    return made


def break_file(path: Path) -> Path:
    """Make every reading of a file an I/O error; return where it was moved."""
    whole = path.rename(path.with_suffix(".whole"))
    path.symlink_to(EIO)
    return whole


def run(archive: Path, out: Path) -> dict:
    places = {name: out / f"{name}.parquet" for name in PASS_TABLES}
    params = PassParams(preview_height=0, stamps_per_exposure=1, workers=0, focal_plane_step=0)
    run_pass(archive, NIGHT, CAMERA, MeanEmbedder(), EntropyParams(gradient_points=20), params, places)
    return {name: read_table(place) for name, place in places.items()}


@pytest.mark.parametrize("product", ["ooi", "ood"])
def test_an_io_error_that_passes_costs_neither_exposure_nor_mask(tiny_cp, tmp_path, monkeypatch, pauses, product):
    for i in range(2):
        ooi = tiny_cp.write_cp(tmp_path / "cp", 100 + i, time=f"04413{i}")
    path = ooi.with_name(ooi.name.replace("ooi", product))
    whole = break_file(path)

    def wait(seconds):
        pauses.append(seconds)
        if seconds > 1 and whole.exists():
            whole.replace(path)

    monkeypatch.setattr(read_again.time, "sleep", wait)
    tables = run(tmp_path / "cp", tmp_path / "out")
    assert tables["night_exposures"]["status"].tolist() == ["scored"] * 2
    assert tables["night_exposures"]["n_ccds_read"].tolist() == [4] * 2
    assert tables["night_ccds"]["has_mask"].all()
    assert tables["night_ccds"]["note"].isna().all()
    assert not whole.exists()


def test_an_io_error_that_stays_costs_the_exposure_or_the_mask_with_its_reason(tiny_cp, tmp_path, pauses):
    paths = [tiny_cp.write_cp(tmp_path / "cp", 100 + i, time=f"04413{i}") for i in range(3)]
    break_file(paths[0])
    break_file(paths[1].with_name(paths[1].name.replace("ooi", "ood")))
    tables = run(tmp_path / "cp", tmp_path / "out")
    exposures, ccds = tables["night_exposures"], tables["night_ccds"]
    assert exposures["status"].value_counts().to_dict() == {"scored": 2, "failed": 1}
    said = "can't be opened (Input/output error); it was tried 6 times in 61 s"
    assert said in exposures.query("status == 'failed'")["status_reason"].item()
    without = ccds[(ccds["status"] == "read") & ~ccds["has_mask"]]
    assert without["expnum"].tolist() == [101] * 4
    assert without["note"].str.contains(said, regex=False).all()
    n_readers = os.cpu_count() or 1
    assert sum(pauses) <= 61 * (1 + n_readers)  # each reader waits once for the mask, and for no CCD of it again


def test_when_the_folder_can_not_be_read_either_the_error_is_transient(tiny_cp, tmp_path, pauses):
    """File handles are used up, which hits every file."""
    ooi = tiny_cp.write_cp(tmp_path)
    files = list_exposures(tmp_path, NIGHT, CAMERA)  # imports what is needed
    assert files["status"].tolist() == ["ready"]
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowest = os.open(os.devnull, os.O_RDONLY)
    os.close(lowest)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest, hard))
    try:
        with pytest.raises(TransientError, match=r"_ooi_.*Too many open files.*nor can its folder be read") as failed:
            FitsFile(ooi)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert is_transient(failed.value)
    assert sum(pauses) == 61
    FitsFile(ooi).close()


def test_a_damaged_file_is_not_waited_for(tiny_cp, tmp_path, pauses):
    ooi = tiny_cp.write_cp(tmp_path)
    ooi.write_bytes(b"no FITS at all")
    assert list_exposures(tmp_path, NIGHT, CAMERA)["status"].tolist() == ["failed"]
    assert pauses == []


_INTERPOSER = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>
/* While $EIO_FLAG exists, bytes from $EIO_FROM on of files whose path has $EIO_PATH are an I/O error. */
static int bad(int fd, long end) {
    char link[64], path[4096] = "";
    snprintf(link, 64, "/proc/self/fd/%d", fd);
    if (access(getenv("EIO_FLAG"), F_OK) || readlink(link, path, 4095) < 0) return 0;
    return strstr(path, getenv("EIO_PATH")) && end > atol(getenv("EIO_FROM"));
}
#define PREAD(name) \
    ssize_t name(int fd, void *b, size_t n, off_t o) { \
        if (bad(fd, o + n)) return errno = EIO, -1; \
        return ((ssize_t(*)(int, void *, size_t, off_t))dlsym(RTLD_NEXT, #name))(fd, b, n, o); }
#define PREADV(name) \
    ssize_t name(int fd, const struct iovec *b, int n, off_t o) { \
        if (bad(fd, o + b->iov_len)) return errno = EIO, -1; \
        return ((ssize_t(*)(int, const struct iovec *, int, off_t))dlsym(RTLD_NEXT, #name))(fd, b, n, o); }
#define PREADV2(name) \
    ssize_t name(int fd, const struct iovec *b, int n, off_t o, int flags) { \
        if (bad(fd, o + b->iov_len)) return errno = EIO, -1; \
        return ((ssize_t(*)(int, const struct iovec *, int, off_t, int))dlsym(RTLD_NEXT, #name))(fd, b, n, o, flags); }
PREAD(pread) PREAD(pread64) PREADV(preadv) PREADV(preadv64) PREADV2(preadv2) PREADV2(preadv64v2)
size_t fread(void *b, size_t s, size_t n, FILE *f) {
    if (bad(fileno(f), ftell(f) + s * n)) return errno = EIO, 0;
    return ((size_t(*)(void *, size_t, size_t, FILE *))dlsym(RTLD_NEXT, "fread"))(b, s, n, f);
}
"""

_READ = """
import os, sys
from pathlib import Path
import numpy as np
from badexp_assets.errors import UnreadableImageError
from badexp_assets.survey import read_again
from badexp_assets.survey.fits_file import FitsFile
path, flag, passes = Path(sys.argv[1]), Path(os.environ["EIO_FLAG"]), sys.argv[2] == "passes"
with FitsFile(path) as file:
    expected = file.pixels(1, "N4")
pauses = []
def wait(seconds):
    pauses.append(seconds)
    if passes and seconds:
        flag.unlink(missing_ok=True)
read_again.time.sleep = wait
with FitsFile(path) as file:
    flag.touch()
    for _ in range(2):
        try:
            print(np.array_equal(file.pixels(1, "N4"), expected))
        except UnreadableImageError as error:
            print(error)
print(sum(pauses))
"""


@pytest.mark.skipif(shutil.which("cc") is None, reason="needs a C compiler")
@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("passes", [True, False])
def test_an_io_error_that_cfitsio_hides_is_known_as_one(tiny_cp, tmp_path, packed, passes):
    ooi = tiny_cp.write_cp(tmp_path, ccds={"N4": 35}, packed=packed, with_ood=False)
    with FitsFile(ooi) as file:
        start = file.infos()[1]["data_start"]
    library = tmp_path / "eio.so"
    (tmp_path / "eio.c").write_text(_INTERPOSER)
    subprocess.run(["cc", "-shared", "-fPIC", "-o", library, tmp_path / "eio.c", "-ldl"], check=True)
    given = {"LD_PRELOAD": library, "EIO_FLAG": tmp_path / "flag", "EIO_PATH": ooi.name, "EIO_FROM": start}
    command = [sys.executable, "-c", _READ, ooi, "passes" if passes else "stays"]
    environment = os.environ | {name: str(value) for name, value in given.items()}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    if passes:
        assert done.stdout.split() == ["True", "True", "1.0"]
    else:
        said = "N4: can't be decompressed (Input/output error); it was tried 6 times in 61 s"
        assert done.stdout.splitlines() == [said, said, "61.0"]


def test_damage_that_looks_like_an_error_is_read_twice_and_not_waited_for(tmp_path, pauses):
    attempts = []

    def read() -> None:
        attempts.append(1)
        raise UnreadableImageError("a.fits[S1]: can't be decompressed") from read_again.PassedError(
            errno.EIO, "Input/output error"
        )

    with pytest.raises(UnreadableImageError) as caught:
        read_again.read_again(tmp_path / "a.fits", read)
    assert (len(attempts), pauses) == (2, [])
    assert not is_transient(caught.value)


def test_an_error_that_has_passed_at_the_second_attempt_costs_nothing(tmp_path):
    attempts = iter([read_again.PassedError(errno.EIO, "Input/output error"), None])

    def read() -> str:
        if (error := next(attempts)) is not None:
            raise UnreadableImageError("a.fits[S1]: can't be decompressed") from error
        return "pixels"

    assert read_again.read_again(tmp_path / "a.fits", read) == "pixels"
