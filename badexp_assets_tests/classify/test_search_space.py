from dataclasses import fields
from pathlib import Path

import pytest
from optuna.trial import FixedTrial

from badexp_assets.classify.search.space import load_space
from badexp_assets.config.classifier_options import METRICS, SCALERS, PipelineParams, SearchParams
from badexp_assets.errors import InputError


def written(folder: Path, text: str) -> Path:
    path = folder / "ours.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_packaged_space_holds_the_papers_scalers_components_and_what_it_found() -> None:
    space = load_space()
    assert set(space.found) == {f.name for f in fields(PipelineParams)} - {"seed"}
    assert space.found["scaler"] == SCALERS
    assert set(space.found["metric"]) == set(METRICS)
    assert space.highest("n_components") == 100
    paper = PipelineParams()
    drawn = {name: getattr(paper, name) for name in space.found}
    assert space.pipeline(FixedTrial(drawn), seed=0) == paper  # it warns of what is out of the space


def test_what_a_space_leaves_out_stays_at_the_papers_result(tmp_path: Path) -> None:
    space = load_space(written(tmp_path, "variance_threshold = { low = 1e-4, high = 1, log = true }"))
    found = space.pipeline(FixedTrial({"variance_threshold": 0.5}), seed=3)
    assert found == PipelineParams(variance_threshold=0.5, seed=3)
    assert (space.highest("n_components"), space.highest("n_neighbors")) == (15, 7)


def test_a_range_ends_where_its_step_allows(tmp_path: Path) -> None:
    space = load_space(written(tmp_path, "n_neighbors = { low = 3, high = 12, step = 4 }"))
    assert space.highest("n_neighbors") == 11


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "no parameter to search; at least one of scaler, n_components, variance_threshold, n_neighbors, metric"),
        ("= 3", "not a TOML file"),
        ("seed = [1]", "seed is not a parameter of the pipeline; allowed: scaler, "),
        ('scaler = "minmax"', "scaler is 'minmax'; a list is needed of minmax, standard"),
        ('scaler = ["minmax", "z"]', "scaler has 'z'; allowed: minmax, standard, maxabs, robust, power, quantile"),
        ("metric = []", "metric is an empty list; allowed: manhattan"),
        ("n_components = [5, 0]", "n_components has 0; allowed: whole numbers from 1"),
        ("n_components = { low = 5 }", "n_components has low; low and high are needed, step is allowed"),
        ("n_components = { low = 5, high = 9, log = true }", "n_components has low, high, log"),
        ("n_neighbors = { low = 9, high = 5 }", "n_neighbors.low is 9, n_neighbors.high 5; low must not be above"),
        ("n_neighbors = { low = 1, high = 5, step = 0 }", "n_neighbors.step is 0; a whole number from 1"),
        ("n_neighbors = [true]", "n_neighbors has True"),
        ("variance_threshold = [-1.0]", "variance_threshold has -1.0; allowed: numbers from 0"),
        ("variance_threshold = [nan]", "variance_threshold has nan"),
        ("variance_threshold = { low = 0, high = 1, log = true }", "variance_threshold.log is True; .*low above 0"),
    ],
)
def test_a_wrong_space_is_refused_with_file_key_and_what_is_allowed(tmp_path: Path, text: str, reason: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(InputError, match=f"^{path}: {reason}"):
        load_space(path)


def test_a_space_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nowhere\.toml: search space can't be read"):
        load_space(tmp_path / "nowhere.toml")


@pytest.mark.parametrize(
    "wrong",
    [{"sampler": "grid"}, {"n_trials": 0}, {"reduction": 1}, {"rungs": 0}, {"batch": 0}, {"seed": -1}, {"use_best": 1}],
)
def test_options_out_of_range_are_refused_by_name(wrong: dict) -> None:
    with pytest.raises(InputError, match=rf"^\[search\]: {next(iter(wrong))} is "):
        SearchParams(**wrong)


def test_the_last_rung_has_all_rows() -> None:
    params = SearchParams(reduction=3, rungs=3)
    assert [params.share(rung) for rung in range(3)] == [pytest.approx(1 / 9), pytest.approx(1 / 3), 1.0]
