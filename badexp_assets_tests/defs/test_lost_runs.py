"""Which failed runs are taken up again, and as what."""

import datetime as dt

import dagster as dg
import pytest
from dagster._core.events import RunFailureReason
from dagster._core.remote_origin import RemoteJobOrigin, RemoteRepositoryOrigin
from dagster._core.storage.tags import (
    AUTO_RETRY_RUN_ID_TAG,
    PARENT_RUN_ID_TAG,
    ROOT_RUN_ID_TAG,
    RUN_FAILURE_REASON_TAG,
    WILL_RETRY_TAG,
)
from dagster._core.test_utils import create_run_for_test
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin
from dagster._core.workspace.load_target import InProcessCodeLocationOrigin

from badexp_assets.defs.build import build_definitions
from badexp_assets.defs.sensors import lost_runs
from badexp_assets.defs.sensors.lost_runs import ATTEMPT_TAG, REPEATS_TAG, is_lost, repeat_lost_runs
from badexp_assets.orchestration.command_line_runs import COMMAND_LINE_TAGS

GIVEN_UP = {WILL_RETRY_TAG: "false", RUN_FAILURE_REASON_TAG: RunFailureReason.RUN_EXCEPTION.value}
NIGHTS = {"dagster/asset_partition_range_start": "2018-03-05", "dagster/asset_partition_range_end": "2018-03-29"}
SCORES = frozenset({dg.AssetKey("night_entropy_scores")})
ORIGIN = RemoteJobOrigin(
    RemoteRepositoryOrigin(
        InProcessCodeLocationOrigin(LoadableTargetOrigin(module_name="badexp_assets.definitions"), location_name="x"),
        "__repository__",
    ),
    "__ASSET_JOB",
)


@pytest.fixture
def instance(tmp_path):
    overrides = {"run_retries": {"enabled": True, "max_retries": 2}}
    with dg.DagsterInstance.local_temp(str(tmp_path), overrides=overrides) as found:
        yield found


def failed(instance: dg.DagsterInstance, tags: dict[str, str], **given) -> dg.DagsterRun:
    return create_run_for_test(
        instance,
        job_name=given.pop("job_name", "__ASSET_JOB"),
        status=dg.DagsterRunStatus.FAILURE,
        tags=tags,
        remote_job_origin=given.pop("origin", ORIGIN),
        asset_selection=given.pop("assets", SCORES),
        **given,
    )


def repeated(instance: dg.DagsterInstance, run: dg.DagsterRun, root: dg.DagsterRun) -> dg.DagsterRun:
    """A run by which Dagster has repeated `run`, and that failed like it."""
    tags = {PARENT_RUN_ID_TAG: run.run_id, ROOT_RUN_ID_TAG: root.run_id}
    return failed(instance, GIVEN_UP | tags, parent_run_id=run.run_id, root_run_id=root.run_id)


def test_a_run_whose_process_died_and_that_could_not_be_repeated_is_lost(instance):
    assert is_lost(instance, failed(instance, GIVEN_UP))
    assert is_lost(instance, failed(instance, GIVEN_UP | {WILL_RETRY_TAG: "true"}))  # and nobody did


@pytest.mark.parametrize(
    "tags",
    [
        GIVEN_UP | {RUN_FAILURE_REASON_TAG: RunFailureReason.STEP_FAILURE.value},
        GIVEN_UP | {AUTO_RETRY_RUN_ID_TAG: "another"},
        GIVEN_UP | {ATTEMPT_TAG: "10"},
        GIVEN_UP | COMMAND_LINE_TAGS,
        {},  # Dagster has not looked at it yet
    ],
    ids=["a step failed", "it was repeated", "often enough", "command line", "just now"],
)
def test_other_failed_runs_are_not(instance, tags):
    assert not is_lost(instance, failed(instance, tags))


def test_a_run_that_was_repeated_as_often_as_it_may_is_not_lost(instance):
    first = failed(instance, GIVEN_UP)
    second = repeated(instance, first, first)
    assert not is_lost(instance, first)  # it was repeated
    assert is_lost(instance, second)
    third = repeated(instance, second, first)
    assert not is_lost(instance, third)


def look(instance: dg.DagsterInstance) -> list:
    context = dg.build_sensor_context(instance=instance, repository_def=build_definitions().get_repository_def())
    return list(repeat_lost_runs(context))


@pytest.fixture
def a_minute_ago(monkeypatch) -> None:
    """What has just failed counts as old enough."""
    monkeypatch.setattr(lost_runs, "_YOUNGEST", dt.timedelta(seconds=-5))


def test_dagster_has_a_minute_to_repeat_a_run_itself(instance):
    failed(instance, GIVEN_UP)
    assert isinstance(look(instance)[0], dg.SkipReason)


def test_a_run_of_long_ago_is_left_alone(instance, a_minute_ago, monkeypatch):
    failed(instance, GIVEN_UP)
    monkeypatch.setattr(lost_runs, "_OLDEST", dt.timedelta(seconds=-5))
    assert isinstance(look(instance)[0], dg.SkipReason)


def test_a_lost_run_of_many_nights_is_requested_with_its_assets_and_nights(instance, a_minute_ago):
    run = failed(instance, GIVEN_UP | NIGHTS)
    [request] = look(instance)
    assert request.run_key == f"lost/{run.run_id}"
    assert request.asset_selection == sorted(SCORES)
    assert request.partition_key is None
    assert request.tags.items() >= (NIGHTS | {REPEATS_TAG: run.run_id, ATTEMPT_TAG: "1"}).items()


def test_a_lost_run_of_a_job_and_a_night_is_requested_with_the_assets_of_the_job(instance, a_minute_ago):
    failed(
        instance, GIVEN_UP | {"dagster/partition": "2018-03-05", ATTEMPT_TAG: "3"}, job_name="score_night", assets=None
    )
    [request] = look(instance)
    assert request.partition_key == "2018-03-05"
    assert dg.AssetKey("night_predictions") in request.asset_selection
    assert request.tags[ATTEMPT_TAG] == "4"
