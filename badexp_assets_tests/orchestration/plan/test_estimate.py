"""The arithmetic of a plan: cases computed by hand, and what must hold for any numbers."""

import json
import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from badexp_assets.errors import InputError
from badexp_assets.orchestration.plan.estimate import make_plan
from badexp_assets.orchestration.plan.inputs import Archive, Machine, Rates, read_rates, write_rates

A100 = Rates(
    "by hand", "gpu", 8647, 0.35, 8.4, 10.0, 0.5, {"night_ccds": 100.0}, {"night_ccds": 1000.0, "night_stamps": 5e5}
)
DR11 = Archive(283_633, 4728, mosaics=False)
NODES = Machine(nodes=4, gpus=4, cores=64, memory_gib=256, bandwidth=5)


def hours(plan):
    return {stage.name.split(":")[0]: stage.hours for stage in plan.stages}


def test_the_papers_forty_one_hours_come_out():
    plan = make_plan(A100, DR11, NODES)
    assert plan.images == 5_672_660
    assert hours(plan)["GPUs"] == pytest.approx(283_633 * 20 / 8647 / 16)
    assert round(hours(plan)["GPUs"], 1) == 41.0
    assert plan.bottleneck.name == "GPUs: network"


def test_every_figure_of_a_small_case_is_what_it_is_by_hand():
    rates = replace(A100, images_per_hour=1000, uncertainty=0.1, efficiency=0.8)
    archive = Archive(
        exposures=1000,
        nights=100,
        images_per_exposure=19,
        ccds_in_file=38,
        exposure_bytes=4e8,
        megapixels=16.8,
        focal_plane_step=0,
    )
    machine = Machine(nodes=2, gpus=2, cores=10, memory_gib=1, bandwidth=0.5, job_hours=100)
    plan = make_plan(rates, archive, machine)
    network = 1000 * (19 + 1) / 1000 / 4  # 5 h
    assert hours(plan) == pytest.approx(
        {
            "GPUs": network,
            "cores": 19_000 * 0.35 * 2 / 20 / 3600,
            "storage": 1000 * 4e8 / 2 / 0.5e9 / 3600,
            "run database": 50 / 3600,
        }
    )
    assert (plan.nights_per_job, plan.jobs, plan.nodes) == (25, 4, 2)
    startup = 2 * 10 / 3600  # two rounds of jobs
    assert plan.hours.low == pytest.approx(network * 0.9 + startup)
    assert plan.hours.middle == pytest.approx(network / 0.8 + startup)
    assert plan.hours.high == pytest.approx((network / 0.8 + startup) * 1.1)
    assert plan.job_hours.middle == pytest.approx((network / 0.8 + startup) / 2)
    assert plan.startup_share == pytest.approx(10 / 3600 / plan.job_hours.middle)
    assert plan.gpu_hours == pytest.approx(plan.hours.middle * 4)
    assert plan.core_hours == pytest.approx(plan.hours.middle * 20)
    assert plan.core_hours_used == pytest.approx(19_000 * 0.35 * 2 / 3600)
    assert plan.bytes_read == 1000 * 4e8 / 2
    assert plan.bytes_stored == {"night_ccds": 19_000 * 100 + 1000 * 1000, "night_stamps": 1000 * 5e5}
    assert plan.memory_gib == 2 * 4.0 + 8 * 0.5
    assert plan.findings == ("a node needs 12 GiB, and memory is 1: fewer workers need less",)


def test_without_gpus_the_cores_do_both():
    rates = replace(A100, device="core", images_per_hour=3600)
    plan = make_plan(rates, replace(DR11, mosaics=True), replace(NODES, gpus=0))
    assert hours(plan)["cores"] == pytest.approx((283_633 * 21 * 1.0 + 5_672_660 * 0.35) / 256 / 3600)
    assert plan.gpu_hours == 0
    assert plan.core_hours_used == pytest.approx(hours(plan)["cores"] * 256)


