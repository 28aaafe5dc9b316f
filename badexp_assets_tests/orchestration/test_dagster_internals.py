"""What the platform uses of Dagster beyond its public API; a failure here says what a Dagster version has changed."""

import ast
import importlib
import inspect
import signal
from pathlib import Path
from types import SimpleNamespace

import dagster as dg
import pytest
import sqlalchemy as db

from badexp_assets_tests.repository import REPOSITORY

VERSION = f"Dagster {dg.__version__}"
MOST_IMPORTS = 10


def private_imports() -> list[tuple[Path, str, str]]:
    """(file, module, name) of everything that the package imports from modules of Dagster whose names begin with _."""
    found = []
    for path in sorted((REPOSITORY / "badexp_assets").rglob("*.py")):
        text = path.read_text()
        for node in ast.walk(ast.parse(text)) if "dagster._" in text else ():
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("dagster._"):
                found += [(path.relative_to(REPOSITORY), node.module, alias.name) for alias in node.names]
            if isinstance(node, ast.Import):
                found += [(path, alias.name, "") for alias in node.names if alias.name.startswith("dagster._")]
    return found


PRIVATE = private_imports()


def test_private_names_of_dagster_are_few_and_imported_in_orchestration_only():
    assert len({(path, module) for path, module, _ in PRIVATE}) <= MOST_IMPORTS
    assert {path.parts[:2] for path, _, _ in PRIVATE} == {("badexp_assets", "orchestration")}


@pytest.mark.parametrize(("path", "module", "name"), PRIVATE, ids=[name for _, _, name in PRIVATE])
def test_dagster_still_has_every_private_name_that_the_platform_imports(path, module, name):
    try:
        found = hasattr(importlib.import_module(module), name)
    except ModuleNotFoundError:
        found = False
    assert found, f"{VERSION} has no {module}.{name}, which {path} imports"


@pytest.mark.parametrize(
    ("ours", "module", "name"),
    [
        ("DATA_VERSION_TAG", "definitions.data_version", "DATA_VERSION_TAG"),
        ("PARTITION_TAG", "storage.tags", "PARTITION_NAME_TAG"),
        ("MAX_RETRIES_TAG", "storage.tags", "MAX_RETRIES_TAG"),
        ("WILL_RETRY_TAG", "storage.tags", "WILL_RETRY_TAG"),
        ("AUTO_RETRY_RUN_ID_TAG", "storage.tags", "AUTO_RETRY_RUN_ID_TAG"),
        ("RUN_FAILURE_REASON_TAG", "storage.tags", "RUN_FAILURE_REASON_TAG"),
    ],
)
def test_tags_that_the_platform_reads_are_those_that_dagster_writes(ours, module, name):
    from badexp_assets.orchestration import dagster_internals

    theirs = getattr(importlib.import_module(f"dagster._core.{module}"), name, None)
    assert getattr(dagster_internals, ours) == theirs, f"{VERSION} names the tag of dagster_internals.{ours} {theirs}"


def test_statuses_range_tags_and_the_reason_of_a_failed_step_are_dagsters():
    from dagster._core.events import RunFailureReason
    from dagster._core.execution.backfill import BULK_ACTION_TERMINAL_STATUSES
    from dagster._core.storage import tags
    from dagster._core.storage.dagster_run import FINISHED_STATUSES, NOT_FINISHED_STATUSES

    from badexp_assets.orchestration import dagster_internals as ours
    from badexp_assets.orchestration.pruning import FINISHED_BACKFILL

    assert set(ours.FINISHED) == set(FINISHED_STATUSES), f"{VERSION} ends runs with other statuses"
    assert set(ours.UNFINISHED) >= set(NOT_FINISHED_STATUSES), f"{VERSION} has other statuses of unfinished runs"
    assert not set(ours.UNFINISHED) & set(FINISHED_STATUSES)
    ended = {status.value for status in BULK_ACTION_TERMINAL_STATUSES}
    assert set(FINISHED_BACKFILL) == ended, f"{VERSION} ends backfills with the statuses {ended}"
    range_tags = (tags.ASSET_PARTITION_RANGE_START_TAG, tags.ASSET_PARTITION_RANGE_END_TAG)
    assert range_tags == ours.PARTITION_RANGE_TAGS, f"{VERSION} names partition ranges by the tags {range_tags}"
    assert RunFailureReason.STEP_FAILURE.value == ours.STEP_FAILURE, f"{VERSION} names failed steps otherwise"


