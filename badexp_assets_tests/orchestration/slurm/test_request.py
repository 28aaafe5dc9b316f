"""What sbatch is asked, and the script of the job."""

import dataclasses
import subprocess

import pytest

from badexp_assets.config.operation_options import SlurmParams
from badexp_assets.errors import StorageError
from badexp_assets.orchestration.slurm.job_request import JobRequest, tail
from badexp_assets.orchestration.step_resources import StepResources


@pytest.fixture
def request_(tmp_path):
    return JobRequest(
        name="badexp.night_pass.r.0",
        command=["sh", "-c", "echo 'a  b' >> done_so_far; exit ${CODE:-0}"],
        log=tmp_path / "50% of it" / "night_pass.0.out",
        folder=tmp_path,
        resources=StepResources(cpus=16, memory_gib=64, hours=1.01, gpus=1),
    )


def test_a_step_gets_what_it_needs_where_the_site_says_nothing(request_):
    words = request_.arguments(SlurmParams())
    assert {"--parsable", "--cpus-per-task=16", "--mem=64G", "--time=61", "--gpus=1"} <= set(words)
    assert "--job-name=badexp.night_pass.r.0" in words
    assert not [word for word in words if word.startswith(("--partition", "--account", "--qos", "--constraint"))]
    assert words[-1] == str(request_.script)


def test_what_the_site_says_goes_before_it(request_):
    params = SlurmParams(
        partition="p", account="a", qos="q", constraint="gpu&hbm80g", cpus=32, memory_gib=0, hours=2, gpus=4,
        gpu_option="--gres=gpu:a100:{gpus}", extra=("--exclusive", "--nice=5"),
    )  # fmt: skip
    words = request_.arguments(params)
    expected = {"--partition=p", "--account=a", "--qos=q", "--constraint=gpu&hbm80g", "--cpus-per-task=32", "--mem=0"}
    assert expected | {"--time=120", "--gres=gpu:a100:4", "--exclusive", "--nice=5"} <= set(words)


@pytest.mark.parametrize("params", [SlurmParams(gpus=0), SlurmParams(gpu_option="")])
def test_no_gpu_is_asked_for_where_none_is_wanted(request_, params):
    assert not [word for word in request_.arguments(params) if word.startswith("--gpu")]


def test_a_percent_sign_of_a_folder_is_no_pattern_of_slurm(request_):
    [output] = [word for word in request_.arguments(SlurmParams()) if word.startswith("--output=")]
    assert "/50%% of it/" in output


def test_the_script_runs_setup_and_command_and_not_again_once_it_has_ended(request_, tmp_path):
    request_.write_script(SlurmParams(setup=("export CODE=3",)))
    assert subprocess.run(["bash", request_.script], cwd=tmp_path, check=False).returncode == 3
    request_.write_script(SlurmParams())
    for _ in range(3):
        assert subprocess.run(["bash", request_.script], cwd=tmp_path, check=True).returncode == 0
    assert (tmp_path / "done_so_far").read_text() == "a  b\n" * 2  # one that failed, one that ended, none after it


def test_the_step_is_told_how_many_cores_it_has(request_, tmp_path):
    request = dataclasses.replace(request_, command=["sh", "-c", "echo $BADEXP_CPUS"])
    request.write_script(SlurmParams(cpus=3))
    words = ["bash", request.script]
    assert subprocess.run(words, env={}, capture_output=True, text=True, check=True).stdout == "3\n"


def test_a_folder_that_cannot_be_written_is_named(request_, tmp_path):
    (tmp_path / "50% of it").write_text("a file")
    with pytest.raises(StorageError, match=r"night_pass\.0\.out\.sh: .*; the job was not submitted"):
        request_.write_script(SlurmParams())


def test_the_end_of_what_a_job_printed_is_shown_whatever_it_is(tmp_path):
    log = tmp_path / "x.out"
    assert "No such file" in tail(log)
    log.write_bytes(b"\xff\xfe" + b"".join(b"line %d\n" % number for number in range(2000)))
    assert tail(log).splitlines() == [f"line {number}" for number in range(1985, 2000)]
    log.write_bytes(b"")
    assert tail(log) == ""
