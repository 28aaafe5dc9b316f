"""Files of cameras with names of their own: in any folder, each in the night that its header tells."""

import errno
import gzip
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given
from hypothesis import strategies as st

from badexp_assets.config.night_options import ArrivalParams
from badexp_assets.errors import InputError
from badexp_assets.survey import night_folders
from badexp_assets.survey.archive import (
    NO_TIME,
    folders_by_night,
    list_exposures,
    list_files_outside,
    list_night_files,
    list_nights,
)
from badexp_assets.survey.archive_tree import Settling
from badexp_assets.survey.arrivals.archive_state import ArchiveState
from badexp_assets.survey.arrivals.due_nights import find_due_nights
from badexp_assets.survey.arrivals.scan import scan_archive
from badexp_assets.survey.cameras import load_camera
from badexp_assets.survey.cp_files import parse_name
from badexp_assets.survey.exposure import open_exposure
from badexp_assets.survey.file_account import account_for
from badexp_assets.survey.masks import code_table

SINGLE, MEGACAM = load_camera("single"), load_camera("megacam")
FIRST, SECOND = 53738.3, 53739.3  # MJD of the nights 2006-01-02 and 2006-01-03, UTC
NIGHTS = ["2006-01-02", "2006-01-03"]


def write_image(path: Path, mjd: float | None = FIRST, **cards: object) -> Path:
    """Write a plain image of 48 x 40 px, as programs for small telescopes do."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = fits.PrimaryHDU(np.full((48, 40), 100, np.float32))
    given = {"MJD-OBS": mjd, "EXPTIME": 40.0, "FILTER": "R"} | {name.upper(): value for name, value in cards.items()}
    image.header.update({name: value for name, value in given.items() if value is not None})
    image.writeto(path)
    return path


@pytest.mark.parametrize(
    ("camera", "name", "product", "number", "own"),
    [
        (MEGACAM, "792436p.fits.fz", "ooi", 792436, "792436"),
        (MEGACAM, "792436p.fits", "ooi", 792436, "792436"),
        (SINGLE, "M 31_R_0001.FIT", "ooi", None, "M 31_R_0001"),
        (SINGLE, "2006.01.02.fits.gz", "ooi", None, "2006.01.02"),
        (SINGLE, "a.fits.mask.fits", "ood", None, "a.fits"),
        (SINGLE, "a.weight.fts", "oow", None, "a"),
        (MEGACAM, "mgc_060102_050000_ood_i_v1.fits.fz", "ood", None, ""),
    ],
)
def test_names_of_a_cameras_own_are_understood(camera, name, product, number, own):
    found = parse_name(name, camera)
    assert (found.product, found.number, found.own) == (product, number, own)


def test_a_name_with_brackets_which_cfitsio_takes_for_a_part_of_the_file_is_not():
    assert parse_name("M31 [R] 001.fits", SINGLE) is None


@pytest.mark.parametrize("name", ["792436o.fits.fz", "p.fits", "792436p.fits.bz2", "792436p", "x792436p.fits", ""])
def test_other_names_are_not(name):
    assert parse_name(name, MEGACAM) is None


@given(st.text(min_size=1, max_size=40).filter(lambda text: not set("[]") & set(text)))
def test_any_name_of_an_exposure_is_understood_as_it_is(text):
    found = parse_name(f"{text}.fits", SINGLE)
    assert found.own + {"ooi": "", "ood": ".mask", "oow": ".weight"}[found.product] == text
    assert parse_name(text, SINGLE) is None or "." in text


def test_images_in_any_folder_belong_to_the_nights_of_their_headers(tmp_path):
    write_image(tmp_path / "run" / "a.fits")
    write_image(tmp_path / "run" / "a.mask.fits", SECOND)  # a mask follows its image
    write_image(tmp_path / "run" / "b.fits", SECOND)
    write_image(tmp_path / "c.fit", SECOND)
    write_image(tmp_path / "run" / "below" / "a.fits", None, **{"date-obs": "2006-01-02T15:00:00"})
    assert list_nights(tmp_path, SINGLE) == NIGHTS
    first, second = (list_night_files(tmp_path, night, SINGLE).exposures for night in NIGHTS)
    assert [(files.ooi, files.ood) for files in first] == [
        ("run/a.fits", "run/a.mask.fits"),
        ("run/below/a.fits", None),
    ]
    assert [files.ooi for files in second] == ["c.fit", "run/b.fits"]
    assert list_files_outside(tmp_path, SINGLE) == {}
    table = list_exposures(tmp_path, NIGHTS[0], SINGLE)
    assert table["status"].tolist() == ["ready", "ready"]
    assert set(table["filter"]) == {"R"}
    assert sorted(table["expnum"]) == [60102150000, 60103071200]  # numbers of the times


def test_the_number_in_a_name_counts_where_the_header_has_none(tmp_path):
    archive = tmp_path / "archive"
    archive.mkdir()
    for name, cards in (("792436p.fits", {}), ("792437p.fits", {"expnum": 5})):
        ccds = [fits.ImageHDU(np.ones((48, 40), np.float32), name="ccd00")]
        with fits.open(write_image(tmp_path / name, FIRST, **cards)) as plain:
            fits.HDUList([fits.PrimaryHDU(header=plain[0].header), *ccds]).writeto(archive / name)
    table = list_exposures(archive, NIGHTS[0], MEGACAM).set_index("path")
    assert table.loc["792436p.fits", ["expnum", "status"]].tolist() == [792436, "ready"]
    assert table.loc["792437p.fits", "expnum"] == 5
    with open_exposure(archive / "792436p.fits", camera=MEGACAM) as exposure:
        assert exposure.header.expnum == 792436


def test_a_file_of_no_night_is_named_with_the_reason_and_all_files_are_accounted_for(tmp_path):
    write_image(tmp_path / "a.fits")
    write_image(tmp_path / "timeless.fits", None)
    write_image(tmp_path / "lonely.mask.fits")
    (tmp_path / "damaged.fits").write_bytes(b"SIMPLE  = no")
    (tmp_path / "old.fits.bz2").write_bytes(b"BZh")
    reasons = list_files_outside(tmp_path, SINGLE)
    assert {path: reason.split(";")[0] for path, reason in reasons.items()} == {
        "damaged.fits": "the header can't be read, so the night is unknown",
        "lonely.mask.fits": "ood file of an exposure without image, or whose night is unknown",
        "old.fits.bz2": "the name is not understood",
        "timeless.fits": NO_TIME,
    }
    account = account_for(tmp_path, SINGLE, NIGHTS[:1], list_exposures(tmp_path, NIGHTS[0], SINGLE))
    assert (account.n_found, account.n_exposures, len(account.others), account.n_unaccounted) == (5, 1, 4, 0)


def test_an_image_that_is_written_again_moves_to_its_new_night(tmp_path):
    write_image(tmp_path / "a.fits")
    assert list_nights(tmp_path, SINGLE) == NIGHTS[:1]
    (tmp_path / "a.fits").unlink()
    write_image(tmp_path / "a.fits", SECOND)
    assert list_nights(tmp_path, SINGLE) == NIGHTS[1:]


def test_folders_of_nights_are_read_beside_others(tmp_path):
    write_image(tmp_path / "CP20060102" / "a.fits")
    write_image(tmp_path / "CP20060102" / "below" / "b.fits")
    write_image(tmp_path / "loose" / "c.fits", SECOND)
    assert [len(list_night_files(tmp_path, night, SINGLE).exposures) for night in NIGHTS] == [2, 1]


def test_an_arriving_file_makes_its_night_due(tmp_path):
    params, state, due = ArrivalParams(settle_seconds=1, first_look="run"), ArchiveState(), []
    write_image(tmp_path / "a.fits")
    write_image(tmp_path / "b.fits", SECOND)
    now = (tmp_path / "a.fits").stat().st_mtime
    for step in range(1, 4):
        scan = scan_archive(tmp_path, SINGLE, state, params, now + 100 * step)
        found = find_due_nights(state, scan, now + 100 * step, params, lambda night: None)
        state, due = found.state, [*due, *found.changes]
    assert {change.night: change.n_exposures for change in due} == dict.fromkeys(NIGHTS, 1)
    assert [c.fingerprint for c in due] == [list_night_files(tmp_path, c.night, SINGLE).fingerprint for c in due]


@pytest.mark.parametrize("bits", [False, True])
def test_values_of_masks_are_those_of_the_cameras_file(tmp_path, bits):
    own = tmp_path / "own.toml"
    text = (Path(__file__).parents[2] / "badexp_assets" / "survey" / "single.toml").read_text()
    own.write_text(
        f"{text}\n[mask]\nbits = {str(bits).lower()}\ngood = [32]\nbad = [1]\nsaturated = [2]\nstreak = [8, 16]\n"
    )
    camera = load_camera(str(own))
    table = np.append(code_table("V5.6", camera), np.ones(64))
    assert table[[0, 1, 2, 8, 16, 32]].tolist() == [0, 1, 3, 8, 8, 0]
    assert table[[2 | 1, 2 | 8, 32 | 8, 4, 32 | 4]].tolist() == ([1, 3, 8, 1, 1] if bits else [1] * 5)
    image = write_image(tmp_path / "a.fits")
    values = np.zeros((48, 40), np.int16)
    values[0, :4] = 2, 32, 16, 64
    fits.PrimaryHDU(values).writeto(tmp_path / "a.mask.fits")
    with open_exposure(image, tmp_path / "a.mask.fits", camera) as exposure:
        assert exposure.read(1).mask[0, :5].tolist() == [3, 0, 8, 1, 0]


@pytest.mark.parametrize(
    ("card", "value", "reason"),
    [
        ("date-obs", "0001-01-01T00:00:00", "neither DTCALDAT nor MJD-OBS"),
        ("mjd-obs", -678575.0, "neither DTCALDAT nor MJD-OBS"),
        ("date-obs", "1970-01-01T00:00:00", "its night is 1969-12-31; 1990-01-01 to "),
        ("date-obs", "02/01/99", "nor DATE-OBS as YYYY-MM-DDThh:mm:ss"),
    ],
)
def test_a_time_that_cant_be_right_is_the_reason_of_its_file_alone(tmp_path, card, value, reason):
    write_image(tmp_path / "a.fits")
    write_image(tmp_path / "b.fits", None, **{card: value})
    assert list_nights(tmp_path, SINGLE) == NIGHTS[:1]
    assert reason in list_files_outside(tmp_path, SINGLE)["b.fits"]


def test_a_space_between_day_and_time_is_understood(tmp_path):
    write_image(tmp_path / "a.fits", None, **{"date-obs": "2006-01-03 05:00:00"})
    assert list_nights(tmp_path, SINGLE) == NIGHTS[:1]


def test_a_header_that_cant_be_read_at_present_is_read_the_next_time_and_no_file_of_its_night_is_gone(
    tmp_path, monkeypatch
):
    state, params = ArchiveState(), ArrivalParams(settle_seconds=1)
    write_image(tmp_path / "run" / "a.fits")
    now = (tmp_path / "run" / "a.fits").stat().st_mtime + 100

    def scan(now):
        found = find_due_nights(
            state, scan_archive(tmp_path, SINGLE, state, params, now), now, params, lambda night: None
        )
        return found, found.state

    _, state = scan(now)
    known = state.nights[NIGHTS[0]]
    night_folders._header_of_image.cache_clear()

    def busy(path, mode):
        raise OSError(errno.EIO, "Input/output error", path)

    with monkeypatch.context() as failing:
        failing.setattr(night_folders, "open", busy, raising=False)
        found, state = scan(now + 100)
        with pytest.raises(InputError, match="run can't be read"):
            list_nights(tmp_path, SINGLE)
    assert found.changes == []
    assert any("run: can't be read (Input/output error)" in problem for problem in found.problems)
    assert state.nights[NIGHTS[0]].known == known.known
    found, state = scan(now + 200)
    assert (found.changes, found.problems) == ([], [])
    assert list_nights(tmp_path, SINGLE) == NIGHTS[:1]


@pytest.mark.parametrize("ending", [".fits.gz", ".FIT.GZ", ".fits.GZ"])
def test_a_file_compressed_by_gzip_is_whole_in_whatever_letters(tmp_path, bucket, object_store, ending):
    path = write_image(tmp_path / "cp" / "CP20060102" / "a.fits")
    path.rename(path.with_suffix(".old"))
    path.with_name(f"a{ending}").write_bytes(gzip.compress(path.with_suffix(".old").read_bytes()))
    object_store.upload(tmp_path / "cp", bucket / "cp")
    for archive in (tmp_path / "cp", bucket / "cp"):
        (row,) = list_exposures(archive, NIGHTS[0], SINGLE).to_dict("records")
        assert (row["status"], row["note"]) == ("ready", "no ood file: no mask")
        with open_exposure(archive / row["ooi"], camera=SINGLE) as exposure:
            assert (exposure.read(1).image == 100).all()
        assert list_night_files(archive, NIGHTS[0], SINGLE, Settling(0, 86400)).writing == ()


def test_the_sensor_names_files_of_no_night(tmp_path):
    write_image(tmp_path / "a.fits")
    write_image(tmp_path / "timeless.fits", None)
    params, state = ArrivalParams(), ArchiveState()
    scan = scan_archive(tmp_path, SINGLE, state, params, 1e10)
    found = find_due_nights(state, scan, 1e10, params, lambda night: None)
    assert "1 file of no night that is known, such as timeless.fits; badexp camera check says why" in found.notes


def test_files_of_one_time_without_versions_are_not_reductions_of_each_other(tmp_path):
    for name in ("M31 0.fits", "M31 0_dq.fits", "raw/M31 0.fits"):
        write_image(tmp_path / name)
    table = list_exposures(tmp_path, NIGHTS[0], SINGLE).set_index("path")
    assert table["status"].to_dict() == {
        "M31 0.fits": "ready", "M31 0_dq.fits": "excluded", "raw/M31 0.fits": "excluded"
    }  # fmt: skip
    assert "the same exposure, by time and band, is M31 0.fits" in table.loc["M31 0_dq.fits", "status_reason"]
    assert account_for(tmp_path, SINGLE, NIGHTS[:1], table.reset_index()).n_unaccounted == 0


@pytest.mark.parametrize(("card", "value"), [("obstype", "Dark"), ("imagetyp", "Flat Field"), ("imagetyp", "BIAS")])
def test_calibration_frames_are_no_exposures(tmp_path, card, value):
    write_image(tmp_path / "a.fits", **{card: value})
    (row,) = list_exposures(tmp_path, NIGHTS[0], SINGLE).to_dict("records")
    assert (row["status"], row["status_reason"]) == ("excluded", f"OBSTYPE is '{value}'; an image of the sky is needed")


def test_a_damaged_copy_hides_neither_the_other_nor_its_night(tmp_path):
    write_image(tmp_path / "a.fits")
    (tmp_path / "a.fit").write_bytes(b"SIMPLE  = no")
    (row,) = list_exposures(tmp_path, NIGHTS[0], SINGLE).to_dict("records")
    assert (row["path"], row["status"]) == ("a.fits", "ready")
    assert list_night_files(tmp_path, NIGHTS[0], SINGLE).others == {"a.fit": "a second copy of a.fits"}


def test_a_folder_with_files_of_many_nights_is_listed_once(tmp_path, monkeypatch):
    for n in range(20):
        write_image(tmp_path / "all" / f"{n}.fits", FIRST + n)
    listed, real = [], night_folders.list_folder
    monkeypatch.setattr(
        night_folders, "list_folder", lambda archive, folder: listed.append(folder) or real(archive, folder)
    )
    folders = folders_by_night(tmp_path, SINGLE)
    nights = [list_night_files(tmp_path, night, SINGLE, folders=folders) for night in sorted(folders)]
    assert [len(files.exposures) for files in nights] == [1] * 20
    scan = scan_archive(tmp_path, SINGLE, ArchiveState(), ArrivalParams(), 1e10)
    assert sum(len(listing.files) for listing in scan.listings) == 20
    assert listed == ["all", "all"]
