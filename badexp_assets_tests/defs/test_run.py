"""The whole graph over a simulated survey, by the command line."""

import json

import dagster as dg
import pandas as pd
import pytest
from click.testing import CliRunner

from badexp_assets.commands.asset_text import load
from badexp_assets.commands.cli import badexp
from badexp_assets.commands.dagster_home import environment
from badexp_assets.commands.graph_run import Runner
from badexp_assets.commands.run_output import summary_lines
from badexp_assets.config.home import Home
from badexp_assets.config.settings import load_settings
from badexp_assets.config.settings_file import update_settings_file
from badexp_assets.defs import jobs
from badexp_assets.defs.resources import Progress
from badexp_assets.evaluation.classification.label_leak import check_label_leak, exposures_measured, label_leak
from badexp_assets.io.models import current_version, list_models, load_current
from badexp_assets.io.parquet_reading import read_table, scan_nights
from badexp_assets.io.place import change_tokens
from badexp_assets.io.schemas import SCHEMAS
from badexp_assets.survey.cameras import load_camera
from badexp_assets_tests.homes import copy_home

NIGHTS = 2
EXPOSURES = 48
N_SAMPLED = 4


@pytest.fixture(scope="module")
def home(finished_home) -> Home:
    return Home(finished_home)


@pytest.mark.parametrize(
    "asset", sorted(set(SCHEMAS) - {"pipeline_search", "injection_completeness"})
)  # on request only
def test_every_table_is_there_with_its_columns(home, asset):
    assert set(SCHEMAS[asset].column_names) <= set(load(home, asset).columns)


def test_every_exposure_of_every_night_ends_somewhere(home):
    exposures = load(home, "night_exposures")
    assert len(exposures) == EXPOSURES
    assert exposures["night"].nunique() == NIGHTS
    assert exposures["status"].isin(["scored", "failed", "excluded"]).all()


def test_every_exposure_that_was_scored_has_all_scores(home):
    exposures = load(home, "night_exposures")
    scored = set(exposures.loc[exposures["status"] == "scored", "expnum"])
    for asset in ("night_exposure_predictions", "night_entropy_scores", "night_reconstruction_errors"):
        assert scored <= set(load(home, asset)["expnum"]), asset


def test_every_sampled_ccd_is_embedded_once_and_labelled_ones_besides_them(home):
    ccds = load(home, "night_ccds")
    assert ccds["drawn"].all()
    assert ccds.groupby("expnum").size().max() == N_SAMPLED
    embedded = load(home, "night_embeddings")[["expnum", "ccdnum"]]
    assert not embedded.duplicated().any()
    read = ccds.loc[ccds["status"] == "read", ["expnum", "ccdnum"]]
    assert set(map(tuple, embedded.to_numpy())) == set(map(tuple, read.to_numpy()))
    labels = load(home, "bad_ccd_labels")
    labels = labels.loc[labels["expnum"].isin(ccds["expnum"]), ["expnum", "ccdnum"]]
    others = load(home, "labelled_ccd_embeddings")
    assert len(others) > 0
    assert others.loc[others["status"] == "read", "embedding"].map(len).nunique() == 1
    others = set(map(tuple, others[["expnum", "ccdnum"]].to_numpy()))
    assert others <= set(map(tuple, labels.to_numpy())) - set(map(tuple, read.to_numpy()))
    used = load(home, "training_set")[["expnum", "ccdnum", "category"]]
    assert others & set(map(tuple, used[["expnum", "ccdnum"]].to_numpy()))
    good = set(map(tuple, used.loc[used["category"] == "good", ["expnum", "ccdnum"]].to_numpy()))
    assert not good & others


