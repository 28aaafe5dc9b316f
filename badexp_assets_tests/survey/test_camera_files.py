"""A camera is its TOML file: users' own files, what may stand in them, and what is read by them."""

from pathlib import Path

import pytest

from badexp_assets.errors import InputError
from badexp_assets.survey.cameras import load_camera
from badexp_assets.survey.exposure import open_exposure
from badexp_assets.survey.headers import parse_header
from badexp_assets.survey.masks import code_table
from badexp_assets_tests.survey.other_telescopes import OWN_CAMERA, write_file


@pytest.fixture
def described(tmp_path: Path):
    def load(text: str = OWN_CAMERA, **changed: str):
        lines = [line for line in text.splitlines() if line.partition(" ")[0] not in changed]
        first = [f"{name} = {value}" for name, value in changed.items() if value]
        path = tmp_path / "own.toml"
        path.write_text("\n".join([*first, *lines]) + "\n")
        return load_camera(str(path))

    return load


def test_a_file_outside_of_the_package_describes_a_camera(described):
    camera = described()
    assert (camera.name, camera.ccd_shape, camera.min_exptime) == ("own", (64, 48), 5.0)
    assert [(ccd.ccdnum, ccd.ccdname, ccd.x_mm) for ccd in camera.ccds] == [(7, "a1", -10.0), (9, "B2", 10.0)]
    assert [ccd.ccdnum for ccd in camera.alive("2006-01-02")] == [9]