def test_some_rows_of_the_other_ccds_are_moved_for_images_of_the_focal_plane():
    archive = replace(DR11, mosaics=True)
    few, more, none = (replace(archive, focal_plane_step=step).bytes_read for step in (8, 1, 0))
    assert few == pytest.approx(283_633 * 380e6 * (20 + 40 / 8) / 60)
    assert more == replace(archive, whole_files=True).bytes_read
    assert none == replace(archive, mosaics=False).bytes_read


def test_whole_files_are_moved_as_a_whole():
    parts, whole = (make_plan(A100, replace(DR11, whole_files=w), NODES).bytes_read for w in (False, True))
    assert whole == 283_633 * 380e6 == pytest.approx(3 * parts)


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"bandwidth": 0.01}, "storage"),
        ({"cores": 1}, "cores"),
        ({}, "GPUs"),
    ],
)
def test_what_there_is_least_of_is_the_bottleneck(change, name):
    plan = make_plan(A100, DR11, replace(NODES, **change))
    assert plan.bottleneck.name.startswith(name)
    assert plan.bottleneck.hours == max(hours(plan).values())
    without = sorted(hours(plan).values())[-2]
    assert plan.gain == pytest.approx(plan.bottleneck.hours / without)


def test_a_slow_run_database_is_found():
    plan = make_plan(replace(A100, database_seconds_per_night=600), DR11, replace(NODES, nodes=64))
    assert plan.bottleneck.name == "run database"


def test_nights_are_grouped_until_start_up_is_small():
    quick = replace(
        A100, images_per_hour=1e7, core_seconds_per_image=0.001, startup_seconds=1, database_seconds_per_night=0
    )
    plan = make_plan(quick, DR11, replace(NODES, bandwidth=1000))
    assert plan.nights_per_job > 25
    assert plan.startup_share <= 0.05
    night = plan.job_hours.middle * 3600 - 1
    assert 1 / (1 + night * (plan.nights_per_job - 1) / plan.nights_per_job) > 0.05  # one fewer would not do


def test_a_job_that_would_be_too_long_has_fewer_nights_and_a_night_that_is_too_long_is_told():
    plan = make_plan(A100, DR11, replace(NODES, gpus=1, job_hours=2))
    assert 1 < plan.nights_per_job < 25
    assert plan.job_hours.high <= 2
    long = make_plan(A100, Archive(20_000, 10), replace(NODES, gpus=1))
    assert long.nights_per_job == 1
    assert any("one night may take" in finding for finding in long.findings)


def test_nodes_without_a_night_are_told():
    plan = make_plan(A100, Archive(100, 3), NODES)
    assert (plan.nodes, plan.jobs) == (3, 3)
    assert "1 of 4 nodes have no night: a night is one job's" in plan.findings


RATES = st.builds(
    Rates,
    st.just("any"),
    st.just("gpu"),
    st.floats(1, 1e6),
    st.floats(1e-3, 10),
    st.floats(0.1, 20),
    st.floats(0, 300),
    st.floats(0, 10),
    efficiency=st.floats(0.1, 1),
    uncertainty=st.floats(0, 0.5),
)
ARCHIVES = st.builds(
    Archive,
    st.integers(1, 10**6),
    st.integers(1, 5000),
    st.integers(1, 60),
    st.just(60),
    st.floats(1e6, 1e10),
    st.floats(0.1, 20),
    st.booleans(),
    st.booleans(),
)
MACHINES = st.builds(
    Machine,
    st.integers(1, 100),
    st.integers(1, 8),
    st.integers(1, 128),
    st.floats(1, 1e3),
    st.floats(0.01, 1e3),
    st.floats(0.1, 48),
)


