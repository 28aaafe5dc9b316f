"""What squeue and sacct print, and what it means."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from badexp_assets.orchestration.slurm.jobs import ACTIVE, Job, parse_sacct, parse_squeue, sort_jobs
from badexp_assets.orchestration.slurm.queue_snapshot import Snapshot

SQUEUE = """\
4|FAILED|BadConstraints|wrap
1|PENDING|Resources|badexp.night_pass.r.0
2|PENDING|ReqNodeNotAvail, UnavailableNodes:nid001|badexp.night_pass.r.1
17_3|RUNNING|None|an array | of somebody
slurm_load_jobs: a plugin warns
"""


def test_every_job_of_squeue_is_read_and_nothing_else():
    jobs = parse_squeue(SQUEUE)
    assert [job.number for job in jobs] == ["4", "1", "2", "17_3"]
    assert jobs[2].reason == "ReqNodeNotAvail, UnavailableNodes:nid001"
    assert jobs[3].name == "an array | of somebody"
    assert [job.is_active for job in jobs] == [False, True, True, True]


@given(st.text())
def test_no_text_breaks_the_reading(text):
    assert all(job.number[:1].isdigit() for job in [*parse_squeue(text), *parse_sacct(text)])


def test_the_accounting_says_by_whom_and_with_which_code_a_job_ended():
    text = "5|CANCELLED by 1000|0:0|a\n6|FAILED|7:0|b\n7|COMPLETED|0:0|c\n8|OUT_OF_MEMORY|0:125|d\n"
    assert [(job.state, job.reason) for job in parse_sacct(text)] == [
        ("CANCELLED", "by 1000"),
        ("FAILED", "exit code 7:0"),
        ("COMPLETED", ""),
        ("OUT_OF_MEMORY", "exit code 0:125"),
    ]


@pytest.mark.parametrize("state", ["PENDING", "RUNNING", "SUSPENDED", "COMPLETING", "CONFIGURING", "REQUEUED"])
def test_a_job_that_waits_works_or_is_started_again_has_not_ended(state):
    assert Job("1", state, "", "a").is_active


@pytest.mark.parametrize(
    ("state", "words", "again"),
    [
        ("TIMEOUT", "reached its time limit; raise `hours` of [slurm.steps.night_pass]", False),
        (
            "OUT_OF_MEMORY",
            "used more memory than it had requested; raise `memory_gib` of [slurm.steps.night_pass]",
            False,
        ),
        ("DEADLINE", "could not end before its deadline", False),
        ("NODE_FAIL", "lost its node", True),
        ("BOOT_FAIL", "lost its node while that started", True),
        ("PREEMPTED", "was preempted by another job", True),
        ("CANCELLED", "was cancelled", True),
        ("FAILED", "failed before its step could report why", True),
        ("COMPLETED", "ended, but its step reported no result", True),
        ("A_STATE_OF_TOMORROW", "ended", True),
    ],
)
def test_each_end_has_its_words_and_only_those_that_would_come_again_are_final(state, words, again):
    job = Job("12", state, "ItsReason", "a")
    assert state not in ACTIVE
    assert job.explain_end("night_pass").startswith(f"Slurm job 12 {words}")
    assert job.explain_end("night_pass").endswith(f"({state}, ItsReason)")
    assert job.is_retryable is again


def test_a_job_that_no_node_can_ever_run_is_not_repeated():
    assert not Job("4", "FAILED", "BadConstraints", "a").is_retryable


def test_of_jobs_of_one_name_the_active_one_counts_and_too_many_are_those_after_the_first():
    jobs = [Job("9", "FAILED", "", "a"), Job("10", "PENDING", "", "a"), Job("11", "RUNNING", "", "a")]
    jobs.append(Job("12", "RUNNING", "", "b"))
    assert [job.number for job in sort_jobs(jobs[:3])] == ["11", "10", "9"]
    assert Snapshot(0.0, tuple(jobs)).find("a").number == "11"
    assert [job.number for job in Snapshot(0.0, tuple(jobs)).duplicates("a")] == ["11"]
    assert Snapshot(0.0, tuple(jobs)).find("c") is None
