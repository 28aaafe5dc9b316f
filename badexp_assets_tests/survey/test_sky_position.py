import math

import pytest
from astropy.coordinates import Angle
from hypothesis import given
from hypothesis import strategies as st

from badexp_assets.simulate.headers import sexagesimal
from badexp_assets.survey.archive import list_exposures
from badexp_assets.survey.cameras import load_camera
from badexp_assets.survey.sky_position import sky_position


@pytest.mark.parametrize(
    ("header", "position"),
    [
        ({"RA": "12:30:00.0", "DEC": "-01:30:00"}, (187.5, -1.5)),
        ({"RA": " 12 30 00.0 ", "DEC": "-00 30 00"}, (187.5, -0.5)),
        ({"RA": "12:30", "DEC": "+10:15"}, (187.5, 10.25)),
        ({"RA": 187.5, "DEC": -1.5}, (187.5, -1.5)),
        ({"RA": "187.5", "DEC": "-1.5"}, (187.5, -1.5)),
        ({"RA": "24:00:00", "DEC": 0}, (0.0, 0.0)),
        ({"TELRA": "00:00:04", "TELDEC": "89:59:60.0"}, (1 / 60, 90.0)),
        ({"RA": "NaN", "DEC": "NaN", "TELRA": "01:00:00", "TELDEC": "01:00:00"}, (15.0, 1.0)),
        ({"RA": "01:00:00", "TELRA": "02:00:00", "TELDEC": "03:00:00"}, (30.0, 3.0)),
        ({"RA": 400.0, "DEC": 0.0, "TELRA": "02:00:00", "TELDEC": "03:00:00"}, (30.0, 3.0)),
    ],
)
def test_a_position_is_read_in_every_form_that_headers_have(header, position):
    assert sky_position(header) == pytest.approx(position, abs=1e-9)


@pytest.mark.parametrize("ra", [None, "", "NaN", math.nan, math.inf, True, "25:00:00", "12:60:00", "12:00:61", "noon"])
def test_what_is_no_position_is_none(ra):
    assert sky_position({"RA": ra, "DEC": "00:00:00"}) is None


@pytest.mark.parametrize("dec", ["-90:00:01", 90.5, "--1:00:00", -math.inf, "1e999"])
def test_a_declination_out_of_range_is_none(dec):
    assert sky_position({"RA": "01:00:00", "DEC": dec}) is None


@given(st.floats(0, 359.99), st.floats(-89.99, 89.99))
def test_sexagesimal_text_is_read_as_astropy_reads_it(ra, dec):
    header = {"RA": sexagesimal(ra, hours=True), "DEC": sexagesimal(dec)}
    found = sky_position(header)
    assert found == pytest.approx((Angle(header["RA"], "hour").deg % 360, Angle(header["DEC"], "deg").deg), abs=1e-9)


@given(st.text(max_size=20), st.one_of(st.none(), st.floats(), st.integers(), st.text(max_size=20)))
def test_no_card_makes_it_fail(ra, dec):
    found = sky_position({"RA": ra, "DEC": dec, "TELRA": dec, "TELDEC": ra})
    assert found is None or (0 <= found[0] < 360 and -90 <= found[1] <= 90)


def test_positions_of_a_night_are_listed_and_missing_ones_are_null(tmp_path, tiny_cp):
    tiny_cp.write_cp(tmp_path, 700001, time="044138", header={"RA": "12:30:00", "DEC": "-01:30:00"})
    tiny_cp.write_cp(tmp_path, 700002, time="045138", header={"TELRA": "12:30:00", "TELDEC": "NaN"})
    listed = list_exposures(tmp_path, "2018-05-17", load_camera()).set_index("expnum")
    assert listed.loc[700001, ["ra", "dec"]].tolist() == [187.5, -1.5]
    assert listed.loc[700002, ["ra", "dec"]].isna().all()