def test_a_camera_like_another_one_differs_in_what_its_file_says(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text('like = "megacam-theli"\nname = "mine"\n\n[files]\nimage = "{number}p_{ccd}OFCS"\n')
    mine, theli = load_camera(str(path)), load_camera("megacam-theli")
    assert (mine.name, mine.ccds, mine.cards) == ("mine", theli.ccds, theli.cards)
    assert (dict(mine.files), mine.identity.startswith("mine-")) == ({"image": "{number}p_{ccd}OFCS"}, True)
    path.write_text('like = "decam"\nname = "mine"\nrows = [["A", "B"]]\n')
    assert [ccd.ccdname for ccd in load_camera(str(path)).ccds] == ["A", "B"]


def test_values_of_a_users_file_tell_cameras_apart_and_its_comments_do_not(described):
    known = described().identity
    assert known.startswith("own-")
    assert described("# a comment\n" + OWN_CAMERA).identity == known
    assert described(min_exptime="4.0").identity != known
    assert load_camera("decam").identity == "decam"  # so that homes stay valid
    assert load_camera("megacam").identity == "megacam-3"  # whose pictures are turned


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"timezone": '"Chile"'}, "timezone is 'Chile'; a name such as America/Santiago is needed"),
        ({"first_night": '"soon"'}, "first_night is 'soon'; YYYY-MM-DD is needed"),
        ({"pixel_scale": "0"}, "pixel_scale is 0; a number above 0 is needed"),
        ({"ccd_shape": "[64]"}, "a list of 2 whole numbers above 0 is needed"),
        ({"bands": "[]"}, "bands"),
        ({"name": '"My Camera"'}, "small letters, digits, - and _ are allowed"),
        ({"gain": "2.0"}, "unknown name(s) gain; allowed: name, instrument"),
        ({"instrument": ""}, "instrument is missing; a text is needed"),
        ({"timezone": '"america/phoenix"'}, "timezone is 'america/phoenix'"),
        ({"first_night": '"20050101"'}, "YYYY-MM-DD is needed"),
        ({"file_prefix": '"own-x"'}, "file_prefix is 'own-x'"),
        ({"bands": '["R", "R"]'}, "bands has 'R'"),
        ({"bands": '["i.MP"]'}, "bands has 'i.MP'"),
        ({"ccds": '[{ccdnum = 7.9, ccdname = "A", x_mm = 0, y_mm = 0}]'}, "ccds has"),
        ({"ccds": '[{ccdnum = 40000, ccdname = "A", x_mm = 0, y_mm = 0}]'}, "ccds has"),
        ({"ccds": '[{ccdnum = 1, ccdname = "A", x_mm = nan, y_mm = 0}]'}, "ccds has"),
        ({"ccds": '[{ccdnum = 1, ccdname = "A", x_mm = 0, y_mm = 0, gain = 2}]'}, "ccds has"),
        ({"ccds": '[{ccdnum = 1, ccdname = "A", x_mm = 0, y_mm = 0}, {ccdnum = 1, ccdname = "B", x_mm = 1, y_mm = 0}]'},
         "name each CCD once"),
        ({"ccds": "[]", "rows": '[["A", "B"]]'}, "two CCDs are in one place"),
        ({"dead": '[{ccdname = "A1", from = "2006-1-2"}]'}, "dead has"),
        ({"dead": '[{ccdname = "A1", from = "2009-01-02", until = "2006-01-02"}]'}, "dead has"),
        ({"dead": '[{ccdname = "A1", from = "2006-01-02", untill = "2006-01-03"}]'}, "dead has"),
        ({"header": '{exptime = "EXPOSURE"}'}, "exptime of header is 'EXPOSURE'; a list of keywords is needed"),
        ({"header": "{exptime = []}"}, "a list of keywords is needed"),
        ({"rows": '[["A1"]]'}, "either rows or ccds are needed"),
        ({"files": '{mask = "{number}m"}'}, "files has mask; image is needed, mask and weight are allowed"),
        ({"files": '{image = "{number}p", ooi = "{number}"}'}, "files has image, ooi"),
        ({"files": '{image = "image"}'}, "image of files is 'image'; a name with one {number} or {exposure} is needed"),
        ({"files": '{image = "{number}_{exposure}"}'}, "one {number} or {exposure}"),
        ({"files": '{image = "{number}_{ccd}_{ccd}"}'}, "one {number} or {exposure}"),
        ({"files": '{image = "{ccd}"}'}, "{ccd} is allowed"),
        ({"like": '"wfi"'}, "like is 'wfi'; allowed: 90prime, decam"),
        ({"x_towards": '"N"'}, "one of N and S and one of E and W are needed"),
        ({"x_towards": '"N"', "y_towards": '"S"'}, "one of N and S and one of E and W are needed"),
        ({"x_towards": '"up"'}, "x_towards is 'up'"),
        ({"files": '{image = "a/{number}"}'}, "one {number} or {exposure}"),
        ({"files": '{image = "{}{number}"}'}, "one {number} or {exposure}"),
        ({"files": '{image = "{number}", mask = "{number}"}'}, "files has one name for two products"),
        ({"files": '{image = "{number}p.fits"}'}, "'{number}p.fits'; a name without its ending is needed"),
        ({"files": '{image = "{number}", mask = "{exposure}m"}'}, "the same is needed in the names of all products"),
        ({"band_aliases": '{zd = ""}'}, "band_aliases has zd = ''; a word and its band are needed"),
        ({"band_aliases": '{"SDSS r" = "r"}'}, "band_aliases has SDSS r = 'r'"),
        ({"mask": "{bits = 1}"}, "bits of mask is 1; true or false is needed"),
        ({"mask": "{hot = [1]}"}, "mask has hot; allowed: bits, good, bad, no_value"),
        ({"mask": "{bits = true, bad = [3]}"}, "bad of mask is [3]; a list of powers of two up to 32767 is needed"),
        ({"mask": "{bad = [-1]}"}, "a list of whole numbers up to 32767"),
        ({"mask": "{bad = [1], streak = [1]}"}, "mask has 1 twice; each value has one meaning"),
        ({"header": '{seeing = ["FWHM"]}'}, "header has seeing; allowed: expnum, filter"),
        ({"dead": '[{ccdname = "Z9", from = "2006-01-01"}]'}, "dead has"),
        ({"ccds": '[{ccdnum = 1}]'}, "ccdnum (1 to 32767), ccdname, x_mm and y_mm are needed and allowed"),
    ],
)  # fmt: skip
def test_a_wrong_value_is_named_with_the_file_and_what_is_allowed(described, changed, words, tmp_path):
    text = OWN_CAMERA
    for name in ("ccds", "dead", "header"):
        if name in changed:
            text = "\n".join(part for part in text.split("\n\n") if f"[{name}]" not in part)
    with pytest.raises(InputError) as error:
        described(text, **changed)
    assert words in str(error.value)
    assert str(tmp_path / "own.toml") in str(error.value)
    assert "\n" not in str(error.value)


