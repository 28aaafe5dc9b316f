"""How benchmarks measure time and memory."""

import time
from functools import partial

import numpy as np
import pytest

from badexp_assets.errors import BadExpError, InputError
from benchmarks.measure import BenchOptions, compare, in_process
from benchmarks.registry import BENCHMARKS, run_benchmarks


def allocate(mib: int) -> int:
    return int(np.ones(mib * 2**20, dtype=np.uint8).sum() // 2**20)


def leave() -> None:
    import os

    os._exit(3)


def refuse() -> None:
    raise InputError("the file is not there")


def test_the_first_variant_is_the_baseline_and_ratios_are_of_rates() -> None:
    calls: list[str] = []

    seconds = 0.0

    def slow() -> None:
        nonlocal seconds
        calls.append("slow")
        seconds += 4

    def fast() -> None:
        nonlocal seconds
        calls.append("fast")
        seconds += 1

    variants = {"slow": slow, "fast": fast}
    records = list(compare("b", "c", 10, "images", variants, repeats=2, warm_up=False, clock=lambda: seconds))
    assert calls == ["slow", "fast"] * 2
    assert records[0].ratio == 1
    assert (records[0].rate, records[1].rate, records[1].ratio) == (2.5, 10, 4)


@pytest.mark.slow
def test_peak_memory_is_that_of_the_child_alone() -> None:
    held = np.ones(600 * 2**20, dtype=np.uint8)
    small, _, small_peak = in_process(allocate, 1)
    large, seconds, large_peak = in_process(allocate, 300)
    assert (small, large) == (1, 300)
    assert seconds > 0
    assert small_peak < 600 <= held.nbytes / 2**20
    assert 250 < large_peak - small_peak < 400


def hold_in_child(mib: int) -> float:
    from badexp_assets.orchestration.plan.measure import TreePeak

    with TreePeak() as memory:
        in_process(hold, mib)
    return memory.mib


def hold(mib: int) -> None:
    held = np.ones(mib * 2**20, dtype=np.uint8)
    time.sleep(0.5)
    del held


@pytest.mark.slow
def test_peak_memory_of_a_tree_counts_its_children() -> None:
    small, large = hold_in_child(1), hold_in_child(300)
    assert 250 < large - small < 400


@pytest.mark.slow
def test_variants_in_processes_are_compared_with_their_own_peaks() -> None:
    variants = {"large": partial(allocate, 200), "small": partial(allocate, 1)}
    large, small = compare("b", "c", 4, "images", variants, repeats=2, new_processes=True)
    assert (large.variant, large.ratio, len(large.seconds)) == ("large", 1, 2)
    assert large.peak_mib is not None
    assert small.peak_mib is not None
    assert 150 < large.peak_mib - small.peak_mib < 300


def test_an_error_of_the_child_is_raised_here() -> None:
    with pytest.raises(InputError, match="the file is not there"):
        in_process(refuse)


def test_a_child_that_dies_is_named() -> None:
    with pytest.raises(BadExpError, match="leave died with code 3"):
        in_process(leave)


def test_an_unknown_benchmark_is_refused_with_the_known_ones(tmp_path) -> None:
    with pytest.raises(InputError, match="'nothing' is not known; known: "):
        list(run_benchmarks(["nothing"], BenchOptions(tmp_path)))


@pytest.mark.slow
@pytest.mark.parametrize("name", BENCHMARKS)
def test_every_benchmark_runs_on_small_data_and_names_a_baseline(name: str, tmp_path) -> None:
    machine, *records = run_benchmarks([name], BenchOptions(tmp_path, quick=True, repeats=1))
    assert machine["quick"] is True
    assert {"machine", "cores", "versions", "device"} <= set(machine)
    assert records
    for record in records:
        assert record["benchmark"] == name
        assert record["rate"] > 0
    assert any(record.get("ratio") == 1 for record in records)


@pytest.mark.slow
def test_the_classifiers_scores_are_printed_with_intervals_beside_the_baseline(tmp_path) -> None:
    _, *records = run_benchmarks(["classifier"], BenchOptions(tmp_path, quick=True))
    scores = {record["score"]: record for record in records}
    assert scores["size"]["CCDs read for their label only"] > 0
    assert scores["n_ccds tells whether an exposure has a label, all exposures"]["auc"] == 0.5
    precision = scores["exposure average precision"]
    for name in ("classifier", "baseline"):
        assert 0 <= precision[f"{name}_low"] <= precision[name] <= precision[f"{name}_high"] <= 1
    listed, unlisted = (scores[f"bad exposures in {which} list, by the truth"] for which in ("a", "no"))
    assert listed["n_good"] == unlisted["n_good"] > 0


@pytest.mark.slow
def test_the_entropy_trial_prints_a_rate_with_its_interval_for_each_setting_score_and_kind(tmp_path) -> None:
    _, *records = run_benchmarks(["entropy-trial"], BenchOptions(tmp_path, quick=True))
    assert {record["case"].partition(";")[0] for record in records} >= {"here", "published"}
    assert {record["score"] for record in records} == {"z_source", "kl_source", "z_background", "kl_background"}
    for record in records:
        assert 0 <= record["low"] <= record["rate"] <= record["high"] <= 1
