"""How many processor cores there are for this process."""

import os

import pytest

from badexp_assets.config.cpu_count import cgroup_cores, processors
from badexp_assets.errors import InputError


def test_they_are_those_that_the_system_gives_unless_the_environment_says_another_number(monkeypatch):
    monkeypatch.delenv("BADEXP_CPUS", raising=False)
    assert 1 <= processors() <= os.cpu_count()
    monkeypatch.setenv("BADEXP_CPUS", "16")
    assert processors() == 16


@pytest.mark.parametrize("word", ["0", "-1", "1.5", "all"])
def test_a_word_that_is_no_number_of_cores_is_refused(monkeypatch, word):
    monkeypatch.setenv("BADEXP_CPUS", word)
    with pytest.raises(InputError, match="BADEXP_CPUS is "):
        processors()


def test_slurm_affinity_and_control_group_all_limit(monkeypatch):
    monkeypatch.setattr("os.sched_getaffinity", lambda pid: set(range(64)))
    monkeypatch.setattr("badexp_assets.config.cpu_count.cgroup_cores", lambda *places: None)
    monkeypatch.delenv("BADEXP_CPUS", raising=False)
    for word, cores in (("", 64), ("16", 16), ("128", 64)):
        monkeypatch.setenv("SLURM_CPUS_PER_TASK", word)
        assert processors() == cores
    for quota, cores in ((4.5, 4), (0.5, 1), (200.0, 64)):
        monkeypatch.setattr("badexp_assets.config.cpu_count.cgroup_cores", lambda *places, quota=quota: quota)
        assert processors() == cores


@pytest.mark.parametrize(
    ("files", "membership", "cores"),
    [
        ({}, "0::/\n", None),
        ({"cpu.max": "max 100000"}, "0::/\n", None),
        ({"cpu.max": "250000 100000"}, "0::/\n", 2.5),
        ({"cpu.max": "800000 100000", "a/b/cpu.max": "max 100000", "a/cpu.max": "300000 100000"}, "0::/a/b\n", 3.0),
        ({"cpu.max": "nonsense"}, "0::/\n", None),
        ({"cpu,cpuacct/job/cpu.cfs_quota_us": "400000", "cpu,cpuacct/job/cpu.cfs_period_us": "100000"},
         "4:memory:/job\n3:cpu,cpuacct:/job\n0::/\n", 4.0),
        ({"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, "3:cpu:/\n", None),
    ],
)  # fmt: skip
def test_the_quota_of_a_control_group_and_of_those_above_it(tmp_path, files, membership, cores):
    for name, text in files.items():
        path = tmp_path / "groups" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n")
    (tmp_path / "self").write_text(membership)
    assert cgroup_cores(tmp_path / "groups", tmp_path / "self") == cores


def test_where_there_are_no_control_groups_there_is_no_quota(tmp_path):
    assert cgroup_cores(tmp_path, tmp_path / "nothing") is None
