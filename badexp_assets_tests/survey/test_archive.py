"""Listing an archive: every exposure has a status and a reason, and counts add up."""

import math

import numpy as np
import pandas as pd
import pytest

from badexp_assets.errors import InputError
from badexp_assets.io.schemas import SCHEMAS
from badexp_assets.survey.archive import list_exposures, list_night_files, list_nights
from badexp_assets.survey.cameras import load_camera
from badexp_assets.survey.exposure import open_exposure
from badexp_assets.survey.headers import parse_header

NIGHT = "2018-05-17"


def listed(archive, night=NIGHT):
    return list_exposures(archive, night, load_camera())


def test_nights_are_found_at_any_depth(tmp_path):
    for place in ("a/b/CP20180517", "CP20180518", "a/c/CP20180517", "a/CP2018", "CP20181301", ".trash/CP20190101"):
        (tmp_path / place).mkdir(parents=True)
    (tmp_path / "a" / "loop").symlink_to(tmp_path)
    assert list_nights(tmp_path, load_camera()) == ["2018-05-17", "2018-05-18"]


@pytest.mark.parametrize("kind", ["missing", "file"])
def test_a_missing_archive_is_named(tmp_path, kind):
    archive = tmp_path / "archive"
    if kind == "file":
        archive.write_text("")
    for call in (lambda archive: list_nights(archive, load_camera()), listed):
        with pytest.raises(InputError, match=str(archive)):
            call(archive)


def test_an_empty_night_is_an_empty_table_with_all_columns(tmp_path):
    (tmp_path / "CP20180517").mkdir()
    for night in (NIGHT, "2001-01-01"):
        table = listed(tmp_path, night)
        assert len(table) == 0
        later = {"n_ccds_read", "n_ccds_failed"}
        assert set(SCHEMAS["night_exposures"].column_names) - later <= set(table.columns)


def test_a_good_exposure_is_ready_with_what_its_header_says(tiny_cp, tmp_path):
    ooi = tiny_cp.write_cp(tmp_path)
    row = listed(tmp_path).iloc[0]
    assert row["status"] == "ready"
    assert row["path"] == row["ooi"] == str(ooi.relative_to(tmp_path))
    assert row["ood"] == row["ooi"].replace("ooi", "ood")
    assert pd.isna(row["previous_path"])
    assert (row["expnum"], row["filter"], row["exptime"], row["n_ccds"]) == (747382, "r", 90.0, 4)
    assert (row["plver"], row["plprocid"], row["airmass"], row["night"]) == ("V5.6S", "9560b38", 1.2, NIGHT)


def test_the_newest_version_wins_by_number_not_by_letter(tiny_cp, tmp_path):
    for plver, procid in (("V4.8.2a", "95fffff"), ("V5.10", "9560b38"), ("V5.10", "9560b39"), ("V5.6S", "9999999")):
        folder = f"decam/CP/{plver}-{procid}/CP20180517"
        tiny_cp.write_cp(tmp_path, folder=folder, header={"PLVER": plver, "PLPROCID": procid})
    table = listed(tmp_path)
    assert len(table) == 1
    assert table.iloc[0]["ooi"].startswith("decam/CP/V5.10-9560b39")
    assert table.iloc[0]["n_superseded"] == 3
    previous = table.iloc[0]["previous_path"]
    assert previous.startswith("decam/CP/V5.10-9560b38")
    assert (tmp_path / previous).is_file()


@pytest.mark.parametrize(
    ("cards", "status", "said"),
    [
        ({"WCSCAL": "Failed"}, "ready", None),
        ({"SCAMPFLG": 2}, "ready", None),
        ({"EXPNUM": "747382", "AIRMASS": "NaN", "PLPROCID": "12345"}, "ready", None),
        ({"DTCALDAT": None}, "ready", None),
        ({"WCSCAL": "Failed", "SCAMPFLG": 2}, "excluded", "WCSCAL"),
        ({"WCSCAL": None, "SCAMPFLG": None}, "excluded", "WCSCAL is missing"),
        ({"EXPTIME": 29.0}, "excluded", "EXPTIME"),
        ({"EXPTIME": "NaN"}, "excluded", "EXPTIME is missing"),
        ({"PROCTYPE": "Resampled"}, "excluded", "PROCTYPE"),
        ({"EXPNUM": 0}, "excluded", "EXPNUM is 0"),
        ({"EXPNUM": None}, "excluded", "EXPNUM is missing"),
        ({"DTCALDAT": "2018-05-18"}, "ready", None),
        ({"DTCALDAT": "2018-05-18", "MJD-OBS": 58257.19}, "excluded", "folder says night 2018-05-17"),
        ({"DTCALDAT": None, "MJD-OBS": None}, "excluded", "night is unknown"),
    ],
)
def test_the_header_decides_whether_an_exposure_is_used(tiny_cp, tmp_path, cards, status, said):
    tiny_cp.write_cp(tmp_path, header=cards, ccds={"N4": 35}, with_ood=False)
    table = listed(tmp_path)
    assert table["status"].tolist() == [status]
    assert table["expnum"].dtype == np.int64
    if said is None:
        assert table["status_reason"].isna().all()
        assert table["expnum"].tolist() == [747382]
    else:
        assert table["status_reason"].str.contains(said).all()


