"""Which exposures are injected into, by which options, and where the injected files lie meanwhile."""

from pathlib import Path

import pandas as pd
import pytest

from badexp_assets.config.evaluation_options import InjectionParams
from badexp_assets.errors import InputError, UnreadableImageError
from badexp_assets.evaluation.completeness.measure import InjectionPlan, plan_injection
from badexp_assets.evaluation.completeness.scratch_folder import ScratchArchive, scratch_folder
from badexp_assets.simulate.anomalies import ANOMALIES


def survey(n: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """A training set (even exposures in the test split; every third bad) and its night_exposures."""
    expnum = list(range(100, 100 + n))
    training = pd.DataFrame({"expnum": expnum})
    training["split"] = ["test" if e % 2 == 0 else "train" for e in expnum]
    training["category"] = ["psf" if e % 3 == 0 else "good" for e in expnum]
    exposures = pd.DataFrame({"expnum": expnum, "night": "2018-03-10", "filter": "r", "status": "scored"})
    return training, exposures.assign(path=[f"CP/{e}_ooi.fits.fz" for e in expnum], ood=None)


def test_only_good_exposures_of_the_test_split_are_taken() -> None:
    training, exposures = survey(60)
    mixed = pd.DataFrame({"expnum": [104], "split": ["test"], "category": ["noise"]})  # one CCD of it is bad
    exposures.loc[exposures["expnum"] == 106, "status"] = "failed"
    plan = plan_injection(pd.concat([training, mixed]), exposures, InjectionParams(n_exposures=99))
    wanted = {e for e in range(100, 160) if e % 2 == 0 and e % 3} - {104, 106}
    assert set(plan.exposures["expnum"]) == wanted


def test_exposures_that_the_classifier_was_trained_on_before_are_not_taken() -> None:
    everything = plan_injection(*survey(60), InjectionParams(n_exposures=99)).exposures["expnum"]
    trained = set(everything.iloc[::2])
    plan = plan_injection(*survey(60), InjectionParams(n_exposures=99), trained)
    assert set(plan.exposures["expnum"]) == set(everything) - trained


def test_the_choice_follows_the_seed_and_hardly_changes_when_the_survey_grows() -> None:
    def chosen(n: int, seed: int) -> set[int]:
        return set(plan_injection(*survey(n), InjectionParams(n_exposures=5, seed=seed)).exposures["expnum"])

    assert chosen(60, 1) == chosen(60, 1)
    assert chosen(60, 1) != chosen(60, 2)
    assert len(chosen(60, 1) & chosen(62, 1)) >= 4


def test_the_cost_is_stated_before_it_begins() -> None:
    plan = plan_injection(*survey(60), InjectionParams(n_exposures=5, severities=(0.5, 1), categories=("psf",)))
    assert str(plan) == "5 exposures x 2 severities x 1 categories = 10 injected exposures"
    assert (plan.n_injected, plan.n_read) == (10, 15)


def test_without_a_good_exposure_the_error_says_what_to_do() -> None:
    training, exposures = survey(20)
    with pytest.raises(InputError, match=r"0 good exposures.*raise \[training\] test_fraction"):
        plan_injection(training[training["split"] == "train"], exposures, InjectionParams())


def test_lists_of_a_settings_file_become_sorted_severities_and_all_categories() -> None:
    params = InjectionParams(severities=[1, 0.2], categories=[])  # type: ignore[arg-type]
    assert params.severities == (0.2, 1.0)
    assert InjectionPlan(pd.DataFrame(), params).categories == ANOMALIES


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_exposures": 0}, "n_exposures is 0"),
        ({"n_exposures": True}, "n_exposures is True"),
        ({"seed": -1}, "seed is -1"),
        ({"severities": ()}, r"severities is \(\); a list, not empty"),
        ({"severities": (0.0, 0.5)}, "severities has 0.0; .*above 0 and at most 1"),
        ({"severities": (0.5, float("nan"))}, "severities has nan; .*above 0 and at most 1"),
        ({"severities": ("high",)}, "severities has 'high'; .*above 0 and at most 1"),
        ({"severities": (0.5, 0.5)}, "without repetitions"),
        ({"severities": 0.5}, "a list"),
        ({"categories": ("psf", "psf")}, "without repetitions"),
    ],
)
def test_an_option_out_of_range_is_named_with_what_is_allowed(options, message) -> None:
    with pytest.raises(InputError, match=message):
        InjectionParams(**options)


def test_a_category_that_can_not_be_injected_is_named_with_those_that_can() -> None:
    with pytest.raises(InputError, match=r"^\[injection\]: categories has 'clowds'; any of saturated, clouds_"):
        plan_injection(*survey(20), InjectionParams(categories=("clowds",)))


def test_the_folder_goes_at_the_end_and_what_a_killed_process_left_goes_first(tmp_path: Path) -> None:
    left = tmp_path / "place" / "work" / "archive" / "CP20180310" / "left.fits.fz"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"x")
    with scratch_folder(tmp_path / "place") as work:
        assert list(work.iterdir()) == []
        (work / "new").write_text("x")
        with pytest.raises(InputError, match="another process injects here"), scratch_folder(tmp_path / "place"):
            pass
        assert (work / "new").exists()
    assert not work.exists()
    with pytest.raises(ZeroDivisionError), scratch_folder(tmp_path / "place") as work:
        raise ZeroDivisionError
    assert not work.exists()


def test_the_archive_of_one_exposure_forgets_the_one_before_and_never_writes_to_the_source(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    for name in ("a_ooi.fits.fz", "a_ood.fits.fz", "b_ooi.fits.fz"):
        (source / name).write_bytes(name.encode())
    before = {path.name: path.read_bytes() for path in source.iterdir()}
    first = ScratchArchive(tmp_path / "s", "2018-03-10", source / "a_ooi.fits.fz", source / "a_ood.fits.fz")
    first.show_original()
    with pytest.raises(UnreadableImageError):
        first.inject("psf", 0.5, 0, {1})
    second = ScratchArchive(tmp_path / "s", "2018-03-10", source / "b_ooi.fits.fz", None)
    second.show_original()
    assert [path.name for path in (tmp_path / "s" / "CP20180310").iterdir()] == ["b_ooi.fits.fz"]
    assert {path.name: path.read_bytes() for path in source.iterdir()} == before


@pytest.mark.slow
def test_files_behind_urls_are_copied_for_as_long_as_they_are_needed(tmp_path: Path, bucket, object_store) -> None:
    (tmp_path / "a_ooi.fits.fz").write_bytes(b"image")
    object_store.upload(tmp_path, bucket)
    scratch = ScratchArchive(tmp_path / "s", "2018-03-10", bucket / "a_ooi.fits.fz", None)
    scratch.show_original()
    assert (tmp_path / "s" / "CP20180310" / "a_ooi.fits.fz").read_bytes() == b"image"
    with pytest.raises(UnreadableImageError, match=r"s3://bucket-\d+/none.fits.fz: can't be copied"):
        ScratchArchive(tmp_path / "s", "2018-03-10", bucket / "none.fits.fz", None)
    assert not (tmp_path / "s" / "a_ooi.fits.fz").exists()
