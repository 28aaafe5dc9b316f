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

from badexp_assets.defs.archive_events import FILES_TAG, repetition_suffix, request, unfinished_nights
from badexp_assets.defs.build import build_definitions
from badexp_assets.defs.sensors import lost_runs
from badexp_assets.defs.sensors.lost_runs import ATTEMPT_TAG, REPEATS_TAG, is_lost, repeat_lost_runs
from badexp_assets.orchestration.command_line_runs import COMMAND_LINE_TAGS
from badexp_assets.orchestration.dagster_internals import MAX_RETRIES_TAG
from badexp_assets.pixels.night_tables import PASS_TABLES

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


def look(instance: dg.DagsterInstance) -> list[dg.RunRequest] | str:
    """What the sensor requests, as the daemon gets it, or why it skips."""
    definitions = build_definitions()
    context = dg.build_sensor_context(instance=instance, definitions=definitions)
    found = definitions.resolve_sensor_def(repeat_lost_runs.name).evaluate_tick(context)
    return list(found.run_requests) or found.skip_message


def start(instance: dg.DagsterInstance, request: dg.RunRequest) -> dg.DagsterRun:
    """Create the run of a request as the daemon does, which refuses assets and configuration that its job lacks."""
    assets = None if request.asset_selection is None else frozenset(request.asset_selection)
    job = build_definitions().resolve_job_def(request.job_name).get_subset(asset_selection=assets)
    dg.validate_run_config(job, request.run_config)
    return instance.create_run_for_job(
        job,
        run_config=request.run_config,
        tags=request.tags,
        status=dg.DagsterRunStatus.STARTED,
        asset_selection=assets,
    )


@pytest.fixture
def a_minute_ago(monkeypatch) -> None:
    """What has just failed counts as old enough."""
    monkeypatch.setattr(lost_runs, "_YOUNGEST", dt.timedelta(seconds=-5))


def test_dagster_has_a_minute_to_repeat_a_run_itself(instance):
    failed(instance, GIVEN_UP)
    assert look(instance) == "no run is lost"


def test_a_run_of_long_ago_is_left_alone(instance, a_minute_ago, monkeypatch):
    failed(instance, GIVEN_UP)
    monkeypatch.setattr(lost_runs, "_OLDEST", dt.timedelta(seconds=-5))
    assert look(instance) == "no run is lost"


def test_a_lost_run_of_many_nights_is_requested_with_its_assets_and_nights(instance, a_minute_ago):
    run = failed(instance, GIVEN_UP | NIGHTS)
    [request] = look(instance)
    assert request.run_key == f"lost/{run.run_id}"
    assert request.asset_selection == sorted(SCORES)
    assert request.partition_key is None
    assert request.tags.items() >= (NIGHTS | {REPEATS_TAG: run.run_id, ATTEMPT_TAG: "1"}).items()


def test_a_lost_run_of_a_job_and_a_night_is_requested_as_that_job(instance, a_minute_ago):
    failed(
        instance, GIVEN_UP | {"dagster/partition": "2018-03-05", ATTEMPT_TAG: "3"}, job_name="score_night", assets=None
    )
    [request] = look(instance)
    assert request.job_name == "score_night"
    assert request.partition_key == "2018-03-05"
    assert request.asset_selection is None
    assert request.tags[ATTEMPT_TAG] == "4"


def test_a_lost_run_of_checks_alone_makes_no_assets(instance, a_minute_ago):
    check = dg.AssetCheckKey(dg.AssetKey("cp_images"), "newest_night_is_scored")
    failed(instance, GIVEN_UP, assets=frozenset(), asset_check_selection=frozenset({check}))
    [again] = look(instance)
    assert (again.asset_selection, again.asset_check_keys) == ([], [check])


@pytest.mark.parametrize("night", ["2018-03-05", "2093-01-01"], ids=["a partition", "no partition yet"])
def test_a_lost_run_of_a_night_that_arrived_keeps_its_configuration_and_is_seen_by_automation(
    instance, a_minute_ago, night
):
    asked = request("2018-03-05", "abc", ["night_entropy_scores"], "new: 3 exposures")
    tags = GIVEN_UP | asked.tags | {"dagster/partition": night}
    failed(
        instance, tags, job_name="new_night", assets=frozenset(asked.asset_selection), run_config=dict(asked.run_config)
    )
    [again] = look(instance)
    assert again.run_config == asked.run_config != {}  # files that are still being written are skipped again
    assert set(again.asset_selection) == set(asked.asset_selection)
    assert again.tags.items() >= {FILES_TAG: "abc", "badexp/why": "new: 3 exposures"}.items()
    run = start(instance, again)
    assert unfinished_nights(instance, "new_night") == [night]
    assert repetition_suffix(instance, night, "abc") == ""  # not all runs of these files have ended
    instance.report_run_failed(run)
    assert repetition_suffix(instance, night, "abc") == "3"


def test_a_lost_run_of_assets_chosen_in_the_ui_is_requested_with_its_configuration(instance, a_minute_ago):
    config = {"ops": {"night_pass": {"config": {"only_written_files": True}}}}
    chosen = frozenset(dg.AssetKey(name) for name in PASS_TABLES)
    failed(instance, GIVEN_UP | {"dagster/partition": "2018-03-05"}, assets=chosen, run_config=config)
    [again] = look(instance)
    assert again.run_config == config
    assert start(instance, again).asset_selection == chosen


def test_a_lost_run_of_the_command_line_that_was_repeated_in_the_ui_is_not_taken_for_one_of_the_command_line(
    instance, a_minute_ago
):
    first = failed(instance, GIVEN_UP | COMMAND_LINE_TAGS | {MAX_RETRIES_TAG: "0"})
    tags = GIVEN_UP | COMMAND_LINE_TAGS | {PARENT_RUN_ID_TAG: first.run_id, ROOT_RUN_ID_TAG: first.run_id}
    failed(instance, tags, parent_run_id=first.run_id, root_run_id=first.run_id)
    [again] = look(instance)
    assert not COMMAND_LINE_TAGS.keys() & again.tags.keys()


def test_a_lost_run_that_lists_candidates_is_requested_with_its_day_and_all_its_checks(instance, a_minute_ago):
    tags = {"dagster/partition": "2018-03-05", "badexp/day": "2018-03-06"}
    failed(instance, GIVEN_UP | tags, job_name="close_night", assets=None)
    [again] = look(instance)
    assert again.tags.items() >= tags.items()
    job = build_definitions().resolve_job_def("close_night")
    assert start(instance, again).job_name == job.name
    assert (again.asset_selection, again.asset_check_keys) == (None, None)  # of cp_images the check only is run
