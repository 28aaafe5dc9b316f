"""Nights, file names, versions, masks and the draw of CCDs."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from badexp_assets.errors import InputError
from badexp_assets.survey.archive import select_nights
from badexp_assets.survey.cameras import load_camera
from badexp_assets.survey.cp_files import parse_cp_name, process_key, version_key
from badexp_assets.survey.masks import mask_codes
from badexp_assets.survey.nights import consecutive_nights, night_from_folder, night_of
from badexp_assets.survey.seeded_sampling import sample_ccds


@pytest.mark.parametrize(
    ("mjd", "night"),
    [
        (58256.19, "2018-05-17"),  # 04:33 UTC is half past midnight in Chile, of the night that began the day before
        (58256.65, "2018-05-17"),  # 15:36 UTC: 11:36 in winter time, before noon
        (58256.68, "2018-05-18"),  # 16:19 UTC: 12:19 in winter time
        (58134.63, "2018-01-16"),  # 15:07 UTC: 12:07 in summer time, an hour further
    ],
)
def test_a_night_lasts_from_local_noon_to_noon(mjd, night):
    assert night_of(mjd, load_camera()) == night


@pytest.mark.parametrize("mjd", [float("nan"), float("inf"), 1e12])
def test_a_time_that_is_no_date_is_refused(mjd):
    with pytest.raises(InputError, match="not a time"):
        night_of(mjd, load_camera())


def test_folders_name_nights_and_impossible_dates_do_not():
    assert night_from_folder("CP20180517") == "2018-05-17"
    assert [night_from_folder(n) for n in ("CP20180231", "CP2018051", "V4.8.2a", "xCP20180517")] == [None] * 4


@given(st.text(max_size=20))
def test_any_folder_name_is_a_night_or_none(name):
    night = night_from_folder(name)
    assert night is None or len(night) == 10


def test_nights_are_selected_one_by_one_and_as_ranges():
    nights = ["2018-05-17", "2018-05-18", "2018-06-01"]
    assert select_nights(nights, None) == nights
    assert select_nights(nights, "2018-05-18") == ["2018-05-18"]
    assert select_nights(nights, "2018-05-18..2018-06-30") == nights[1:]
    for wanted, message in (("2019-01-01", "none of them"), ("May", "not a date")):
        with pytest.raises(InputError, match=message):
            select_nights(nights, wanted)
    with pytest.raises(InputError, match="no night"):
        select_nights([], None)


def test_names_of_files_and_cutouts_are_understood():
    name = parse_cp_name("c4d_180518_044138_ooi_r_ls9.fits.fz")
    assert (name.date, name.time, name.product, name.band, name.tag) == ("2018-05-18", "04:41:38", "ooi", "r", "ls9")
    cutout = parse_cp_name("c4d_180518_044138_ood_r_ls9.N12.fits")
    assert cutout.ccdname == "N12"
    assert cutout.exposure != name.exposure
    assert parse_cp_name("c4d_180518_044138_oow_VR_v1.fits.fz").exposure[3:] == ("VR", "v1", "", "")


@pytest.mark.parametrize(
    "name",
    ["c4d_180518_044138_ooi_r_ls9.fits.fz.part", "c4d_189918_044138_ooi_r_ls9.fits", "c4d_180518_044138_ooi_r_ls9", ""],
)
def test_other_names_are_no_cp_files(name):
    assert parse_cp_name(name) is None


@given(st.from_regex(r"c4d_\d{6}_\d{6}_oo[idw]_[a-z]_[a-z0-9]{1,4}\.fits(\.fz)?", fullmatch=True) | st.text())
def test_no_name_breaks_the_parser(name):
    parsed = parse_cp_name(name)
    assert parsed is None or parsed.product in name


def test_versions_sort_as_they_were_made():
    made = ["DES1.0", "V3.4.9", "V3.5.0", "V4.8.2", "V4.8.2a", "V5.2.1", "V5.5LS", "V5.6", "V5.6S", "V5.6.1", "V5.10"]
    shuffled = np.random.default_rng(0).permutation(made).tolist()
    assert sorted(shuffled, key=version_key) == made
    assert version_key(None) < version_key("DES1.0")
    assert process_key("9560b38") < process_key("95a0000") < process_key("10000000")


@given(st.lists(st.text(max_size=12), max_size=5))
def test_any_versions_can_be_compared(texts):
    sorted(texts, key=version_key)
    sorted(texts, key=process_key)


def test_masks_of_old_versions_become_codes():
    bits = np.array([[0, 1, 2, 3, 4, 16, 64, 128, 66, 512, 4096, -1]], dtype=np.int32)
    assert mask_codes(bits, "V3.4.0").tolist() == [[0, 1, 3, 1, 1, 5, 4, 7, 3, 1, 1, 1]]
    codes = np.array([[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 300]], dtype=np.int32)
    for plver in ("V3.5.0", "V5.6S", None):
        assert mask_codes(codes, plver).tolist() == [[0, 1, 2, 3, 4, 5, 6, 7, 8, 1, 1]]


def test_the_draw_is_repeatable_and_a_missing_ccd_changes_no_other_choice():
    everything = list(range(1, 63))
    drawn = sample_ccds(678026, everything, 20)
    assert drawn == sample_ccds(678026, reversed(everything), 20)
    assert drawn[:7] == sample_ccds(678026, everything, 7)
    without = [c for c in everything if c != drawn[3]]
    assert sample_ccds(678026, without, 19) == drawn[:3] + drawn[4:]
    assert drawn != sample_ccds(678027, everything, 20)
    assert drawn != sample_ccds(678026, everything, 20, seed=1)
    assert sorted(sample_ccds(1, [3, 1, 2, 2], 20)) == [1, 2, 3]
    with pytest.raises(InputError, match="negative"):
        sample_ccds(1, everything, -1)


def test_every_ccd_is_drawn_equally_often():
    counts = np.bincount(np.concatenate([sample_ccds(e, range(1, 63), 20) for e in range(2000)]), minlength=63)[1:]
    expected = 2000 * 20 / 62
    # 5 sigma of a binomial count
    assert np.abs(counts - expected).max() < 5 * np.sqrt(expected * (1 - 20 / 62))


def test_nights_are_divided_into_groups_that_follow_each_other_day_by_day():
    nights = ["2018-02-27", "2018-02-28", "2018-03-01", "2018-03-03", "2018-03-04", "2018-03-05", "2018-03-06"]
    assert consecutive_nights(nights, 3) == [nights[:3], nights[3:6], nights[6:]]
    assert consecutive_nights(nights, 1) == [[night] for night in nights]
    assert consecutive_nights([], 3) == []