@given(RATES, ARCHIVES, MACHINES)
def test_counts_add_up_and_intervals_are_in_order(rates, archive, machine):
    plan = make_plan(rates, archive, machine)
    assert plan.images == archive.exposures * archive.images_per_exposure
    assert (plan.jobs - 1) * plan.nights_per_job < archive.nights <= plan.jobs * plan.nights_per_job
    assert 1 <= plan.nodes <= min(machine.nodes, archive.nights)
    assert plan.hours.low <= plan.hours.middle <= plan.hours.high
    assert plan.job_hours.low <= plan.job_hours.middle <= plan.job_hours.high
    assert plan.hours.middle >= plan.bottleneck.hours
    assert plan.gpu_hours == pytest.approx(plan.hours.middle * plan.nodes * machine.gpus)
    assert 0 <= plan.startup_share <= 1
    if plan.startup_share > 0.05:
        assert any("start-up" in finding for finding in plan.findings)
    if plan.job_hours.high > machine.job_hours * (1 + 1e-9):
        assert any("one night may take" in finding for finding in plan.findings)


@given(RATES, ARCHIVES, MACHINES, st.sampled_from(["gpus", "cores", "bandwidth"]))
def test_twice_as_much_of_anything_never_takes_longer(rates, archive, machine, what):
    more = replace(machine, **{what: 2 * getattr(machine, what)})
    before, after = make_plan(rates, archive, machine), make_plan(rates, archive, more)
    assert after.hours.middle <= before.hours.middle * (1 + 1e-9)
    assert after.bottleneck.hours <= before.bottleneck.hours


@given(RATES, ARCHIVES, MACHINES)
def test_twice_the_exposures_are_twice_the_work(rates, archive, machine):
    one, two = (make_plan(rates, replace(archive, exposures=n * archive.exposures), machine) for n in (1, 2))
    for before, after in zip(one.stages[:3], two.stages[:3], strict=True):
        assert after.hours == pytest.approx(2 * before.hours)
    assert two.bytes_read == pytest.approx(2 * one.bytes_read)


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (lambda: Machine(nodes=0), "nodes: 0"),
        (lambda: Machine(cores=1.5), "cores-per-node: 1.5"),
        (lambda: Machine(bandwidth=0), "bandwidth: 0"),
        (lambda: Machine(job_hours=math.nan), "job-hours: nan"),
        (lambda: Archive(0, 1), "exposures: 0"),
        (lambda: Archive(1, 1, images_per_exposure=61), "ccds-in-file: 60, and 61"),
        (lambda: replace(A100, images_per_hour=-1), "images_per_hour: -1"),
        (lambda: replace(A100, device="tpu"), "device: 'tpu'; gpu or core"),
        (lambda: replace(A100, efficiency=1.5), "efficiency: 1.5"),
        (lambda: replace(A100, image_bytes={"night_ccds": "many"}), "image_bytes.night_ccds: 'many'"),
        (lambda: make_plan(A100, DR11, replace(NODES, gpus=0)), "gpus-per-node: 0; the rates are of a GPU"),
        (
            lambda: make_plan(replace(A100, device="core"), DR11, NODES),
            "gpus-per-node: 4; the rates are of a processor",
        ),
    ],
)
def test_a_number_that_makes_no_sense_is_refused_by_its_name(make, name):
    with pytest.raises(InputError, match=name):
        make()


def test_rates_come_back_from_their_file_and_damaged_ones_are_named(tmp_path):
    write_rates(A100, tmp_path / "rates.json")
    assert read_rates(tmp_path / "rates.json") == A100
    for text, words in (
        ("{", "not JSON"),
        ("[1]", "list found"),
        (json.dumps({"speed": 3}), "speed found"),
        (json.dumps({"source": "x"}), "missing"),
        (json.dumps({"source": "x", "image_bytes": 3}), "rates"),
    ):
        (tmp_path / "bad.json").write_text(text)
        with pytest.raises(InputError, match=rf"bad.json: .*{words}|rates .*bad.json"):
            read_rates(tmp_path / "bad.json")
    with pytest.raises(InputError, match=r"none.json: can't be read"):
        read_rates(tmp_path / "none.json")
