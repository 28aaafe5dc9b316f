"""`badexp plan`: measured here, on a scanned archive, or from files; errors that name the option; the document."""

import json
import re
import shlex
from dataclasses import replace

import pytest
from click.testing import CliRunner

from badexp_assets.commands.cli import badexp
from badexp_assets.config.settings import load_settings
from badexp_assets.errors import InputError
from badexp_assets.orchestration.plan.archive_scan import scan_archive
from badexp_assets.orchestration.plan.inputs import Archive, Rates, read_rates, write_rates
from badexp_assets.orchestration.plan.measure import measure_rates
from badexp_assets.orchestration.plan.report import draw_hours
from badexp_assets.pixels.night_tables import PASS_TABLES
from badexp_assets.survey.cameras import load_camera
from badexp_assets_tests.repository import REPOSITORY

DOCUMENT = REPOSITORY / "docs" / "scale.md"
SIZE = ["--exposures", "1000", "--nights", "10", "--file-size", "380"]


def plan(*words, **more):
    return CliRunner().invoke(badexp, ["plan", *map(str, words)], catch_exceptions=False, **more)


@pytest.fixture
def rates(tmp_path):
    write_rates(Rates("here", "core", 36_000, 0.3, 8.4, 5, 0.1, {"night_ccds": 500}, {}), tmp_path / "rates.json")
    return tmp_path / "rates.json"


def test_json_holds_the_plan_and_all_that_went_into_it(rates, tmp_path):
    found = json.loads(
        plan(*SIZE, "--rates", rates, "--home", tmp_path, "--cores-per-node", 8, "--format", "json").stdout
    )
    assert found["archive"]["exposures"] == 1000
    assert found["machine"]["cores"] == 8
    assert found["rates"]["images_per_hour"] == 36_000
    assert found["plan"]["images"] == 20_000
    assert found["plan"]["stages"][0]["hours"] == pytest.approx((21_000 * 0.1 + 20_000 * 0.3) / 8 / 3600)


def test_a_gpu_that_one_does_not_have_is_given_by_its_rate(rates, tmp_path):
    words = [*SIZE, "--rates", rates, "--home", tmp_path, "--gpus-per-node", 4, "--cores-per-node", 64, "--nodes", 2]
    text = plan(*words, "--images-per-gpu-hour", 8647).stdout
    assert "8647 images an hour and GPU as given" in text
    assert "2 nodes of 4 GPUs, 64 cores" in text
    assert "limited by GPUs: network" in text
    assert "BADEXP_NIGHTS_PER_JOB=5 BADEXP_GPUS_PER_JOB=4" in text


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ([], "no archive given: use --archive, or --exposures, --nights and --file-size"),
        (["--exposures", "5"], "--nights, --file-size missing"),
        ([*SIZE, "--nodes", "0"], "nodes: 0"),
        ([*SIZE, "--gpus-per-node", "4"], "gpus-per-node: 4; the rates are of a processor core"),
        ([*SIZE, "--rates", "/nothing.json"], "rates /nothing.json: can't be read"),
    ],
)
def test_what_is_missing_or_wrong_is_named(rates, tmp_path, words, says):
    with pytest.raises(InputError, match=re.escape(says)):
        plan("--rates", rates, "--home", tmp_path, *words)


def test_an_archive_is_counted_by_names_and_sizes(simulated_survey):
    archive = simulated_survey / "images"
    found = scan_archive(archive, load_camera(), 4)
    assert (found.exposures, found.nights) == (48, 2)
    assert (found.images_per_exposure, found.ccds_in_file) == (4, 6)
    assert found.megapixels == 192 * 128 / 1e6
    sizes = [p.stat().st_size for p in archive.rglob("*.fits.fz") if "_oow_" not in p.name]
    assert found.exposure_bytes == pytest.approx(sum(sizes) / 48)
    assert scan_archive(archive, load_camera(), 20).images_per_exposure == 6
    assert scan_archive(archive, load_camera(), None).images_per_exposure == 6


def test_all_ccds_are_planned_for_where_all_are_read(rates, tmp_path):
    (tmp_path / "settings.toml").write_text("[night_pass]\nall_ccds = true\n")
    assert "60 of 60 CCDs each" in plan(*SIZE, "--rates", rates, "--home", tmp_path).output
    assert "20 of 60 CCDs each" in plan(*SIZE, "--rates", rates, "--home", tmp_path, "--ccds-per-exposure", "20").output


def test_an_object_store_moves_whole_ccds_for_focal_planes(rates, tmp_path):
    words = (*SIZE, "--rates", rates, "--home", tmp_path, "--format", "json")
    on_disk = json.loads(plan(*words).output)["archive"]
    on_store = json.loads(plan(*words, "--archive", "s3://survey/CP").output)["archive"]
    rows, whole, sampled = (
        Archive(**on_disk).bytes_read,
        Archive(**on_store).bytes_read,
        Archive(**on_store | {"focal_plane_step": 0}).bytes_read,
    )
    assert rows / sampled == pytest.approx((20 + 40 / 8) / 20)
    assert whole / sampled == pytest.approx(3)


def test_a_figure_is_drawn_and_another_ending_is_refused(rates, tmp_path):
    plan(*SIZE, "--rates", rates, "--home", tmp_path, "--figure", tmp_path / "hours.png")
    assert (tmp_path / "hours.png").read_bytes()[:4] == b"\x89PNG"
    with pytest.raises(InputError, match=r"hours.pdf: a name that ends with .png"):
        draw_hours(read_rates(rates), None, None, tmp_path / "hours.pdf")


@pytest.mark.slow
def test_rates_are_measured_on_a_night_of_the_archive_that_is_given(simulated_survey, tmp_path):
    options = {"night_pass": {"rows": 64, "columns": 32, "focal_plane_size": 160}, "entropy": {"gradient_points": 200}}
    settings = replace(load_settings(tmp_path / "home"), sections=options)
    found = measure_rates(settings, tmp_path / "work", simulated_survey / "images", repeats=1)
    assert found.device == "core"
    assert found.megapixels == 192 * 128 / 1e6
    assert found.images_per_hour > 1000
    assert 0 < found.core_seconds_per_image < 60
    assert found.startup_seconds > 0.5
    assert {*found.image_bytes, *found.exposure_bytes} == set(PASS_TABLES)
    assert found.image_bytes["night_embeddings"] > 1000
    assert found.exposure_bytes["night_stamps"] > 10_000
    assert 0.1 < found.process_gib < 10
    assert "efficientnet_lite0" in found.source


def _examples() -> list[tuple[str, str]]:
    """Commands and outputs in the document: blocks that begin with `$ badexp plan`."""
    text = DOCUMENT.read_text(encoding="utf-8")
    blocks = re.findall(r"```\n\$ badexp (plan .*?)\n\n(.*?)```", text, re.S)
    return [(command.replace("\\\n", " "), output) for command, output in blocks]


def test_what_the_document_shows_is_what_its_commands_print(monkeypatch, tmp_path):
    monkeypatch.chdir(REPOSITORY)
    monkeypatch.setenv("BADEXP_HOME", str(tmp_path))  # not that of the checkout, in which a demonstration may have run
    examples = _examples()
    assert len(examples) >= 3
    for command, output in examples:
        shown = CliRunner().invoke(badexp, shlex.split(command), catch_exceptions=False).stdout
        assert shown == output, command
