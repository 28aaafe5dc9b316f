"""Every check of the label and training assets passes on a small home, and fails where something is wrong."""

import shutil
from pathlib import Path

import dagster as dg
import pandas as pd
import pytest

from badexp_assets.config.home import Home
from badexp_assets.defs.build import build_definitions
from badexp_assets.defs.checks import CHECKED_TABLES
from badexp_assets.defs.io_managers import ParquetIOManager
from badexp_assets.defs.resources import SurveyResource
from badexp_assets.io.parquet import empty_table, write_table
from badexp_assets.io.parquet_reading import read_table
from badexp_assets.io.place import change_token
from badexp_assets.io.schemas import SCHEMAS
from badexp_assets_tests.homes import copy_home, remove, write_bytes

LABELS = ["label_files", "decals_bad_exposures", "des_bad_ccds", "delve_bad_ccds", "survey_ccds", "bad_ccd_labels"]
TRAINING = ["labels_without_image", "training_set"]
NIGHT = "2015-03-10"
N_BAD, N_GOOD, N_CCDS = 8, 8, 6


def full(name: str, **values) -> pd.DataFrame:
    """A table of the schema, with something in every column that is not given."""
    kinds = {"string": "x", "bool": True}
    columns = {c.name: None if c.nullable else kinds.get(c.type, 1) for c in SCHEMAS[name].columns}
    return pd.DataFrame(columns | values)


@pytest.fixture(scope="module")
def fresh(tmp_path_factory) -> Home:
    """A home with label files and one night's tables; exposure N_BAD is in the labels and not in the night."""
    tmp_path = tmp_path_factory.mktemp("fresh")
    place = Home(tmp_path / "home")
    place.root.mkdir()
    (tmp_path / "labels").mkdir()
    bad_expid(tmp_path, range(1, N_BAD + 1))
    expnums = [e for e in range(1, N_BAD + N_GOOD + 1) if e != N_BAD]
    exposures = full("night_exposures", expnum=expnums, night=NIGHT, status="scored")
    pairs = [(e, c) for e in expnums for c in range(1, N_CCDS + 1)]
    keys = dict(zip(("expnum", "ccdnum"), zip(*pairs, strict=True), strict=True))
    for name, table in {
        "night_exposures": exposures,
        "night_ccds": full("night_ccds", status="read", **keys),
    }.items():
        write_table(table, place.table(name, NIGHT), SCHEMAS[name])
    for name in ("review_outcomes", "reviewed_reject_list"):
        write_table(empty_table(SCHEMAS[name]), place.table(name), SCHEMAS[name])
    return place


def bad_expid(folder, expnums) -> None:
    lines = [f"{e}-{name} 2" for e in expnums for name in ("S29", "S30", "S31", "S25")]
    (folder / "labels" / "bad_expid.txt").write_text("\n".join(lines) + "\n")


def run(home: Home, assets: list[str], succeeds: bool = True) -> dict[str, dg.AssetCheckEvaluation]:
    """Materialise assets with their checks; return what the checks said, by `asset.check`."""
    survey = SurveyResource(home=str(home.root), labels=[str(home.root.parent / "labels")])
    definitions = build_definitions({"survey": survey, "io_manager": ParquetIOManager(survey=survey)})
    with dg.DagsterInstance.ephemeral() as instance:
        result = definitions.resolve_implicit_global_asset_job_def().execute_in_process(
            instance=instance, asset_selection=[dg.AssetKey(a) for a in assets], raise_on_error=False
        )
    assert result.success == succeeds
    return {f"{e.asset_key.to_user_string()}.{e.check_name}": e for e in result.get_asset_check_evaluations()}


def run_check(home: Home, asset: str, name: str) -> dg.AssetCheckEvaluation:
    """Execute one check alone, as the button in the UI does."""
    survey = SurveyResource(home=str(home.root), labels=[str(home.root.parent / "labels")])
    definitions = build_definitions({"survey": survey, "io_manager": ParquetIOManager(survey=survey)})
    job = dg.define_asset_job("alone", dg.AssetSelection.checks(dg.AssetCheckKey(dg.AssetKey(asset), name)))
    alone = dg.Definitions.merge(definitions, dg.Definitions(jobs=[job])).resolve_job_def("alone")
    with dg.DagsterInstance.ephemeral() as instance:
        [found] = alone.execute_in_process(instance=instance, raise_on_error=False).get_asset_check_evaluations()
    return found


def copied(home: Home, folder: Path) -> Home:
    shutil.copytree(home.root.parent / "labels", folder / "labels")
    return copy_home(home, folder / home.root.name)


@pytest.fixture(scope="module")
def finished(fresh, tmp_path_factory) -> Home:
    """`fresh` with the label and training assets, whose checks have all passed."""
    home = copied(fresh, tmp_path_factory.mktemp("finished"))
    checks = run(home, LABELS + TRAINING)
    assert {name for name, check in checks.items() if not check.passed} == set()
    assert {f"{asset}.columns_and_types" for asset in CHECKED_TABLES} <= set(checks)
    return home