def test_nothing_measured_of_an_exposure_tells_whether_it_has_a_label(home):
    measured = exposures_measured(scan_nights(home.tables / "night_ccds"), load(home, "night_exposures"), load_camera())
    found = label_leak(measured, set(load(home, "bad_ccd_labels")["expnum"]))
    assert found.loc[found["quantity"] == "n_ccds", "auc"].tolist() == [0.5]
    assert check_label_leak(found).passed
    predictions = load(home, "night_predictions")
    for table in (predictions[predictions["seen"] == "image"], load(home, "night_orientations")):
        assert table.groupby("expnum").size().max() == N_SAMPLED
    known = load(home, "night_exposures").set_index("expnum")["n_ccds"]
    scored = predictions.groupby("expnum").size()
    assert (scored == known.reindex(scored.index)).mean() > 0.9  # all CCDs of the focal plane, but for empty ones


def test_no_exposure_is_on_both_sides_of_the_split(home):
    training = load(home, "training_set")
    assert set(training["split"]) == {"train", "test"}
    assert training.groupby("expnum")["split"].nunique().max() == 1


def test_labels_agree_with_the_truth_of_the_simulation(home, simulated_survey):
    truth = pd.read_csv(simulated_survey / "truth_exposures.csv").set_index("expnum")["category"]
    labels = load(home, "bad_ccd_labels")
    trained = set(load(home, "training_set")["category"]) - {"good"}
    known = labels[labels["expnum"].isin(truth.index) & labels["category"].isin(trained)]
    assert (known["category"] == known["expnum"].map(truth)).all()


SCORES = ("night_predictions", "night_exposure_predictions", "night_entropy_scores", "night_reconstruction_errors")


def stored_scores(home: Home) -> dict:
    return {
        path: written for asset in SCORES for path, written in change_tokens(home.tables / asset, "*.parquet").items()
    }


def job_names(home: Home) -> list[str]:
    """Jobs of the runs of a home, in order."""
    with dg.DagsterInstance.from_config(str(home.dagster)) as instance:
        return [run.job_name for run in reversed(instance.get_runs())]


@pytest.mark.slow
def test_a_second_run_reads_and_scores_nothing_again_and_a_changed_option_scores(home, tmp_path):
    again = copy_home(home, tmp_path / "home")
    pixels = change_tokens(again.tables / "night_embeddings", "*.parquet")
    assert len(pixels) == NIGHTS
    files = stored_scores(again)
    update_settings_file(again.settings_file, {}, {"report": {"night_folds": 0}})  # scores do not depend on it
    result = CliRunner().invoke(badexp, ["run", "--home", str(again.root)])
    assert result.exit_code == 0, result.output
    for done in ("read", "scored"):
        assert f"{NIGHTS} of {NIGHTS} nights are unchanged and were not {done} again" in result.output
    jobs_run = job_names(again)[len(job_names(home)) :]
    assert "fit_classifier" in jobs_run
    assert not {"read_night", "read_labelled_ccds_of_night", "score_night"} & set(jobs_run)
    assert stored_scores(again) == files
    assert change_tokens(again.tables / "night_embeddings", "*.parquet") == pixels

    update_settings_file(again.settings_file, {}, {"decision": {"goal": "probability", "probability": 0.7}})
    settings = load_settings(again.root)
    with environment(settings):
        Runner(settings, print, Progress()).execute(jobs.SCORE_NIGHT, "2018-03-10")
    changed = {path for path, written in stored_scores(again).items() if files[path] != written}
    assert {str(path).split("/")[-2] for path in changed} == {"night_predictions", "night_exposure_predictions"}
    for path in (path for path in changed if "/night_predictions/" in str(path)):
        pd.testing.assert_frame_equal(read_table(path), read_table(home.table("night_predictions", path.stem)))


@pytest.mark.parametrize("form", ["table", "csv", "json"])
@pytest.mark.parametrize("asset", ["night_exposures", "night_embeddings", "night_previews", "reviewed_reject_list"])
def test_show_prints_a_table_in_every_format(home, asset, form):
    result = CliRunner().invoke(badexp, ["show", asset, "--home", str(home.root), "--format", form])
    assert result.exit_code == 0, result.output
    if form == "json":
        assert len(json.loads(result.output)) == len(load(home, asset))
    elif form == "csv":
        assert result.output.splitlines()[0].split(",")[0] == "expnum"


