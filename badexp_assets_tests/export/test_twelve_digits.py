"""Exposure numbers of twelve digits go through labels, answers and exports."""

import pandas as pd
import pytest
from astropy.table import Table

from badexp_assets.export.bad_expid import write_bad_expid
from badexp_assets.export.exclude_table import write_exclude_table
from badexp_assets.labels.bad_expid import read_bad_expid
from badexp_assets.labels.exclude_table import read_exclude_table
from badexp_assets.review.spreadsheets import read_verdict_file
from badexp_assets.review.store import VerdictStore
from badexp_assets.survey.archive import list_exposures
from badexp_assets.survey.cameras import load_camera
from badexp_assets.survey.headers import parse_header

CAMERA = load_camera("mosaic")


@pytest.mark.parametrize("expnum", [160125082555, 151122115612, 999999999999, 2**31])
def test_a_number_of_twelve_digits_is_labelled_reviewed_and_exported(tmp_path, expnum):
    listed = tmp_path / "mosaic-bad_expid.txt"
    listed.write_text(f"{expnum}-CCD1 clouds\n")
    assert read_bad_expid(listed, CAMERA)["expnum"].tolist() == [expnum]
    answers = tmp_path / "v.csv"
    answers.write_text(f"expnum,reviewer,verdict\n{expnum},ann,bad\n")
    store = VerdictStore(tmp_path / "v.sqlite")
    store.add(read_verdict_file(answers).table)
    assert store.read()["expnum"].tolist() == [expnum]
    rejects = pd.DataFrame({"expnum": [expnum, 12], "ccdnum": pd.array([1, 2], "Int16"), "category": ["psf", "noise"]})
    write_exclude_table(rejects, tmp_path / "exclude.fits", CAMERA)
    assert sorted(Table.read(tmp_path / "exclude.fits")["EXPNUM"].tolist()) == [12, expnum]
    assert sorted(read_exclude_table(tmp_path / "exclude.fits", CAMERA)["expnum"]) == [12, expnum]
    write_bad_expid(rejects, tmp_path / "bad_expid.txt", CAMERA)
    assert sorted(read_bad_expid(tmp_path / "bad_expid.txt", CAMERA)["expnum"]) == [12, expnum]


def test_a_table_of_ordinary_numbers_keeps_the_format_of_des(tmp_path):
    rejects = pd.DataFrame({"expnum": [12], "ccdnum": pd.array([2], "Int16"), "category": ["noise"]})
    write_exclude_table(rejects, tmp_path / "exclude.fits", CAMERA)
    assert Table.read(tmp_path / "exclude.fits")["EXPNUM"].dtype.itemsize == 4


@pytest.mark.parametrize(
    ("cards", "expnum"),
    [
        ({"OBSID": "kp4m.20160125T082555"}, 160125082555),
        ({"OBSID": "kp4m.20151122t112612", "EXPNUM": ""}, 151122112612),
        ({"OBSID": "kp4m.20160125T082555", "EXPNUM": 71234}, 71234),
        ({"OBSID": "ct4m20180518t044138"}, None),
        ({"OBSID": "kp4m.unknown"}, None),
        ({}, None),
    ],
)
def test_an_early_exposure_of_mosaic_has_the_number_of_its_obsid(cards, expnum):
    assert parse_header(cards, CAMERA).expnum == expnum


@pytest.mark.parametrize(
    ("expnum", "status"),
    [(160125082555, "ready"), (999_999_999_999, "ready"), (10**12, "excluded"), (2**53 + 2, "excluded")],
)
def test_a_number_that_can_not_be_reviewed_is_excluded(tiny_cp, tmp_path, expnum, status):
    tiny_cp.write_cp(tmp_path, header={"EXPNUM": expnum}, ccds={"N4": 35}, with_ood=False)
    (row,) = list_exposures(tmp_path, "2018-05-17", load_camera()).to_dict("records")
    assert (row["status"], row["expnum"] == expnum) == (status, status == "ready")
    assert status == "ready" or "EXPNUM is " in row["status_reason"]
