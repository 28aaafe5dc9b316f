"""What a classifier is evaluated on, on a home in which everything has run."""

import dagster as dg
import pandas as pd
import pytest

from badexp_assets.classify.vote import check_decidable
from badexp_assets.commands.asset_text import load
from badexp_assets.config.home import Home
from badexp_assets.defs.build import ALL_ASSETS
from badexp_assets.defs.classifier_inputs import ClassifierTables, HoldoutEvaluator, trained_exposures
from badexp_assets.defs.io_managers import ModelIOManager, NightTables, ParquetIOManager
from badexp_assets.defs.resources import Progress, SurveyResource
from badexp_assets.errors import InputError
from badexp_assets.io.models import load_current
from badexp_assets.io.parquet import write_table
from badexp_assets.io.parquet_reading import read_metadata, read_table
from badexp_assets.io.schemas import SCHEMAS
from badexp_assets.review.app.home_tables import HomeTables
from badexp_assets_tests.homes import copy_home


@pytest.fixture
def home(finished_home, tmp_path) -> Home:
    """A copy of the finished home, to be changed."""
    return copy_home(Home(finished_home), tmp_path / "home")


def tables_of(home: Home) -> ClassifierTables:
    nights = home.nights("night_exposures")
    assets = ("night_embeddings", "night_ccds", "night_exposures", "night_orientations", "night_mosaic_embeddings",
              "night_focal_planes", "labelled_ccd_embeddings")  # fmt: skip
    return ClassifierTables(*(NightTables(asset, home.tables / asset, nights) for asset in assets))


def add_unusable_file(home: Home, expnum: int, night: str) -> None:
    """Give `night` an excluded file whose header has the number of an exposure of another night."""
    path = home.table("night_exposures", night)
    exposures = load(home, "night_exposures")
    row = exposures[exposures["expnum"] == expnum].assign(
        night=night, filter="Y", n_ccds=1, path="CP20180310/dark.fits.fz", status="excluded", status_reason="EXPTIME"
    )
    both = pd.concat([read_table(path), row[read_table(path).columns]], ignore_index=True).sort_values("expnum")
    write_table(both, path, SCHEMAS["night_exposures"], read_metadata(path))


def test_an_unusable_file_with_the_number_of_another_nights_exposure_changes_no_evaluation(home):
    survey, training = SurveyResource(home=str(home.root)), load(home, "training_set")
    model, evaluate = load_current(home.models / "fitted_classifier"), HoldoutEvaluator(survey)
    first, second = home.nights("night_exposures")
    test = training[(training["split"] == "test") & (training["night"] == second)]
    expnum = int(test["expnum"].iloc[0])
    before = evaluate(model, tables_of(home).held_out(survey, training)).exposures
    add_unusable_file(home, expnum, first)
    pd.testing.assert_frame_equal(evaluate(model, tables_of(home).held_out(survey, training)).exposures, before)
    unlabelled = tables_of(home).unlabelled(survey, {expnum})
    assert set(unlabelled.rows["night"]) == {second}
    assert len(evaluate(model, unlabelled).exposures) == 1
    assert HomeTables(home).nights()[expnum] == second


def compare_methods(home: Home) -> pd.DataFrame:
    """Make method_comparison again; the rows of the classifier, one per band."""
    survey = SurveyResource(home=str(home.root))
    resources = {"survey": survey, "progress": Progress(), "io_manager": ParquetIOManager(survey=survey)}
    resources["models"] = ModelIOManager(survey=survey)
    with dg.DagsterInstance.ephemeral() as instance:
        assets = ["method_comparison", "combined_ranking"]
        assert dg.materialize(ALL_ASSETS, instance=instance, resources=resources, selection=assets).success
    table = load(home, "method_comparison")
    return table[table["method"] == "classifier"].drop_duplicates("filter").reset_index(drop=True)


def test_the_classifier_is_not_compared_on_exposures_of_which_a_later_split_says_that_they_are_for_tests(home):
    before = compare_methods(home)
    path = home.table("training_set")
    training = read_table(path)
    train = sorted(set(training.loc[training["split"] == "train", "expnum"]))
    assert set(train) == trained_exposures(home)
    training.loc[training["expnum"].isin(train[::3]), "split"] = "test"
    write_table(training, path, SCHEMAS["training_set"], read_metadata(path))
    pd.testing.assert_frame_equal(compare_methods(home), before)


def test_without_a_classifier_nothing_was_trained_on(tmp_path):
    assert trained_exposures(Home(tmp_path)) == set()


def test_a_repeated_exposure_is_named():
    predictions = pd.DataFrame(columns=["expnum", "ccdnum", "category", "probability", "p_bad", "drawn", "model"])
    exposures = pd.DataFrame({"expnum": [7, 8, 8], "night": "2018-03-10", "filter": "r"})
    with pytest.raises(InputError, match=r"1 repeated expnum\(s\), e\.g\. 8; one row each allowed"):
        check_decidable(predictions, exposures)