@pytest.fixture
def built(finished, tmp_path) -> Home:
    return copied(finished, tmp_path)


@pytest.mark.slow
def test_a_line_that_nobody_understands_is_in_the_metadata(fresh, tmp_path):
    home = copied(fresh, tmp_path)
    with (home.root.parent / "labels" / "bad_expid.txt").open("a") as file:
        file.write("12-N99 2\n")
    check = run(home, LABELS)["decals_bad_exposures.every_line_is_understood"]
    assert not check.passed
    assert check.severity == dg.AssetCheckSeverity.WARN
    assert "| bad_expid.txt | 33 |" in check.metadata["lines"].value
    assert "'N99' is no CCD" in check.metadata["lines"].value


@pytest.mark.slow
def test_labels_that_were_lost_since_the_last_run_are_a_warning(built):
    bad_expid(built.root.parent, range(1, N_BAD))
    check = run(built, LABELS)["bad_ccd_labels.no_labels_are_lost"]
    assert not check.passed
    assert "all together 32 to 28" in check.description
    assert run(built, LABELS)["bad_ccd_labels.no_labels_are_lost"].passed


@pytest.mark.slow
def test_a_split_that_leaks_fails_and_stops_what_needs_it(built):
    built.settings_file.write_text('[training]\nsplit_by = "row"\n')
    checks = run(built, [*TRAINING, "classification_report", "fitted_pipeline"], succeeds=False)
    assert not checks["training_set.no_exposure_on_both_sides"].passed
    assert not (built.models / "fitted_pipeline").exists()


@pytest.mark.slow
@pytest.mark.parametrize(("asset", "other"), [TRAINING, TRAINING[::-1]])
def test_each_of_the_two_tables_is_made_alone_with_its_own_checks(built, asset, other):
    before = change_token(built.table(other))
    remove(built.table(asset))
    checks = run(built, [asset])
    assert built.table(asset).exists()
    assert change_token(built.table(other)) == before
    assert {name.partition(".")[0] for name in checks} == {asset}


def test_labels_without_an_image_are_a_table_with_reasons(built):
    missing = read_table(built.table("labels_without_image"))
    assert missing["expnum"].tolist() == [N_BAD] * 4
    assert set(missing["reason"]) == {"the exposure is not among the nights that were read"}


def test_a_label_that_is_neither_read_nor_listed_fails(built):
    path = built.table("labels_without_image")
    write_table(read_table(path).iloc[1:], path, SCHEMAS["labels_without_image"])
    check = run_check(built, "labels_without_image", "every_label_is_read_or_missing")
    assert not check.passed
    assert check.severity == dg.AssetCheckSeverity.ERROR
    assert "neither read nor listed as missing" in check.metadata["rows"].value


def test_unusable_files_of_another_night_do_not_count_in_the_check_for_traces_of_labels(built):
    before = run_check(built, "training_set", "labels_leave_no_trace_in_measurements")
    exposures = read_table(built.table("night_exposures", NIGHT))
    unusable = exposures.assign(night="2015-03-09", status="excluded", n_ccds=N_CCDS)  # as if all CCDs were selected
    write_table(unusable, built.table("night_exposures", "2015-03-09"), SCHEMAS["night_exposures"])
    check = run_check(built, "training_set", "labels_leave_no_trace_in_measurements")
    assert check.passed
    assert check.metadata == before.metadata


@pytest.mark.slow
def test_limits_of_the_settings_decide_about_shares_and_sizes(built):
    built.settings_file.write_text(
        "[checks]\nmax_missing_share = 0.01\nmax_good_share = 0.2\n\n[training]\nfolds = 8\n"
    )
    for path in (built.tables / "night_ccds").glob("*.parquet"):
        ccds = read_table(path)
        ccds.loc[ccds["expnum"] == 1, ["status", "status_reason"]] = "failed", "its tiles do not decompress"
        write_table(ccds, path, SCHEMAS["night_ccds"])
    checks = run(built, TRAINING)
    for name in (
        "labels_without_image.few_labels_are_without_image",
        "training_set.good_share_is_sensible",
        "training_set.every_category_has_enough_exposures",
    ):
        assert not checks[name].passed
        assert checks[name].severity == dg.AssetCheckSeverity.WARN


@pytest.mark.parametrize("asset", CHECKED_TABLES)
def test_a_stored_table_that_was_damaged_fails(built, asset):
    path = built.table(asset)
    last = SCHEMAS[asset].columns[-1].name
    write_bytes(path, read_table(path).drop(columns=last).to_parquet())
    check = run_check(built, asset, "columns_and_types")
    assert not check.passed
    assert f"{last}: no such column" in check.description