def test_a_file_that_is_missing_or_no_toml_is_one_line(tmp_path):
    with pytest.raises(InputError, match=r"no\.toml: can't be read \(No such file"):
        load_camera(str(tmp_path / "no.toml"))
    (tmp_path / "empty.toml").write_text("")
    with pytest.raises(InputError, match=r"is missing; a text is needed"):
        load_camera(str(tmp_path / "empty.toml"))
    (tmp_path / "deep.toml").write_text("a = " + "[" * 5000)
    with pytest.raises(InputError, match=r"deep\.toml: not a TOML file"):
        load_camera(str(tmp_path / "deep.toml"))
    (tmp_path / "windows.toml").write_text(OWN_CAMERA.replace("\n", "\r\n"), encoding="utf-8-sig", newline="")
    assert load_camera(str(tmp_path / "windows.toml")).name == "own"
    (tmp_path / "odd.toml").write_text("name = own\n")
    with pytest.raises(InputError, match=r"odd\.toml: not a TOML file: .*line 1"):
        load_camera(str(tmp_path / "odd.toml"))


def test_values_come_from_the_cards_that_the_file_names(described, tmp_path):
    camera = described()
    path = write_file(tmp_path / "own.fits", {"RUN": 41, "EXPOSURE": 10.0, "FILT": "R", "MJDATE": 53737.3})
    with open_exposure(path, camera=camera) as exposure:
        assert (exposure.header.expnum, exposure.header.exptime, exposure.header.filter) == (41, 10.0, "R")
        assert exposure.header.night == "2006-01-01"
        assert exposure.header.why_not(camera) is None
        assert exposure.header.why_not(load_camera()) is not None
        assert [ccd.ccdname for ccd in exposure.ccds] == ["a1", "B2"]  # EXTNAME A1 and b2
        assert (exposure.read(7).gain, exposure.read(9).gain) == (1.5, 2.5)  # GAIN; CCDGAIN
        assert exposure.read(9).saturate == 60000


def test_an_exposure_without_number_gets_that_of_its_time_if_its_files_are_not_the_cps(described):
    cards = {"FILT": "R", "EXPOSURE": 10.0, "MJDATE": 53737.5}
    assert parse_header(cards, described()).expnum == 60102120000
    assert parse_header(cards | {"MJD-OBS": 53737.5}, load_camera()).expnum is None


@pytest.mark.parametrize(
    ("cards", "night"),
    [
        ({"DATE-OBS": "2006-01-02", "UTC-OBS": "05:00:00.5"}, "2006-01-01"),
        ({"DATE-OBS": "2006-01-02", "TIME-OBS": "20:00:00"}, "2006-01-02"),
        ({"DATE-OBS": "2006-01-02T05:00:00"}, "2006-01-01"),
        ({"DATE-OBS": "2006-01-02"}, None),
        ({"DATE-OBS": "2006-01-02", "UTC-OBS": "soon"}, None),
        ({"UTC-OBS": "05:00:00"}, None),
    ],
)
def test_a_day_without_a_time_tells_no_night(described, cards, night):
    assert parse_header(cards, described()).night == night


@pytest.mark.parametrize("exptime", [5.0, None, 4.0])
def test_exposures_must_be_longer_than_the_file_says(described, exptime):
    camera = described()
    header = parse_header({"RUN": 1, "FILT": "R", "MJDATE": 53737.3, "EXPOSURE": exptime}, camera)
    assert "more than 5 s is needed" in (header.why_not(camera) or "")


def test_files_of_cfht_with_lower_case_names_of_ccds_are_read(tmp_path):
    camera = load_camera("megacam")
    cards = {"EXPNUM": 792436, "FILTER": "i.MP9701", "EXPTIME": 615.0, "MJD-OBS": 53737.41}
    path = write_file(tmp_path / "792436p.fits", cards, {"ccd00": {}, "ccd35": {}})
    with open_exposure(path, camera=camera) as exposure:
        assert [ccd.ccdnum for ccd in exposure.ccds] == [1, 36]
        assert (exposure.header.filter, exposure.header.night) == ("i", "2006-01-01")
        assert exposure.header.why_not(camera) is None


