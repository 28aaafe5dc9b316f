"""One EXPNUM in two nights costs the exposure that came second, by name, and nothing else."""

import errno
import os
from pathlib import Path
from unittest.mock import Mock

import pytest

from badexp_assets.config.night_options import EntropyParams, PassParams
from badexp_assets.errors import DamagedTableError
from badexp_assets.io.parquet_reading import read_table
from badexp_assets.io.place import Place
from badexp_assets.io.transient_errors import is_transient
from badexp_assets.pixels import stored_numbers
from badexp_assets.pixels.exposure_stream import PixelReader
from badexp_assets.pixels.night_pass import run_pass
from badexp_assets.pixels.night_progress import NightPlanner
from badexp_assets.pixels.night_tables import PASS_TABLES
from badexp_assets.pixels.stored_numbers import StoredNumbers
from badexp_assets.survey.cameras import load_camera
from badexp_assets_tests.pixels.stand_in import MeanEmbedder

FIRST, SECOND = "2018-05-17", "2018-05-18"
HEADERS = {FIRST: {"MJD-OBS": 58256.19, "DTCALDAT": FIRST}, SECOND: {"MJD-OBS": 58257.19, "DTCALDAT": SECOND}}
PARAMS = PassParams(preview_height=0, stamps_per_exposure=1, workers=0, focal_plane_step=0)
ENTROPY = EntropyParams(gradient_points=20)


class Survey:
    def __init__(self, tiny_cp, folder: Path, tables: Place | None = None) -> None:
        self._tiny_cp, self.archive, self._tables = tiny_cp, folder / "cp", tables or folder / "tables"

    def write(self, night: str, expnum: int, time: str = "044138", **header) -> Path:
        cards = HEADERS[night] | header
        folder = f"CP{night.replace('-', '')}"
        options = {"header": cards, "with_ood": False, "packed": False, "ccds": {"N4": 35}}
        path = self._tiny_cp.write_cp(self.archive, expnum, time=time, folder=folder, **options)
        named = path.with_name(path.name.replace("180518", "180518" if night == FIRST else "180519"))
        return path.rename(named)

    def places(self, night: str) -> dict[str, Place]:
        return {name: self._tables / name / f"{night}.parquet" for name in PASS_TABLES}

    def numbers(self) -> StoredNumbers:
        return StoredNumbers(self._tables / "night_exposures")

    def read(self, *nights: str) -> None:
        for night in nights:
            setup = (load_camera(), MeanEmbedder(), ENTROPY, PARAMS, self.places(night))
            run_pass(self.archive, night, *setup, numbers=self.numbers(), journal=self.archive.parent / f".{night}")

    def is_read(self, night: str) -> bool:
        ids = PixelReader(self.archive, load_camera(), MeanEmbedder(), ENTROPY, PARAMS).embedding_ids
        journals = lambda night: self.archive.parent / f".{night}"  # noqa: E731
        planner = NightPlanner(
            self.archive, load_camera(), ids, ENTROPY, PARAMS, journals=journals, numbers=self.numbers()
        )
        return planner.is_read(night, self.places(night))

    def table(self, night: str, asset: str = "night_exposures"):
        return read_table(self.places(night)[asset])

    def statuses(self, night: str) -> list[str]:
        return sorted(self.table(night)["status"])


@pytest.fixture
def survey(tiny_cp, tmp_path) -> Survey:
    return Survey(tiny_cp, tmp_path)


@pytest.mark.parametrize(
    ("header", "said"),
    [
        ({}, "is also that of another exposure, CP20180517/"),
        ({"FILTER": "z DECam SDSS c0004 9260.0 1520.0"}, "with band r, MJD-OBS 58256.19000; this one has band z"),
        ({"MJD-OBS": 58256.19}, "the same exposure, by time and band, is CP20180517/"),
    ],
)
def test_the_earlier_night_keeps_the_number(survey, header, said):
    survey.write(FIRST, 7)
    survey.write(SECOND, 7, **header)
    survey.write(SECOND, 8, time="050000")
    survey.read(FIRST, SECOND)
    assert (survey.statuses(FIRST), survey.statuses(SECOND)) == (["scored"], ["excluded", "scored"])
    (row,) = survey.table(SECOND).query("status == 'excluded'").to_dict("records")
    assert row["expnum"] < 0
    assert said in row["status_reason"]
    assert f"(night {FIRST})" in row["status_reason"]
    assert survey.table(SECOND, "night_embeddings")["expnum"].tolist() == [8]
    assert survey.is_read(FIRST)
    assert survey.is_read(SECOND)


