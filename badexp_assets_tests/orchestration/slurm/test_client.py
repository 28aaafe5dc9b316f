"""What the programs of Slurm say when they fail. Programs on the PATH print what the real ones print on a cluster."""

import os
import time

import pytest

from badexp_assets.config.operation_options import SlurmParams
from badexp_assets.errors import SlurmBusyError, SlurmError
from badexp_assets.orchestration.slurm.client import Slurm
from badexp_assets.orchestration.slurm.job_request import JobRequest
from badexp_assets.orchestration.slurm.queue_snapshot import Queue
from badexp_assets.orchestration.step_resources import StepResources

FAILED = "Batch job submission failed: "

REFUSED = [
    "sbatch: error: invalid partition specified: nope\nsbatch: error: " + FAILED + "Invalid partition name specified",
    "sbatch: error: " + FAILED + "Invalid account or account/partition combination specified",
    "sbatch: error: " + FAILED + "Invalid qos specification",
    "sbatch: error: " + FAILED + "Invalid feature specification",
    "sbatch: error: " + FAILED + "Invalid license specification",
    "sbatch: error: Invalid generic resource (gres) specification",
    "sbatch: error: Memory specification can not be satisfied\nsbatch: error: "
    + FAILED
    + "Requested node configuration is not available",
    "sbatch: error: " + FAILED + "Requested time limit is invalid (missing or exceeds some limit)",
    "sbatch: error: " + FAILED + "User's group not permitted to use this partition",
    "sbatch: error: " + FAILED + "Access/permission denied",
    "sbatch: unrecognized option '--nonsense'\nTry \"sbatch --help\" for more information",
]
LATER = [
    "sbatch: error: " + FAILED + "Unable to contact slurm controller (connect failure)",
    "sbatch: error: " + FAILED + "Socket timed out on send/recv operation",
    "sbatch: error: " + FAILED + "Zero Bytes were transmitted or received",
    "sbatch: error: QOSMaxSubmitJobPerUserLimit\nsbatch: error: "
    + FAILED
    + "Job violates accounting/QOS policy (job submit limit, user's size and/or time limits)",
    "sbatch: error: AssocMaxSubmitJobLimit\nsbatch: error: "
    + FAILED
    + "Job violates accounting/QOS policy (job submit limit, user's size and/or time limits)",
    "sbatch: error: " + FAILED + "Required partition not available (inactive or drain)",
    "sbatch: error: Slurm temporarily unable to accept job, sleeping and retrying",
    "sbatch: error: " + FAILED + "I/O error writing script/environment to file",
    "sbatch: error: If munged is up, restart with --num-threads=10",
]


@pytest.fixture
def programs(tmp_path, monkeypatch):
    """A PATH with programs that are lines of shell."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:{os.defpath}")

    def make(name, lines):
        (folder / name).write_text(f"#!/bin/bash\n{lines}\n")
        (folder / name).chmod(0o755)

    return make


@pytest.fixture
def request_(tmp_path):
    return JobRequest("badexp.night_pass.r.0", ["true"], tmp_path / "x.out", tmp_path, StepResources(1, 1, 1.0))


@pytest.mark.parametrize("text", REFUSED)
def test_what_a_person_must_mend_is_an_error_in_slurms_words(programs, request_, text):
    programs("sbatch", f"cat >&2 <<'END'\n{text}\nEND\nexit 1")
    with pytest.raises(SlurmError) as caught:
        Slurm().submit(request_, SlurmParams())
    assert not isinstance(caught.value, SlurmBusyError)
    assert str(caught.value) == " ".join(text.split())


@pytest.mark.parametrize("text", LATER)
def test_what_may_pass_is_another_error(programs, request_, text):
    programs("sbatch", f"cat >&2 <<'END'\n{text}\nEND\nexit 1")
    with pytest.raises(SlurmBusyError, match=r"^sbatch: "):
        Slurm().submit(request_, SlurmParams())


def test_the_number_of_a_job_is_read_with_and_without_a_cluster_and_behind_notices(programs, request_):
    programs("sbatch", "echo 'notice: maintenance on Monday'; echo '1234;perlmutter'")
    assert Slurm().submit(request_, SlurmParams()) == "1234"
    programs("sbatch", "echo hello")
    with pytest.raises(SlurmBusyError, match="its output has no job number: 'hello'"):
        Slurm().submit(request_, SlurmParams())


def test_a_missing_program_is_named(monkeypatch, request_):
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(SlurmError, match=r"sbatch: no such program on the PATH \(/nowhere\)"):
        Slurm().submit(request_, SlurmParams())


def test_variables_of_the_job_that_the_run_is_in_are_no_options_of_its_jobs(programs, request_, monkeypatch, tmp_path):
    for name in ("SLURM_CONF", "SLURM_MEM_PER_CPU", "SLURM_JOB_ID", "SBATCH_ACCOUNT", "SBATCH_OUTPUT"):
        monkeypatch.setenv(name, "x")
    programs("sbatch", f"env > {tmp_path}/env; echo 1")
    Slurm().submit(request_, SlurmParams())
    found = {line.partition("=")[0] for line in (tmp_path / "env").read_text().splitlines()}
    assert {name for name in found if name.startswith(("SLURM", "SBATCH"))} == {"SLURM_CONF", "SBATCH_ACCOUNT"}


def test_many_runs_ask_slurm_once(programs, tmp_path):
    programs("squeue", f"echo >> {tmp_path}/asked; echo '1|RUNNING|None|a'")
    runs = [Queue(Slurm(), poll_seconds=10, folder=tmp_path) for _ in range(50)]
    assert {run.snapshot().find("a").state for run in runs for _ in range(20)} == {"RUNNING"}
    assert len((tmp_path / "asked").read_text()) == 1


def test_an_answer_from_before_a_time_does_not_do(programs, tmp_path):
    programs("squeue", f"echo >> {tmp_path}/asked; echo '1|RUNNING|None|a'")
    queue = Queue(Slurm(), poll_seconds=10, folder=tmp_path)
    first = queue.snapshot()
    assert queue.snapshot(newer_than=first.taken).taken > first.taken
    assert len((tmp_path / "asked").read_text()) == 2


def test_that_slurm_does_not_answer_is_known_for_a_while_too(programs, tmp_path):
    programs("squeue", f"echo >> {tmp_path}/asked; echo 'slurm_load_jobs error: Unable to contact slurm' >&2; exit 1")
    for _ in range(5):
        with pytest.raises(SlurmBusyError, match="Unable to contact slurm"):
            Queue(Slurm(), poll_seconds=10, folder=tmp_path).snapshot()
    assert len((tmp_path / "asked").read_text()) == 1


def test_a_damaged_or_old_file_of_the_last_answer_is_not_believed(programs, tmp_path):
    programs("squeue", "echo '1|RUNNING|None|a'")
    for text in ("", "{", "[]", '{"taken": %r, "jobs": []}' % (time.time() - 100), '{"taken": 9e99, "jobs": []}'):
        (tmp_path / "jobs.json").write_text(text)
        assert Queue(Slurm(), poll_seconds=10, folder=tmp_path).snapshot().find("a")


def test_without_accounting_a_job_that_squeue_has_forgotten_is_unknown(programs):
    programs("sacct", "echo 'Slurm accounting storage is disabled' >&2; exit 1")
    assert Slurm().find_ended("a") is None
    programs("sacct", "echo '5|TIMEOUT|0:0|a'")
    assert Slurm().find_ended("a").state == "TIMEOUT"
    assert Slurm().find_ended("b") is None