def test_show_prints_model_cards_and_files(home):
    for asset, word in (("fitted_pipeline", "backbone"), ("stamp_autoencoder", "version"), ("bad_expid_file", "#")):
        result = CliRunner().invoke(badexp, ["show", asset, "--home", str(home.root)])
        assert result.exit_code == 0, result.output
        assert word in result.output


def test_the_reports_page_is_written_beside_its_table(home):
    text = home.report.read_text(encoding="utf-8")
    assert current_version(home.models / "fitted_classifier") in text
    assert {"all", "past_cut"} <= set(load(home, "classification_report")["subset"])


def test_what_the_ui_plots_of_assets_are_scores_candidates_and_failures(home):
    with environment(load_settings(home.root)), dg.DagsterInstance.get() as instance:

        def numbers(asset: str) -> dict[str, float]:
            event = instance.get_latest_materialization_event(dg.AssetKey(asset))
            found = {name: entry.value for name, entry in event.asset_materialization.metadata.items()}
            return {name: value for name, value in found.items() if isinstance(value, int | float)}

        report, candidates, night = map(numbers, ("classification_report", "review_candidates", "night_exposures"))
    assert {"exposure average precision", "CCD macro-F1"} <= set(report)
    assert 0 <= report["CCD macro-F1"] <= 1
    assert candidates["candidates"] == len(load(home, "review_candidates"))
    assert candidates["flagged by classifier"] <= candidates["flagged"]
    exposures = load(home, "night_exposures", home.nights("night_exposures")[-1])
    assert {"scored", "failed", "excluded", "CCDs that could not be read", "duration of the pass, s"} <= set(night)
    assert night["scored"] + night["failed"] + night["excluded"] == len(exposures)


def test_the_first_classifier_is_promoted_and_scores_all_nights(home):
    table = list_models(home.models / "fitted_classifier")
    assert table["current"].tolist() == [True]
    assert "first model" in table["note"].iloc[0]
    assert set(load(home, "night_predictions")["model"]) == set(table["version"])


@pytest.mark.slow
def test_a_worse_classifier_is_stored_and_nights_are_scored_with_the_one_in_use(home, tmp_path):
    again = copy_home(home, tmp_path / "home")
    before = current_version(again.models / "fitted_classifier")
    worse = {"classifier": {"kind": "paper"}, "pipeline": {"n_components": 1, "n_neighbors": 1}}
    strict = {"promotion": {"max_loss": 0, "min_exposures": 1}, "report": {"night_folds": 0}}
    update_settings_file(again.settings_file, {}, worse | strict)
    result = CliRunner().invoke(badexp, ["run", "--home", str(again.root), "--nights", "2018-03-10"])
    assert result.exit_code == 0, result.output
    table = list_models(again.models / "fitted_classifier").set_index("version")
    assert table["current"].to_dict()[before]
    (new,) = set(table.index) - {before}
    assert f"{new} is not promoted, {before} stays in use" in result.output.replace("\n", " ")
    assert f"{NIGHTS} night(s) scored by {before} (in use)" in result.output
    assert set(load(again, "night_predictions")["model"]) == {before}

    promoted = CliRunner().invoke(badexp, ["models", "promote", new, "--home", str(again.root)])
    assert promoted.exit_code == 0, promoted.output
    assert load_current(again.models / "fitted_classifier").version == new
    listed = CliRunner().invoke(badexp, ["models", "list", "--home", str(again.root), "--format", "csv"])
    assert "promoted by hand" in listed.output
    lines = summary_lines(again)
    assert any(f"{NIGHTS} night(s) scored by {before} (an earlier one)" in line for line in lines)
