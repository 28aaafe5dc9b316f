"""The report of a night: what it counts adds up, what is wrong is at its head, and what is missing is said."""

import io

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from badexp_assets.commands.asset_text import render
from badexp_assets.config.home import Home
from badexp_assets.config.operation_options import CheckParams
from badexp_assets.errors import InputError
from badexp_assets.io.parquet import write_table
from badexp_assets.io.schemas import SCHEMAS
from badexp_assets.reports.night_figures import trends_figure
from badexp_assets.reports.night_page import headline, write_night_report
from badexp_assets.reports.night_summary import NightTrends, summarise_night
from badexp_assets.survey.cameras import load_camera
from badexp_assets_tests.homes import remove

NIGHTS = ("2018-05-15", "2018-05-16", "2018-05-17")
NIGHT = NIGHTS[-1]
FILES = {"fingerprint": "abc"}
EXPTIME, SEEING, SKY = 90.0, 4.0, 450.0


def full(name: str, **values) -> pd.DataFrame:
    """A table of the schema, with something in every column that is not given."""
    kinds = {"string": "x", "bool": False}
    columns = {c.name: None if c.nullable else kinds.get(c.type, 1) for c in SCHEMAS[name].columns}
    return pd.DataFrame(columns | values)


def store(home: Home, name: str, night: str, metadata: dict = FILES, /, **values) -> None:
    write_table(full(name, **values), home.table(name, night), SCHEMAS[name], metadata)


@pytest.fixture
def home(tmp_path) -> Home:
    """Three nights of eight exposures; of the last one two failed, one is excluded, and one stands out twice."""
    place = Home(tmp_path / "home")
    for n, night in enumerate(NIGHTS):
        expnums = [100 * (n + 1) + k for k in range(8)]
        last = night == NIGHT
        status = ["failed", "failed", "excluded", *["scored"] * 5] if last else ["scored"] * 8
        paths = [f"CP/c4d_{k}_ooi_g_ls9.fits.fz" for k in range(8)]
        torn = [f"/a/{paths[0]}: torn | here", f"/a/{paths[1]}[S29]: torn | here"]
        reasons = [*torn, "WCSCAL is missing", *[None] * 5] if last else None
        bands = ["g", "r"] * 4
        same = {"night": night, "filter": bands, "path": paths}
        store(place, "night_exposures", night, expnum=expnums, status=status, status_reason=reasons, plver="V5.6",
              exptime=EXPTIME, **same)  # fmt: skip
        read = expnums[3:] if last else expnums
        seeing = [np.nan, *[SEEING * (n + 1)] * (len(read) - 1)]
        store(place, "night_ccds", night, expnum=read, ccdnum=1, status="read", sky=SKY, seeing=seeing,
              fwhm=SEEING * (n + 1))  # fmt: skip
        own = {"night": night, "filter": bands[-len(read) :], "expnum": read}
        p_bad = np.linspace(0.1, 0.9, len(read))
        store(
            place,
            "night_exposure_predictions",
            night,
            p_bad=p_bad,
            is_bad=p_bad > 0.85,
            category="psf",
            model="m1",
            **own,
        )
        store(place, "night_predictions", night, expnum=read, ccdnum=1, model="m1", p_bad=p_bad)
        z = [20.0, *[0.0] * (len(read) - 1)]
        store(place, "night_entropy_scores", night, z_source=z, n_sources=100, reference="r1", **own)
        store(place, "night_reconstruction_errors", night, mean_mse=1.0, n_stamps=50, model="a1", **own)
    return place


def summary(home: Home, night: str = NIGHT):
    return summarise_night(home, night, load_camera(), CheckParams())


def png() -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (40, 30)).save(stream, "PNG")
    return stream.getvalue()


def test_counts_add_up_in_every_band_and_in_all(home):
    counts = summary(home).counts.set_index("filter")
    assert (counts["n"] == counts[["scored", "failed", "excluded"]].sum(axis=1)).all()
    assert counts.loc["all"].tolist() == [8, 5, 2, 1, 1]
    assert counts.drop("all")["n"].sum() == 8
    assert headline(summary(home)) == "8 exposures: 5 scored, 2 failed, 1 excluded; 1 called bad."


def test_failures_are_listed_by_reason_whatever_the_file_with_their_exposures(home):
    failures = summary(home).failures
    assert failures.to_numpy().tolist() == [
        ["failed", "torn | here", 2, "300, 301"],
        ["excluded", "WCSCAL is missing", 1, "302"],
    ]