def test_the_run_database_has_the_tables_and_columns_that_pruning_deletes_from(tmp_path):
    from badexp_assets.orchestration import pruning

    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        for connect, tables in (
            (pruning._event_connection, (pruning.EVENTS, pruning.EVENT_TAGS, pruning.CHECKS)),
            (pruning._run_connection, (pruning.BACKFILLS, pruning.BACKFILL_TAGS)),
        ):
            with connect(instance) as connection:
                for table in tables:
                    known = {column["name"] for column in db.inspect(connection).get_columns(table.name)}
                    missing = {column.name for column in table.columns} - known
                    assert not missing, f"{VERSION}: table {table.name} of the run database has no {missing}"


def _names(function) -> list[str]:
    return list(inspect.signature(function).parameters)


def test_a_step_handler_is_asked_for_what_ours_answers():
    from badexp_assets.orchestration.dagster_internals import StepHandler
    from badexp_assets.orchestration.slurm.step_handler import SlurmStepHandler

    asked = {name for name in vars(StepHandler) if getattr(vars(StepHandler)[name], "__isabstractmethod__", False)}
    assert asked == {"name", "launch_step", "check_step_health", "terminate_step"}, f"{VERSION}: other methods"
    assert not SlurmStepHandler.__abstractmethods__
    for name in asked - {"name"}:
        assert len(_names(getattr(StepHandler, name))) == len(_names(getattr(SlurmStepHandler, name))) == 2


def test_the_handler_is_told_run_instance_tags_and_arguments_of_a_step():
    from dagster._grpc.types import ExecuteStepArgs

    from badexp_assets.orchestration.dagster_internals import StepHandlerContext

    told = {"execute_step_args", "dagster_run", "step_tags", "instance", "get_step_context"}
    assert told <= set(vars(StepHandlerContext)), f"{VERSION}: StepHandlerContext lacks {told}"
    assert {"step_keys_to_execute", "known_state", "run_id"} <= set(_names(ExecuteStepArgs.__new__))


def test_the_executor_has_the_places_that_ours_replaces():
    from badexp_assets.orchestration.dagster_internals import StepDelegatingExecutor
    from badexp_assets.orchestration.slurm.executor import SlurmExecutor

    assert {"check_step_health_interval_seconds", "sleep_seconds"} <= set(_names(StepDelegatingExecutor.__init__))
    assert {"execute", "_pop_events"} <= set(vars(StepDelegatingExecutor))
    assert _names(dg.Executor.log_failure_or_retry_event_after_error) == _names(
        SlurmExecutor.log_failure_or_retry_event_after_error
    )
    source = inspect.getsource(StepDelegatingExecutor.execute)
    for call in ("self._pop_events(", "self.log_failure_or_retry_event_after_error(", "check_step_health("):
        assert call in source, f"{VERSION}: StepDelegatingExecutor.execute no longer calls {call}...)"


def test_a_step_is_executed_by_the_command_whose_arguments_the_job_is_given():
    from dagster._cli.api import execute_step_command
    from dagster._grpc.types import ExecuteStepArgs

    assert "--compressed-input-json" in [name for option in execute_step_command.params for name in option.opts]
    assert "--compressed-input-json" in inspect.getsource(ExecuteStepArgs.get_command_args)


def test_slurms_signal_ends_a_job_also_while_dagster_captures_interrupts(monkeypatch):
    from badexp_assets.orchestration.dagster_internals import interrupts
    from badexp_assets.orchestration.slurm import job_main

    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr(interrupts, "setup_interrupt_handlers", job_main.keep_handlers)
    with interrupts.capture_interrupts(), interrupts.raise_interrupts_as(KeyboardInterrupt):
        assert signal.getsignal(signal.SIGTERM) == before


