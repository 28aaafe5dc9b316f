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
from badexp_assets.survey.cameras import load_camera

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