@pytest.mark.parametrize("archive", ["/data", "/data/DECam Legacy Survey: all", "s3://bucket/a b"])
@pytest.mark.parametrize("folder", ["", "CP 5.6/CP20180517/"])
@pytest.mark.parametrize("ending", [".fits", ".fits.fz", ".FIT", ".fts.gz"])
def test_reasons_are_the_same_whatever_the_path_of_the_archive_and_the_ending_of_its_files(
    home, archive, folder, ending
):
    paths = [f"{folder}{k}_ooi_g{ending}" for k in range(6)]
    reasons = [
        f"{archive}/{paths[0]}: torn: at byte 7",
        f"{archive}/{paths[1]}[S29]: torn: at byte 7",
        f"{archive}/{paths[2].replace('ooi', 'ood')}: torn: at byte 7",
        f"{paths[3]}: its name",
        "EXPNUM 9 is also that of another exposure, CP/a.fits: excluded",
        "WCSCAL is missing",
    ]
    store(
        home, "night_exposures", NIGHT, night=NIGHT, expnum=range(6), status="failed", status_reason=reasons, path=paths
    )
    ccds = [f"{archive}/{path}[N4]: no data" for path in paths]
    store(home, "night_ccds", NIGHT, night=NIGHT, expnum=range(6), ccdnum=1, status="failed", status_reason=ccds)
    found = summary(home)
    assert found.failures[["reason", "n"]].to_numpy().tolist() == [
        ["torn: at byte 7", 3],
        [reasons[4], 1],
        ["WCSCAL is missing", 1],
        ["its name", 1],
    ]
    assert found.ccd_failures[["reason", "n"]].to_numpy().tolist() == [["no data", 6]]


def test_the_worst_are_those_called_bad_then_those_that_another_method_finds(home):
    assert summary(home).worst["expnum"].tolist() == [307, 303]
    write_table(
        full("review_candidates", expnum=[304], rank=7), home.table("review_candidates"), SCHEMAS["review_candidates"]
    )
    worst = summary(home).worst.set_index("expnum")
    assert worst["rank"].to_dict()[304] == 7


def test_a_night_in_which_nothing_stands_out_has_no_worst_exposures(home):
    for name in ("night_exposure_predictions", "night_entropy_scores", "night_reconstruction_errors"):
        remove(home.table(name, NIGHT))
    found = summary(home)
    assert found.worst.empty
    assert "none stands out" in write_night_report(
        home.night_report(NIGHT), home.night_report(NIGHT, "md"), found, {}, trends_figure(found.trends)
    )


@pytest.mark.slow
def test_seeing_and_sky_are_medians_in_arcsec_and_adu_a_second(home):
    camera = load_camera()
    trends = NightTrends(home, camera).until(NIGHT, 30)
    assert sorted(set(trends["night"])) == list(NIGHTS)
    for n, night in enumerate(NIGHTS):
        own = trends[trends["night"] == night]
        assert own["seeing"].tolist() == pytest.approx([SEEING * (n + 1) * camera.pixel_scale] * 2)
        assert own["sky"].tolist() == pytest.approx([SKY / EXPTIME] * 2)
    assert set(NightTrends(home, camera).until(NIGHTS[1], 1)["night"]) == {NIGHTS[1]}
    assert trends_figure(trends)[:4] == b"\x89PNG"


def test_what_a_person_should_know_first_is_at_the_head(home):
    found = summary(home, NIGHTS[0]).findings
    assert len(found) == 1  # the model has no record of its training
    assert found[0].startswith("Drift: not compared")
    remove(home.table("night_entropy_scores", NIGHT))
    remove(home.table("night_reconstruction_errors", NIGHT))
    store(home, "night_reconstruction_errors", NIGHT, {"fingerprint": "old"}, expnum=[303])
    store(home, "night_predictions", NIGHT, expnum=[303, 304], ccdnum=1, model="m1")
    found = "\n".join(summary(home).findings)
    assert "2 of 8 exposures could not be read" in found
    assert "no table night_entropy_scores" in found
    assert "night_reconstruction_errors was made from files that have changed since" in found
    assert "3 scored exposures are not in night_predictions" in found


def test_page_and_text_say_the_same_and_text_of_files_is_escaped(home):
    page, text = home.night_report(NIGHT), home.night_report(NIGHT, "md")
    store(home, "night_ccds", NIGHT, expnum=[303], ccdnum=[2], status="failed", status_reason="<b>torn</b>")
    found = summary(home)
    words = write_night_report(page, text, found, {307: png()}, trends_figure(found.trends))
    html = page.read_text(encoding="utf-8")
    assert text.read_text(encoding="utf-8") == words
    for night in (None, NIGHT):
        assert list(render(home, "night_report", night, "table")) == [words.rstrip()]
    assert "&lt;b&gt;torn&lt;/b&gt;" in html
    assert "<b>torn" not in html
    assert "torn \\| here" in words
    for version in ("V5.6 (8)", "m1", "r1", "a1"):
        assert version in html
        assert version in words
    assert html.count("data:image/png") == 2  # the trends and one preview
    assert html.count("no preview") == 1


@pytest.mark.slow
def test_a_night_without_exposures_is_a_report_too(home):
    for asset in (asset for asset in SCHEMAS if NIGHT in home.nights(asset)):
        remove(home.table(asset, NIGHT))
    store(home, "night_exposures", NIGHT, expnum=[])
    found = summary(home)
    assert found.findings == ["The archive has no exposure of this night."]
    words = write_night_report(
        home.night_report(NIGHT), home.night_report(NIGHT, "md"), found, {}, trends_figure(found.trends)
    )
    assert "0 exposures: 0 scored, 0 failed, 0 excluded" in words
    assert "none stands out" in words


def test_a_night_that_was_not_read_is_an_error(home):
    with pytest.raises(InputError, match="2018-01-01"):
        summary(home, "2018-01-01")
