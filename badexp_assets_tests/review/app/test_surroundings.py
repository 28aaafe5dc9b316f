"""The night around an exposure, its place in the band, and the exposure that it is compared with."""

import numpy as np
import pandas as pd
import pytest
from starlette.testclient import TestClient

from badexp_assets.config.review_options import ReviewParams, format_link
from badexp_assets.errors import InputError
from badexp_assets.io.parquet import write_table
from badexp_assets.io.parquet_reading import read_table
from badexp_assets.io.schemas import SCHEMAS
from badexp_assets.review.accounts import Reviewers
from badexp_assets.review.app.home_tables import HomeTables
from badexp_assets.review.app.known_exposures import KnownExposures
from badexp_assets.review.app.server import make_app
from badexp_assets.review.app.surroundings import Surroundings, choose_comparison
from badexp_assets.review.app.survey_numbers import SurveyNumbers
from badexp_assets.review.store import VerdictStore
from badexp_assets.survey.cameras import load_camera
from badexp_assets_tests.homes import remove

NIGHT, OTHER, GOOD = "2018-05-17", 2001, 3001
FIRST = 1001


def rows(n=6, **columns):
    """Exposures of a band at one place, an hour apart."""
    table = pd.DataFrame({"expnum": range(100, 100 + n), "night": NIGHT, "filter": "r", "status": "scored"})
    table = table.assign(mjd_obs=58000 + np.arange(n) / 24, ra=150.0, dec=2.0, p_bad=0.1, is_bad=False)
    for name, values in columns.items():
        table[name] = values
    return table


def best(exposures, flagged=(), n=9):
    return [row["expnum"] for row in choose_comparison(exposures.iloc[0].to_dict(), exposures, flagged, n)]


def test_the_comparison_is_nearest_in_time_and_not_the_exposure_itself():
    assert best(rows()) == [101, 102, 103, 104, 105]


def test_exposures_of_the_same_field_are_compared_first():
    exposures = rows(5, dec=[2.0, 3.0, 2.0, 2.4, np.nan])
    assert best(exposures) == [102, 103, 101, 104]
    words = [row["words"] for row in choose_comparison(exposures.iloc[0].to_dict(), exposures, (), 9)]
    assert words[:3] == [
        "no candidate and in no label list, P(bad) 0.10; 0.00 deg away, 2 h later",
        "no candidate and in no label list, P(bad) 0.10; 0.40 deg away, 3 h later",
        "no candidate and in no label list, P(bad) 0.10; another field, 60 min later",
    ]


@pytest.mark.parametrize(
    "columns",
    [
        {"filter": ["r", "g", "r"]},
        {"status": ["scored", "failed", "scored"]},
        {"p_bad": [0.9, 0.6, 0.4]},
        {"is_bad": [True, True, False]},
    ],
)
def test_a_comparison_is_of_the_band_and_called_bad_by_nothing(columns):
    assert best(rows(3, **columns)) == [102]


def test_neither_candidates_nor_labelled_exposures_are_compared_with():
    assert best(rows(3), flagged={101}) == [102]
    assert best(rows(3), flagged={101, 102}) == []


def test_without_a_classifier_any_exposure_that_nothing_flags_is_good():
    assert best(rows(3, p_bad=np.nan)) == [101, 102]


def test_an_exposure_without_a_pointing_or_a_time_is_compared_all_the_same():
    assert best(rows(3, ra=[np.nan, 150.0, 150.0])) == [101, 102]
    assert best(rows(3, mjd_obs=[np.nan, 58000.0, 58000.0])) == [101, 102]


def add_good(settings, **changed):
    """Give the home a good exposure of a third night."""
    night, home = "2018-05-19", settings.home
    for asset in ("night_exposures", "night_ccds", "night_exposure_predictions", "night_previews"):
        table = read_table(home.table(asset, NIGHT))
        table = table[table["expnum"] == OTHER].assign(expnum=GOOD, **changed.get(asset, {}))
        if "night" in table:
            table["night"] = night
        if asset == "night_exposure_predictions":
            table = table.assign(is_bad=False, p_bad=np.float32(0.1), n_bad=0)
        write_table(table, home.table(asset, night), SCHEMAS[asset])


@pytest.fixture
def numbers(settings):
    return SurveyNumbers(HomeTables(settings.home), load_camera(), settings.home.exposure_numbers)


@pytest.fixture
def surroundings(settings, numbers):
    tables = HomeTables(settings.home)
    return Surroundings(tables, numbers, KnownExposures(tables, numbers, ReviewParams()))


def test_the_night_is_in_time_and_the_strip_is_centred(settings, surroundings):
    table = read_table(settings.home.table("night_exposures", NIGHT))
    table["mjd_obs"] = 58256.0 + np.arange(len(table))[::-1] / 100  # the last number was taken first
    write_table(table, settings.home.table("night_exposures", NIGHT), SCHEMAS["night_exposures"])
    found = surroundings.of(1010, NIGHT)
    in_time = [row["expnum"] for row in found["night"]]
    assert in_time == sorted(table["expnum"], reverse=True)
    at = in_time.index(1010)
    assert found["neighbours"] == in_time[at - 5 : at + 6]
    assert found["night"][0]["seeing"] == pytest.approx(4.5 * load_camera().pixel_scale)
    assert found["night"][0]["sky_rate"] == pytest.approx(200 / 90)
    assert found["night"][0]["zero_point"] is None