def test_a_night_that_was_read_before_the_earlier_one_is_read_again(survey):
    survey.write(SECOND, 7)
    survey.write(SECOND, 8, time="050000")
    survey.read(SECOND)
    assert survey.numbers().contradicting_nights() == set()
    survey.write(FIRST, 7)
    survey.read(FIRST)
    assert survey.numbers().contradicting_nights() == {SECOND}
    assert not survey.is_read(SECOND)
    survey.read(SECOND)
    assert survey.statuses(SECOND) == ["excluded", "scored"]
    assert survey.numbers().contradicting_nights() == set()


def test_an_exposure_is_read_once_the_other_has_its_own_number(survey):
    path = survey.write(FIRST, 7)
    survey.write(SECOND, 7)
    survey.read(FIRST, SECOND)
    path.unlink()
    survey.write(FIRST, 6)
    survey.read(FIRST)
    assert not survey.is_read(SECOND)
    survey.read(SECOND)
    assert survey.table(SECOND)[["expnum", "status"]].to_numpy().tolist() == [[7, "scored"]]


def test_an_exposure_that_can_not_be_used_keeps_no_number(survey):
    survey.write(FIRST, 7, EXPTIME=1.0)
    survey.write(FIRST, 7, time="050000", **{"MJD-OBS": 58256.2})
    survey.write(FIRST, 9, time="060000", EXPTIME=1.0)
    survey.write(SECOND, 9)
    survey.read(FIRST, SECOND)
    used = survey.table(FIRST).query("status == 'scored'")
    assert (used["expnum"].tolist(), used["mjd_obs"].tolist()) == ([7], [58256.2])
    assert survey.statuses(SECOND) == ["scored"]


def test_a_damaged_table_of_another_night_costs_nothing(survey):
    survey.write(FIRST, 7)
    survey.write(SECOND, 8)
    survey.read(FIRST, SECOND)
    survey.places(FIRST)["night_exposures"].write_bytes(b"no table")
    survey.read(SECOND)
    assert survey.statuses(SECOND) == ["scored"]


def test_a_table_that_could_not_be_read_is_read_again(survey, monkeypatch):
    survey.write(FIRST, 7)
    survey.read(FIRST)
    table, numbers = survey.places(FIRST)["night_exposures"], survey.numbers()
    content, times = table.read_bytes(), table.stat()
    stored_numbers._known.clear()

    def write(data):
        table.write_bytes(data)
        os.utime(table, ns=(times.st_atime_ns, times.st_mtime_ns))
        numbers.refresh()
        return numbers.earlier_nights(SECOND, [7])

    assert write(bytes(len(content))) == {}
    assert write(content) == {7: FIRST}
    stored_numbers._known.clear()
    error = OSError(errno.EIO, "Input/output error")
    with monkeypatch.context() as failing:
        failing.setattr("pyarrow.parquet.ParquetFile", Mock(side_effect=error))
        with pytest.raises(DamagedTableError, match="Input/output error") as failed:
            numbers.refresh()
    assert is_transient(failed.value)
    assert write(content) == {7: FIRST}


@pytest.mark.slow
def test_numbers_of_nights_behind_a_url_are_known(tiny_cp, tmp_path, bucket):
    survey = Survey(tiny_cp, tmp_path, bucket / "tables")
    survey.write(FIRST, 7)
    survey.write(SECOND, 7)
    survey.read(FIRST, SECOND)
    assert survey.statuses(SECOND) == ["excluded"]
