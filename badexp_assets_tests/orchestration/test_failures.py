"""Errors on their way through Dagster, and what a killed run leaves behind."""

import errno
import os
import signal
import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import dagster as dg
import pytest
import sqlalchemy

from badexp_assets.config.home import Home
from badexp_assets.defs.build import build_definitions
from badexp_assets.errors import InputError, StorageError
from badexp_assets.orchestration import failures
from badexp_assets.orchestration.command_line_runs import COMMAND_LINE_TAGS
from badexp_assets.orchestration.exclusive_run import exclusive_run
from badexp_assets.orchestration.failures import keyboard_interrupts, one_line_errors


@pytest.fixture
def at_once(monkeypatch) -> None:
    """Repeats do not wait."""
    policy = dg.RetryPolicy(max_retries=failures.RETRIES.max_retries, delay=0)
    monkeypatch.setattr(failures, "RETRIES", policy)


def run(errors: list[BaseException | None], kind: str = "function") -> tuple[int, dg.ExecuteInProcessResult]:
    """Materialise an asset that meets these errors one after the other; returns how often it was tried."""
    tries = []

    def meet() -> None:
        tries.append(1)
        error = errors[min(len(tries), len(errors)) - 1]
        if error is not None:
            raise error

    class Manager(dg.IOManager):
        @failures.io_method
        def handle_output(self, context, obj):
            if kind == "writing" and context.asset_key.path[-1] == "function":
                meet()

        @failures.io_method
        def load_input(self, context):
            if kind == "reading":
                meet()
            return 1

    @failures.asset()
    def source() -> int:
        return 1

    @failures.asset()
    def function(source: int) -> int:
        if kind == "function":
            meet()
        return source

    @failures.multi_asset(outs={"yielded": dg.AssetOut()})
    def generator() -> Iterator:
        yield dg.Output(1, "yielded")
        if kind == "generator":
            meet()

    @failures.asset_check(asset=function)
    def check() -> dg.AssetCheckResult:
        if kind == "check":
            meet()
        return dg.AssetCheckResult(passed=True)

    with dg.DagsterInstance.ephemeral() as instance:
        result = dg.materialize(
            [source, function, generator, check],
            instance=instance,
            raise_on_error=False,
            resources={"io_manager": Manager()},
        )
    return len(tries), result


KINDS = ["function", "generator", "check", "writing", "reading"]


@pytest.mark.parametrize("kind", KINDS)
def test_what_may_pass_is_tried_again_until_it_has_passed(kind, at_once):
    hiccups = [TimeoutError("the file server is slow"), OSError(errno.ESTALE, "Stale file handle"), None]
    tries, result = run(hiccups, kind)
    assert tries == 3
    assert result.success


@pytest.mark.parametrize("kind", KINDS)
def test_what_does_not_pass_is_given_up_after_a_number_of_retries(kind, at_once):
    tries, result = run([TimeoutError("the file server is slow")], kind)
    assert tries == 1 + failures.RETRIES.max_retries
    assert not result.success


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("error", [InputError("no such folder"), ZeroDivisionError("a defect")], ids=repr)
def test_what_a_person_must_mend_fails_at_once_and_says_what_it_is(kind, error, at_once):
    tries, result = run([error], kind)
    assert tries == 1
    assert not result.success
    [failure] = [event for event in result.all_events if event.is_step_failure]
    assert str(error) in str(failure.step_failure_data.error)


def test_a_cancelled_step_is_not_tried_again(at_once):
    tries = []

    @failures.asset()
    def interrupted() -> None:
        tries.append(1)
        raise KeyboardInterrupt

    with dg.DagsterInstance.ephemeral() as instance, pytest.raises(KeyboardInterrupt):
        dg.materialize([interrupted], instance=instance)
    assert tries == [1]


def test_waiting_grows_and_is_spread_by_chance():
    delays = [[failures.RETRIES.calculate_delay(number) for _ in range(50)] for number in (1, 2, 3, 4)]
    means = [sum(some) / len(some) for some in delays]
    assert means == sorted(means)
    assert all(len(set(some)) > 40 for some in delays)
    assert max(map(max, delays)) < 200


