import pandas as pd
import pytest

from badexp_assets.config.classifier_options import TrainingParams
from badexp_assets.config.operation_options import CheckParams
from badexp_assets.labels.taxonomy_file import load_taxonomy
from badexp_assets.training.checks import (
    check_accounting,
    check_category_sizes,
    check_good_share,
    check_missing_share,
    check_split_by_exposure,
)
from badexp_assets.training.figures import balance_figure, funnel_figure
from badexp_assets.training.labelled_images import NO_SUCH_CCD, NOT_NEEDED, NOT_READ
from badexp_assets.training.training_set import build_training_set

PSF = ["psf"]


def images(*pairs):
    return pd.DataFrame(pairs, columns=["expnum", "ccdnum"]).astype({"expnum": "int64", "ccdnum": "int16"})


LABELS = images((1, 1), (1, 2), (2, 1), (3, 1)).assign(category=[*PSF * 3, "fringing"], source="decals")


def a_set(**options):
    expnums = range(1, 13)
    exposures = pd.DataFrame({"expnum": expnums, "night": "2015-03-10", "status": "scored", "status_reason": None})
    ccds = images(*((e, c) for e in expnums for c in range(1, 7))).assign(status="read", status_reason=None)
    labels = ccds[ccds["expnum"] <= 6][["expnum", "ccdnum"]].assign(category="psf", source="decals")
    return build_training_set(labels, exposures, ccds, None, load_taxonomy(), TrainingParams(**options))


def test_a_split_of_rows_fails_and_names_the_exposures_and_a_split_of_exposures_passes():
    assert check_split_by_exposure(a_set().table).passed
    found = check_split_by_exposure(a_set(split_by="row").table)
    assert not found.passed
    assert found.numbers["on both sides"] == len(found.rows) > 0
    assert found.rows["split"].str.contains("test, train").any()


def test_labels_are_read_or_missing():
    found = check_accounting(LABELS, images((1, 1), (2, 1), (9, 9)), images((1, 2)), PSF)
    assert found.passed
    assert found.numbers == {"labelled CCD images": 3, "read": 2, "missing": 1, "at fault": 0}


@pytest.mark.parametrize(
    ("read", "missing", "fault"),
    [
        ([(1, 1)], [(1, 2)], "neither read nor listed as missing"),
        ([(1, 1), (1, 2), (2, 1)], [(1, 2)], "listed as missing, but it was read"),
        ([(1, 1), (2, 1)], [(1, 2), (3, 1)], "listed as missing, but it has no label"),
    ],
)
def test_labels_that_do_not_add_up_are_named(read, missing, fault):
    found = check_accounting(LABELS, images(*read), images(*missing), PSF)
    assert not found.passed
    assert found.rows["fault"].tolist() == [fault]
    assert "1 do not add up" in found.description


def test_a_list_of_missing_images_that_names_one_twice_does_not_add_up():
    assert not check_accounting(LABELS, images((1, 1), (2, 1)), images((1, 2), (1, 2)), PSF).passed


def test_too_many_missing_images_are_a_warning_with_the_most_frequent_reason():
    missing = images((1, 2), (2, 1)).assign(reason="the CCD could not be read: why")
    assert check_missing_share(20, missing, CheckParams()).passed
    found = check_missing_share(19, missing, CheckParams())
    assert not found.passed
    assert "2 of 19 labelled CCD images (11%)" in found.description
    assert "Most of them: the CCD could not be read: why" in found.description
    assert check_missing_share(0, missing.iloc[:0], CheckParams()).passed


@pytest.mark.parametrize("reason", [NOT_READ, NO_SUCH_CCD, NOT_NEEDED])
def test_labels_of_other_nights_and_absent_ccds_are_counted_separately(reason):
    beyond = images((1, 2), (2, 1)).assign(reason=reason)
    found = check_missing_share(3, beyond, CheckParams(max_missing_share=0))
    assert found.passed
    assert "0 of 1 labelled CCD images" in found.description
    assert "2 are of other nights, not in their file, or not needed" in found.description


def test_a_share_of_good_images_out_of_limits_is_a_warning():
    table = a_set(good_exposures=1, ccds_per_exposure=1).table
    assert not check_good_share(table, CheckParams()).passed
    assert check_good_share(table, CheckParams(min_good_share=0.01)).passed
    assert not check_good_share(a_set().table, CheckParams(max_good_share=0.2)).passed


def test_a_category_with_fewer_exposures_than_folds_and_a_test_is_named():
    table = a_set().table
    assert check_category_sizes(table, 5).passed
    found = check_category_sizes(table[table["expnum"] > 4], 3)
    assert found.description == "too few exposures for 3 folds and a test: psf (2)"


@pytest.mark.slow
def test_figures_are_small():
    made = a_set()
    for png in (balance_figure(made.balance), funnel_figure(made.funnel)):
        assert png.startswith(b"\x89PNG")
        assert len(png) < 100_000