def test_the_health_of_a_run_and_its_retries_take_what_ours_gives():
    from badexp_assets.orchestration.dagster_internals import CheckRunHealthResult, StepRetryData, WorkerStatus
    from badexp_assets.orchestration.run_launcher import WatchedRunLauncher

    assert {"RUNNING", "FAILED"} <= set(WorkerStatus.__members__)
    assert _names(CheckRunHealthResult)[:2] == ["status", "msg"], f"{VERSION}: other arguments of CheckRunHealthResult"
    assert {"error", "seconds_to_wait"} <= set(_names(StepRetryData))
    for name in ("check_run_worker_health", "get_run_worker_debug_info", "launch_run"):
        base = getattr(dg.DefaultRunLauncher, name)
        assert len(_names(base)) == len(_names(getattr(WatchedRunLauncher, name))), f"{VERSION}: {name} takes others"


def test_the_output_of_a_run_is_configured_and_stored_as_ours_expects():
    from badexp_assets.orchestration.dagster_internals import LocalComputeLogManager
    from badexp_assets.orchestration.step_output import StepOutput

    for name in ("capture_logs", "from_config_value"):
        assert _names(getattr(LocalComputeLogManager, name)) == _names(getattr(StepOutput, name)), f"{VERSION}: {name}"
    for name in ("get_captured_local_path", "complete_artifact_path"):
        assert name in vars(LocalComputeLogManager), f"{VERSION}: LocalComputeLogManager has no {name}"


def test_a_run_is_found_in_the_ui_by_the_names_of_its_location_and_repository():
    from dagster._core.definitions.selector import RepositorySelector

    from badexp_assets.orchestration.dagster_internals import RegisteredCodeLocationOrigin, RemoteRepositoryOrigin

    repository = RemoteRepositoryOrigin(RegisteredCodeLocationOrigin("location"), "repository")
    assert repository.get_selector() == RepositorySelector(location_name="location", repository_name="repository")
    assert repository.get_job_origin("job").repository_origin == repository
    for name in ("create_run_for_job", "get_ref", "from_ref"):
        assert hasattr(dg.DagsterInstance, name), f"{VERSION}: DagsterInstance has no {name}"
    assert {"remote_job_origin", "tags"} <= set(_names(dg.DagsterInstance.create_run_for_job))


def test_a_failed_blocking_check_raises_the_error_that_the_command_line_expects():
    from badexp_assets.orchestration.dagster_internals import DagsterAssetCheckFailedError

    @dg.asset(check_specs=[dg.AssetCheckSpec("good", asset="checked", blocking=True)])
    def checked():
        yield dg.Output(1)
        yield dg.AssetCheckResult(passed=False)

    with dg.DagsterInstance.ephemeral() as instance, pytest.raises(DagsterAssetCheckFailedError):
        dg.materialize([checked], instance=instance)


def _event(kind: dg.DagsterEventType, step: str = "night") -> SimpleNamespace:
    return SimpleNamespace(event_type=kind, step_key=step)


def test_an_attempt_ends_once_whatever_arrives_twice():
    from badexp_assets.orchestration.slurm.run_events import EndFilter

    kind = dg.DagsterEventType
    ends = EndFilter()
    start, again = _event(kind.STEP_WORKER_STARTING), _event(kind.STEP_UP_FOR_RETRY)
    success, other = _event(kind.STEP_SUCCESS), _event(kind.STEP_OUTPUT)
    assert ends.drop_second_ends([start, other, again, success]) == [start, other, again]
    assert ends.drop_second_ends([success]) == []
    assert ends.drop_second_ends([start, success, _event(kind.STEP_FAILURE), other]) == [start, success, other]
    skipped = _event(kind.STEP_SKIPPED, "score")
    assert ends.drop_second_ends([skipped]) == [skipped]