def test_files_without_a_readable_header_are_failed_rows_that_stay_apart(tiny_cp, tmp_path):
    ooi = tiny_cp.write_cp(tmp_path)
    for time, content in (("050000", b""), ("050100", b"\xff" * 5000), ("050200", ooi.read_bytes()[:2880])):
        (ooi.parent / f"c4d_180518_{time}_ooi_z_ls9.fits.fz").write_bytes(content)
    table = listed(tmp_path)
    assert table["status"].value_counts().to_dict() == {"failed": 3, "ready": 1}
    failed = table[table["status"] == "failed"]
    assert (failed["expnum"] < 0).all()
    assert failed["expnum"].is_unique
    assert (failed["filter"] == "z").all()
    assert failed["status_reason"].str.contains(r"c4d_180518_05\d\d00_ooi_z").all()
    assert table["expnum"].equals(listed(tmp_path)["expnum"])


def test_files_being_written_are_ignored_and_other_files_are_counted(tiny_cp, tmp_path):
    ooi = tiny_cp.write_cp(tmp_path)
    (ooi.parent / f"{ooi.name}.part").write_bytes(b"x")
    (ooi.parent / f".{ooi.name}").write_bytes(b"x")
    (ooi.parent / "notes.fits").write_bytes(b"x")
    (ooi.parent / "c4d_180518_060000_ood_r_ls9.fits.fz").write_bytes(b"x")
    files = list_night_files(tmp_path, NIGHT, load_camera())
    assert len(files.exposures) == 1
    assert [path.rsplit("/", 1)[1] for path in files.others] == ["c4d_180518_060000_ood_r_ls9.fits.fz", "notes.fits"]


def test_a_missing_mask_and_a_truncated_file_are_noted(tiny_cp, tmp_path):
    ooi = tiny_cp.write_cp(tmp_path, with_ood=False)
    ooi.write_bytes(ooi.read_bytes()[:-6000])
    row = listed(tmp_path).iloc[0]
    assert row["status"] == "ready"
    assert "no ood" in row["note"]
    assert "truncated" in row["note"]


def test_the_fingerprint_changes_with_the_file(tiny_cp, tmp_path):
    ooi = tiny_cp.write_cp(tmp_path)
    before = list_night_files(tmp_path, NIGHT, load_camera()).fingerprint
    assert list_night_files(tmp_path, NIGHT, load_camera()).fingerprint == before
    ood = ooi.with_name(ooi.name.replace("ooi", "ood"))
    ood.write_bytes(ood.read_bytes() + b"\0" * 2880)
    assert list_night_files(tmp_path, NIGHT, load_camera()).fingerprint != before


def test_odd_cards_are_read_or_missing_but_never_an_error():
    odd = {"EXPNUM": "12.5", "FILTER": " ", "AIRMASS": "-", "MJD-OBS": True, "DATE-OBS": "yesterday", "DTCALDAT": 7}
    header = parse_header(odd, load_camera())
    assert (header.expnum, header.filter, header.airmass, header.mjd_obs, header.night) == (None,) * 5
    dated = parse_header({"DATE-OBS": "2018-05-18T04:33:36.0", "PLPROCID": 12345}, load_camera())
    assert math.isclose(dated.mjd_obs, 58256.19, abs_tol=1e-6)
    assert (dated.night, dated.plprocid) == (NIGHT, "12345")


@pytest.mark.parametrize("folder", ["run[1]", "run [a]", "a(b)", "x+1", "50%25", "q?x", "#h", "@f", "a'b"])
def test_characters_that_mean_something_to_cfitsio_may_be_in_the_path_of_an_archive(tiny_cp, tmp_path, folder):
    tiny_cp.write_cp(tmp_path / "cp", folder="CP20180510")  # whose header says, as its name does, 2018-05-17
    archive = (tmp_path / "cp").rename(tmp_path / folder)
    assert list_nights(archive, load_camera()) == ["2018-05-17"]
    (row,) = list_exposures(archive, "2018-05-17", load_camera()).to_dict("records")
    assert (row["status"], row["n_ccds"]) == ("ready", 4)
    with open_exposure(archive / row["ooi"], archive / row["ood"]) as exposure:
        ccd = exposure.read(35)
    assert ccd.image.shape == ccd.mask.shape == (120, 90)


@pytest.mark.parametrize("size", [0, 5000, 28800])
def test_a_copy_that_is_cut_off_does_not_hide_the_whole_one(tiny_cp, tmp_path, size):
    ooi = tiny_cp.write_cp(tmp_path)
    alone = list_night_files(tmp_path, NIGHT, load_camera()).fingerprint
    copy = ooi.with_suffix("")  # as funpack leaves it
    copy.write_bytes(bytes(size))
    files = list_night_files(tmp_path, NIGHT, load_camera())
    (exposure,) = files.exposures
    first_by_name = size == 28800  # it may be whole
    used, left_out = (copy, ooi) if first_by_name else (ooi, copy)
    assert exposure.ooi == exposure.files["ooi"][0] == str(used.relative_to(tmp_path))
    assert files.others == {str(left_out.relative_to(tmp_path)): f"a second copy of {used.name}"}
    assert (files.fingerprint == alone) != first_by_name
    assert listed(tmp_path)["status"].tolist() == ["failed" if first_by_name else "ready"]