def test_every_asset_and_every_check_retries_transient_errors():
    definitions = build_definitions()
    nodes = [
        node.node_def
        for node in (*definitions.assets, *definitions.asset_checks)
        if isinstance(node, dg.AssetsDefinition)
    ]
    assert len(nodes) > 30
    for node in nodes:
        assert node.retry_policy is None, node.name  # it would repeat everything
        assert getattr(node.compute_fn.decorated_fn, "retries_transient_errors", False), (
            f"{node.name}: see orchestration/failures.py"
        )


@pytest.mark.parametrize(
    ("first", "kind", "text"),
    [
        (InputError("a.fits: is empty"), InputError, "a.fits: is empty"),
        (FileNotFoundError(2, "No such file or directory", "a.fits"), StorageError, "a.fits: No such file"),
        (OSError(28, "No space left on device"), StorageError, "/home/x: No space left on device"),
        (sqlite3.OperationalError("disk I/O error"), StorageError, "/home/x/dagster: the run database can't be used"),
        (
            sqlalchemy.exc.OperationalError("select 1", None, Exception("no server\n\tat /nowhere")),
            StorageError,
            r"/home/x/dagster: the run database can't be used \(no server at /nowhere\)",
        ),
        (ZeroDivisionError("a defect"), RuntimeError, "wrapped twice"),
    ],
)
def test_the_error_that_a_user_can_act_on_comes_out_of_its_wrappers(tmp_path, first, kind, text):
    home = Home(type(tmp_path)("/home/x"))

    def wrapped() -> None:
        try:
            try:
                raise first
            except Exception as inner:
                raise ValueError("wrapped") from inner
        except ValueError as outer:
            raise RuntimeError("wrapped twice") from outer

    with pytest.raises(kind, match=text), one_line_errors(home):
        wrapped()


@pytest.mark.slow
def test_runs_of_killed_processes_are_ended_and_give_their_pools_back(tmp_path):
    (tmp_path / "dagster").mkdir()
    with dg.DagsterInstance.local_temp(str(tmp_path / "dagster")) as instance:
        storage = instance.event_log_storage
        storage.set_concurrency_slots("pixels", 1)

        @dg.job
        def job() -> None: ...

        killed = instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED, tags=COMMAND_LINE_TAGS)
        other = instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED)
        again = instance.create_run_for_job(
            job,
            status=dg.DagsterRunStatus.STARTED,
            tags=COMMAND_LINE_TAGS,
            parent_run_id=killed.run_id,
            root_run_id=killed.run_id,
        )
        storage.claim_concurrency_slot("pixels", killed.run_id, "step")
        with exclusive_run(Home(tmp_path), instance):
            states = [instance.get_run_by_id(run.run_id).status for run in (killed, other, again)]
            assert states == [dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.STARTED]
            assert storage.get_concurrency_info("pixels").active_slot_count == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_that_a_run_drops_is_raised_once_the_run_has_ended(number):
    steps = []

    @keyboard_interrupts()
    def run() -> None:
        before = {each: signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)}
        for each in before:
            signal.signal(each, lambda *_: steps.append("dropped"))  # as Dagster does while it begins and ends a run
        os.kill(os.getpid(), number)
        for each, handler in before.items():
            signal.signal(each, handler)
        steps.append("ended")

    with pytest.raises(KeyboardInterrupt):
        run()
    assert steps == ["dropped", "ended"]
    with keyboard_interrupts():  # nothing is left of it
        pass


def test_an_interrupt_that_dagster_raises_is_a_keyboard_interrupt():
    with pytest.raises(KeyboardInterrupt) as raised, keyboard_interrupts():
        raise dg.DagsterExecutionInterruptedError
    assert raised.value.__cause__ is None


def test_a_run_in_another_thread_is_not_told_of_signals():
    @keyboard_interrupts()
    def run(error: Exception | None) -> int:
        if error:
            raise error
        return 1

    with ThreadPoolExecutor(1) as threads:
        assert threads.submit(run, None).result() == 1
        with pytest.raises(KeyboardInterrupt):
            threads.submit(run, dg.DagsterExecutionInterruptedError()).result()