def test_the_only_image_of_a_file_is_the_ccd_of_a_camera_that_has_one(described, tmp_path):
    single = '[{ccdnum = 1, ccdname = "SCI", x_mm = 0.0, y_mm = 0.0}]'
    text = "\n\n".join(part for part in OWN_CAMERA.split("\n\n") if "[ccds]" not in part and "[dead]" not in part)
    camera = described(text, ccds=single)
    cards = {"RUN": 41, "EXPOSURE": 10.0, "FILT": "R", "MJDATE": 53737.3}
    with open_exposure(write_file(tmp_path / "a.fits", cards, {}), camera=camera) as exposure:
        assert exposure.read(1).image.shape == (64, 48)
    several = write_file(tmp_path / "b.fits", cards, {"DQ": {"GAIN": 9.0}, "SCI": {"GAIN": 2.0}})
    with open_exposure(several, camera=camera) as exposure:
        assert exposure.read(1).gain == 2.0
        assert len(exposure.problems) == 1


def test_simulated_files_have_the_cards_that_the_camera_names(described, tmp_path):
    from badexp_assets.simulate.params import SurveyParams
    from badexp_assets.simulate.survey import write_survey
    from badexp_assets.survey.archive import list_exposures, list_nights

    path = tmp_path / "own.toml"
    camera = described(OWN_CAMERA, bands='["r"]', filters='{r = "r 1"}')
    params = SurveyParams(
        camera=str(path), bands=("r",), nights=1, exposures=2, n_ccds=2, ccd_rows=64, ccd_columns=48,
        first_night="2006-01-10",
    )  # fmt: skip
    archive = write_survey(tmp_path / "survey", params).archive
    table = list_exposures(archive, list_nights(archive, camera)[0], camera)
    assert (table["status"].tolist(), set(table["filter"])) == (["ready", "ready"], {"r"})
    assert table["exptime"].notna().all()


@pytest.mark.parametrize(
    ("camera", "header", "expected"),
    [
        ("mosaic", {"FILTER": "zd DECam-like", "OBSID": "kp4m.20160125T082555"}, ("z", 160125082555)),
        ("mosaic", {"FILTER": "zd", "EXPNUM": 88865}, ("z", 88865)),
        ("90prime", {"FILTER": "bokr", "DTACQNAM": "/descache/bass/20160710/d7580.0144.fits"}, ("r", 75800144)),
        ("90prime", {"FILTER": "g", "DTACQNAM": "d7580.0144.fits.fz", "EXPNUM": 144}, ("g", 75800144)),
        ("90prime", {"FILTER": "g", "DTACQNAM": "unknown", "EXPNUM": 144}, ("g", 144)),
        ("90prime", {"FILTER": "g", "DTACQNAM": "flat.fits"}, ("g", None)),
    ],
)
def test_bands_and_numbers_of_the_legacy_surveys_cameras_are_those_of_legacypipe(camera, header, expected):
    found = parse_header(header, load_camera(camera))
    assert (found.filter, found.expnum) == expected


@pytest.mark.parametrize("camera", ["mosaic", "90prime"])
def test_masks_of_the_legacy_surveys_other_cameras_hold_codes_in_every_version(camera):
    for plver in ("V2.3", "V4.4", None):
        assert code_table(plver, load_camera(camera))[:10].tolist() == [*range(9), 1]


def test_a_rotated_ccd_must_be_one_of_the_camera(described):
    assert [ccd.rotated for ccd in described(rotated='["A1"]').ccds] == [True, False]
    with pytest.raises(InputError, match="rotated has 'C3'; the name of a CCD is needed"):
        described(rotated='["C3"]')


def test_an_error_names_the_line(described):
    lines = OWN_CAMERA.splitlines()
    place = next(n for n, line in enumerate(lines, 1) if line.startswith("pixel_scale"))
    text = OWN_CAMERA.replace("pixel_scale = 0.5", "pixel_scale = 0").replace("pixel_size", "size")
    with pytest.raises(InputError, match=f"{place + 1}: size = 0.015") as error:
        described(text)
    assert "unknown name(s) size" in str(error.value)
    with pytest.raises(InputError, match=rf"line {place}: pixel_scale = 0\)$"):
        described(text.replace("size =", "pixel_size ="))