def test_percentiles_come_once_all_nights_have_been_collected(settings, numbers):
    table = read_table(settings.home.table("night_exposures", NIGHT))
    table["exptime"] = 10.0 + np.arange(len(table))
    table["filter"] = "z"
    write_table(table, settings.home.table("night_exposures", NIGHT), SCHEMAS["night_exposures"])
    exposure = numbers.of_night(NIGHT).iloc[3].to_dict()
    numbers.collect()
    few = numbers.of_night("2018-05-18").iloc[0].to_dict() | {"filter": "i"}
    assert len(table) == 18
    assert numbers.percentiles(few) == {}
    for night in ("2018-05-20", "2018-05-21"):
        more = table.assign(night=night, expnum=table["expnum"] + 1000 * int(night[-2:]))
        write_table(more, settings.home.table("night_exposures", night), SCHEMAS["night_exposures"])
    numbers.collect()
    found = numbers.percentiles(exposure)
    smaller, equal = 3 * 3, 3
    assert found["exptime"] == (pytest.approx(100 * (smaller + equal / 2) / 54), 54)
    assert found["airmass"] == (pytest.approx(50), 54)
    assert "zero_point" not in found


def test_a_night_that_was_written_again_or_removed_is_noticed(settings, numbers):
    numbers.collect()
    before = numbers.of_survey()
    assert len(before) == 35
    numbers.collect()
    assert numbers.of_survey() is before
    add_good(settings)
    numbers.collect()
    assert len(numbers.of_survey()) == 36
    remove(settings.home.table("night_exposures", "2018-05-19"))
    numbers.collect()
    assert len(numbers.of_survey()) == 35


def test_numbers_are_kept_and_only_those_of_nights_that_have_changed_are_read_again(settings, numbers, monkeypatch):
    numbers.collect()
    add_good(settings)
    again = SurveyNumbers(HomeTables(settings.home), load_camera(), settings.home.exposure_numbers)
    read = []
    monkeypatch.setattr(again, "_numbers", lambda nights: read.extend(nights) or numbers._numbers(nights))
    again.collect()
    assert read == ["2018-05-19"]
    fresh = SurveyNumbers(HomeTables(settings.home), load_camera(), settings.home.root / "none.parquet")
    fresh.collect()
    order = ["night", "expnum"]
    pd.testing.assert_frame_equal(
        again.of_survey().sort_values(order, ignore_index=True), fresh.of_survey().sort_values(order, ignore_index=True)
    )


@pytest.mark.parametrize("content", [b"", b"PAR1 damaged", None])
def test_numbers_that_can_not_be_read_or_kept_are_collected_again(settings, numbers, content):
    file = settings.home.exposure_numbers
    if content is None:
        file.mkdir(parents=True)
    else:
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(content)
    numbers.collect()
    assert len(numbers.of_survey()) == 35


def test_zero_points_are_medians_of_the_survey_ccds(settings, numbers):
    survey = read_table(settings.home.table("survey_ccds"))
    more = pd.concat([survey] * 3, ignore_index=True).assign(ccdnum=[1, 2, 3], ccdzpt=[25.0, 25.1, 26.0])
    write_table(more, settings.home.table("survey_ccds"), SCHEMAS["survey_ccds"])
    numbers.collect()
    known = numbers.of_survey().set_index("expnum")["zero_point"].dropna()
    assert known.to_dict() == {FIRST: pytest.approx(25.1)}


def test_the_comparison_comes_from_all_nights_and_shows_the_same_ccds(settings, surroundings, numbers):
    assert surroundings.of(FIRST, "2018-05-18")["comparison"] is None
    add_good(settings)
    numbers.collect()
    found = surroundings.of(FIRST, "2018-05-18")["comparison"]
    assert (found["expnum"], found["night"]) == (GOOD, "2018-05-19")
    assert "no candidate and in no label list, P(bad) 0.10" in found["words"]


def test_an_exposure_with_other_ccds_is_no_comparison(settings, surroundings, numbers):
    add_good(settings, night_previews={"ccds": "1,2"})
    numbers.collect()
    assert surroundings.of(FIRST, "2018-05-18")["comparison"] is None


def test_nothing_of_the_surroundings_depends_on_answers(settings):
    app = make_app(settings)
    client = TestClient(app, base_url="http://127.0.0.1", follow_redirects=False)
    client.post("/login", data={"token": Reviewers(settings.verdicts).add("ann")})
    address = f"/api/exposure/{FIRST}/surroundings"
    before = client.get(address).json()
    answers = [{"expnum": e, "verdict": "fine", "reviewer": "bob", "category": None} for e in (FIRST, OTHER)]
    VerdictStore(settings.verdicts).answer(answers, ["key-bob-0001", "key-bob-0002"])
    after = client.get(address).json()
    assert before | {"percentiles": None} == after | {"percentiles": None}
    assert client.get("/api/exposure/7/surroundings").status_code == 404


@pytest.mark.parametrize(
    "link",
    [
        "no address",
        "https://no.name",
        "x ftp://host/{ra}",
        "x https://host/{name}",
        "x https://host/{ra:.1f}",
        "x https://{",
    ],
)
def test_links_that_can_not_be_made_are_refused(link):
    with pytest.raises(InputError, match=r"\[review\]: links has"):
        ReviewParams(links=(link,))


def test_links_have_the_pointing_and_the_number(settings):
    link = "a viewer https://host/?at={ra},{dec}&e={expnum}"
    assert ReviewParams(links=(link,)).links == (link,)
    assert format_link(link, 7, 150.123456, -2.5) == ("a viewer", "https://host/?at=150.12346,-2.50000&e=7")
    assert format_link(link, 7, None, -2.5) is None
    assert format_link("by number https://host/{expnum}", 7, None, None) == ("by number", "https://host/7")
