import hashlib
from dataclasses import replace
from pathlib import Path

import fitsio
import numpy as np
import pandas as pd
import pytest
from astropy.io import fits
from astropy.wcs import WCS

from badexp_assets.errors import InputError
from badexp_assets.labels.label_files import find_label_files, read_delve
from badexp_assets.simulate.ccd_pixels import Plane, choose_ccds, frame_of
from badexp_assets.simulate.exposure import amplifiers_of, simulate_exposure
from badexp_assets.simulate.params import CATEGORIES, SurveyParams
from badexp_assets.simulate.survey import write_survey
from badexp_assets.simulate.survey_plan import plan_survey
from badexp_assets.survey.cameras import load_camera
from badexp_assets.survey.ccd_cuts import CCD_CUTS

PARAMS = SurveyParams(
    ccd_rows=64, ccd_columns=48, n_ccds=4, nights=2, exposures=23, bad_fraction=0.96, hard_negative_fraction=0.04
)
TINY = SurveyParams(ccd_rows=48, ccd_columns=48, n_ccds=2, nights=1, exposures=3, seed=5)


@pytest.fixture(scope="module")
def survey(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("survey")
    calls: list[tuple[int, int]] = []
    summary = write_survey(out, PARAMS, progress=lambda done, total: calls.append((done, total)))
    assert calls == [(i, 46) for i in range(1, 47)]
    assert (summary.n_exposures, summary.n_bad) == (46, 44)
    assert summary.nights == ("2018-03-10", "2018-03-11")
    return out


def hashes(folder: Path) -> dict[str, str]:
    return {
        str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in folder.rglob("*") if p.is_file()
    }


def named_exposures(survey: Path) -> dict[int, set[str]]:
    """Exposures that each list names, read with the plainest code."""
    found: dict[int, set[str]] = {}
    for path in sorted((survey / "labels").rglob("*.txt")):
        for line in path.read_text().splitlines():
            if not line.strip() or line.startswith("#"):
                continue
            word = line.split()[0 if "bad_expid" in path.name else 1]
            found.setdefault(int(word.split("-")[0]), set()).add(path.name)
    for row in fitsio.read(str(survey / "labels" / "exclude-simulated.fits")):
        found.setdefault(int(row["EXPNUM"]), set()).add("exclude-simulated.fits")
    return found


@pytest.mark.slow
def test_the_same_seed_gives_the_same_bytes_with_any_number_of_workers(tmp_path: Path) -> None:
    for name, workers in (("a", 1), ("b", 2)):
        write_survey(tmp_path / name, TINY, workers=workers)
    assert hashes(tmp_path / "a") == hashes(tmp_path / "b")
    assert len(hashes(tmp_path / "a")) == 3 * 3 + 7 + 3


def test_another_seed_gives_another_survey(tmp_path: Path) -> None:
    for seed in (5, 6):
        write_survey(tmp_path / str(seed), replace(TINY, seed=seed))
    images = [{h for n, h in hashes(tmp_path / s).items() if "_ooi_" in n} for s in ("5", "6")]
    assert not images[0] & images[1]


def test_a_folder_with_a_survey_is_not_written_to(tmp_path: Path) -> None:
    write_survey(tmp_path, TINY)
    with pytest.raises(InputError, match="images: not empty"):
        write_survey(tmp_path, TINY)


@pytest.mark.slow
def test_truth_agrees_with_itself_and_with_the_files(survey: Path) -> None:
    truth, exposures = pd.read_parquet(survey / "truth.parquet"), pd.read_csv(survey / "truth_exposures.csv")
    pd.testing.assert_frame_equal(truth, pd.read_csv(survey / "truth.csv", keep_default_na=False), check_dtype=False)
    assert len(truth) == exposures["n_ccds"].sum() == 184
    assert exposures["expnum"].is_monotonic_increasing
    assert exposures["expnum"].is_unique
    bad = truth[truth["category"] != "good"].groupby("expnum").size()
    assert (exposures.set_index("expnum")["n_bad_ccds"] == bad.reindex(exposures["expnum"], fill_value=0)).all()
    assert (exposures["bad"] == (exposures["n_bad_ccds"] > 0)).all()
    assert (exposures["severity"].gt(0) == exposures["bad"]).all()
    assert exposures["hard_negative"].notna().sum() == 2
    files = sorted((survey / "images").rglob("*_ooi_*.fits.fz"))
    assert {int(fitsio.read_header(str(f))["EXPNUM"]) for f in files} == set(exposures["expnum"])
    assert len(list((survey / "images").rglob("*.fz"))) == 3 * len(exposures)


def test_every_category_occurs_labelled_and_unlabelled(survey: Path) -> None:
    exposures = pd.read_csv(survey / "truth_exposures.csv")
    for category in CATEGORIES:
        labelled = exposures.loc[exposures["category"] == category, "in_labels"]
        assert labelled.sum() >= 3
        assert (~labelled).sum() >= 1


def test_too_few_sources_are_simulated_and_labelled_on_request(tmp_path: Path) -> None:
    write_survey(tmp_path, replace(TINY, bad_fraction=1.0, hard_negative_fraction=0.0, categories=("few_sources",)))
    truth = pd.read_csv(tmp_path / "truth_exposures.csv")
    assert set(truth["category"]) == {"few_sources"}
    lines = read_delve(find_label_files(tmp_path / "labels"))
    assert set(lines["category"]) == {"few_sources"}
    assert set(lines["expnum"]) == set(truth.loc[truth["in_labels"], "expnum"])
    assert "few_sources" not in {plan.category for plan in plan_survey(SurveyParams())}


def test_label_files_name_exactly_the_labelled_exposures(survey: Path) -> None:
    exposures = pd.read_csv(survey / "truth_exposures.csv").set_index("expnum")
    named = named_exposures(survey)
    here = {e for e, files in named.items() if e in exposures.index and files != {"streak-y01.txt"}}
    assert here == set(exposures.index[exposures["in_labels"]])
    assert set(named) - set(exposures.index) == {346343, 346662}  # of another survey, as in the real file
    used = set().union(*(named[e] for e in here))
    assert used >= {
        "decam-bad_expid.simulated.txt",
        "problem-y01.txt",
        "ghost-scatter-y01.txt",
        "noise-y01.txt",
        "exclude-simulated.fits",
    }


def test_lists_per_ccd_name_the_affected_ccds(survey: Path) -> None:
    truth = pd.read_parquet(survey / "truth.parquet")
    rows = fitsio.read(str(survey / "labels" / "exclude-simulated.fits"))
    assert rows.dtype["EXPNUM"].newbyteorder("=") == np.int32
    assert rows.dtype["CCDNUM"].newbyteorder("=") == np.int16
    category = truth.set_index(["expnum", "ccdnum"])["category"]
    assert len(rows)
    for row in rows:
        reason = row["REASON"].strip()
        assert category[(row["EXPNUM"], row["CCDNUM"])] == {"Bad CCD": "bad_ccd", "Wonky": "wonky"}[reason]


def test_survey_ccds_has_every_ccd_and_its_cut_bits(survey: Path) -> None:
    truth, exposures = pd.read_parquet(survey / "truth.parquet"), pd.read_csv(survey / "truth_exposures.csv")
    table = fitsio.read(str(survey / "labels" / "survey-ccds-simulated.fits.gz"))
    assert len(table) == len(truth)
    camera = load_camera()
    numbers = [camera.by_name[name.strip()].ccdnum for name in table["ccdname"]]
    assert list(zip(table["expnum"], numbers, strict=True)) == list(zip(truth["expnum"], truth["ccdnum"], strict=True))
    files = {name.strip() for name in table["image_filename"]}
    assert all((survey / "images" / name).exists() for name in files)
    in_list = {e for e, f in named_exposures(survey).items() if "decam-bad_expid.simulated.txt" in f}
    marked = set(table["expnum"][(table["ccd_cuts"] >> CCD_CUTS["badexp_file"]) & 1 == 1].tolist())
    assert marked <= in_list
    assert marked >= set(exposures.loc[(exposures["category"] == "saturated") & exposures["in_labels"], "expnum"])
    assert set(np.unique(table["ebv"][~table["annotated"]])) <= {0.0}
    raw = fits.open(survey / "labels" / "survey-ccds-simulated.fits.gz")
    assert raw[1].data.field("camera")[0] == "decam"
    raw.close()


@pytest.mark.parametrize("index", [0, 30])
def test_astropy_and_fitsio_read_the_same_pixels_and_headers(survey: Path, index: int) -> None:
    path = sorted((survey / "images").rglob("*_ooi_*.fits.fz"))[index]
    with fits.open(path) as astro, fitsio.FITS(str(path)) as fast:
        astro.verify("exception")
        primary = astro[0].header
        assert primary["FILTER"].split()[0] == path.name.split("_")[4]
        assert len(primary["FILTER"].split()) == 6
        assert primary["DTCALDAT"].replace("-", "") == path.parent.name[2:]
        assert (primary["OBSTYPE"], primary["PROCTYPE"], primary["PRODTYPE"]) == ("object", "InstCal", "image")
        assert primary["WCSCAL"].startswith("Success") or primary["SCAMPFLG"] == 0
        assert isinstance(primary["PLPROCID"], str)
        start = pd.Timestamp(primary["DATE-OBS"])
        assert start.strftime("%y%m%d_%H%M%S") in path.name
        assert start.to_julian_date() - 2400000.5 == pytest.approx(primary["MJD-OBS"], abs=1e-7)
        assert len(astro) == len(fast) == 5
        for i, hdu in enumerate(astro[1:], start=1):
            assert hdu.data.dtype == np.float32
            assert hdu.data.shape == (64, 48)
            np.testing.assert_array_equal(hdu.data, fast[i].read())
            assert hdu.header["EXTNAME"] == hdu.header["DETPOS"]
            assert load_camera().by_name[hdu.name].ccdnum == hdu.header["CCDNUM"]
            assert fast[i].read_header()["ZQUANTIZ"] == "SUBTRACTIVE_DITHER_1"
            assert fast[i].read_header()["ZCMPTYPE"] == "RICE_1"
            assert not {"CHECKSUM", "DATASUM", "DATE"} & set(hdu.header)


def test_masks_hold_codes_and_weights_are_zero_where_they_do(survey: Path) -> None:
    codes: set[int] = set()
    for path in sorted((survey / "images").rglob("*_ood_*.fits.fz")):
        with fitsio.FITS(str(path)) as mask, fitsio.FITS(str(path).replace("_ood_", "_oow_")) as weight:
            for i in range(1, len(mask)):
                codes |= set(np.unique(mask[i].read()).tolist())
                np.testing.assert_array_equal(mask[i].read() != 0, weight[i].read() == 0)
                assert mask[i].read().dtype == np.int32
    assert codes <= {0, 1, 3, 4, 5}
    assert codes >= {0, 3, 4, 5}


def test_headers_have_the_quirks_of_real_ones() -> None:
    from badexp_assets.simulate.headers import primary_cards

    cards = [
        {c["name"]: c["value"] for c in primary_cards(plan, "ooi", plan.exptime, 0)}
        for plan in plan_survey(SurveyParams())
    ]
    assert 0.4 < np.mean([c["WCSCAL"] == "Failed" and c["SCAMPFLG"] == 0 for c in cards]) < 0.8
    assert {type(c["AIRMASS"]) for c in cards} == {str, float}
    assert "NaN" in {c["DIMMSEE"] for c in cards}
    assert {"RA" in c for c in cards} == {True, False}
    assert len({c["EXPNUM"] for c in cards}) == len(cards)


def test_the_wcs_puts_ccds_where_the_focal_plane_has_them() -> None:
    camera, plan = load_camera(), plan_survey(TINY)[0]
    frames = [frame_of(camera, camera.by_name[name], 4094, 2046) for name in ("N4", "S4", "N12")]
    scale = load_camera().pixel_scale / 3600

    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    wcs.wcs.crval = plan.ra, plan.dec
    wcs.wcs.cd = [[0, scale], [-scale, 0]]
    for frame in frames:
        wcs.wcs.crpix = frame.crpix
        ra, dec = wcs.pixel_to_world_values(1022.5, 2046.5)
        east, north = (ra - plan.ra) * np.cos(np.radians(dec)), dec - plan.dec
        scale = camera.pixel_scale / 3600 / camera.pixel_size
        assert north == pytest.approx(-frame.ccd.x_mm * scale, rel=0.01, abs=0.003)
        assert east == pytest.approx(frame.ccd.y_mm * scale, rel=0.02, abs=0.003)


def test_noise_of_a_plain_sky_is_photon_and_read_noise() -> None:
    camera = load_camera()
    plan = replace(
        plan_survey(replace(TINY, bad_fraction=0.0))[0], field_density=0.0, sky_adu=300.0, hard_negative="", band="r"
    )
    frame = frame_of(camera, camera.by_name["S11"], 400, 300)
    ccd = next(iter(simulate_exposure(plan, [frame], 1, Plane())))
    amplifiers = amplifiers_of(frame.ccd.ccdnum)
    good = ccd.pixels.mask == 0
    for half, gain, noise in (
        (np.s_[:, :150], amplifiers.gain[1], amplifiers.read_noise[1]),
        (np.s_[:, 150:], amplifiers.gain[0], amplifiers.read_noise[0]),
    ):
        pixels = ccd.pixels.image[half][good[half]].astype(float)
        residual = pixels - np.median(pixels)
        level = np.median(pixels)
        assert residual.std() == pytest.approx(np.sqrt(level / gain + (noise / gain) ** 2), rel=0.02)
        assert ccd.weight[half][good[half]].mean() == pytest.approx(1 / residual.var(), rel=0.05)


def test_chosen_ccds_form_a_block_about_the_centre_without_dead_ones() -> None:
    camera = load_camera()
    chosen = choose_ccds(camera, "2018-03-10", 16)
    assert len(chosen) == 16
    assert abs(np.mean([c.x_mm for c in chosen])) < 1
    assert abs(np.mean([c.y_mm for c in chosen])) < 1
    assert "N30" not in {c.ccdname for c in choose_ccds(camera, "2018-03-10", 62)}
    assert len(choose_ccds(camera, "2012-10-01", 62)) == 62


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"ccd_rows": 40}, "ccd_rows: found 40"),
        ({"n_ccds": 63}, "n_ccds: found 63"),
        ({"bad_fraction": 1.5}, "bad_fraction: found 1.5"),
        ({"bad_fraction": 0.9, "hard_negative_fraction": 0.2}, "hard_negative_fraction: found 1.1"),
        ({"first_night": "10.3.2018"}, "first_night: found '10.3.2018'"),
        ({"bands": ("Y",)}, "bands: found Y"),
        ({"camera": "hubble"}, "camera 'hubble' is not known"),
        ({"seed": -1}, "seed: found -1"),
        ({"categories": ()}, "categories: found none"),
        ({"categories": ("clouds",)}, "categories: found clouds, allowed are some of saturated"),
        ({"categories": ("psf", "psf")}, "categories: found psf, psf, allowed is each category once"),
    ],
)
def test_parameters_out_of_range_are_named(change: dict[str, object], named: str) -> None:
    with pytest.raises(InputError, match=named):
        SurveyParams(**change)  # type: ignore[arg-type]
