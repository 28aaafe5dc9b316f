import datetime as dt
import json

import dagster as dg
import pandas as pd
import pytest

from badexp_assets.config.home import Home
from badexp_assets.defs.build import build_definitions
from badexp_assets.defs.resources import SurveyResource
from badexp_assets.defs.sensors import verdicts
from badexp_assets.defs.sensors.verdicts import verdicts_sensor
from badexp_assets.io.parquet_reading import read_table
from badexp_assets.review.store import VerdictStore


def tick(home, instance, cursor=None):
    context = dg.build_sensor_context(instance=instance, cursor=cursor)
    return verdicts_sensor(running=False)(context, survey=SurveyResource(home=str(home)))


def answer(reviewer, verdict="bad"):
    return [{"expnum": 7, "reviewer": reviewer, "verdict": verdict}]


def test_each_change_of_the_answers_asks_for_one_run(tmp_path):
    store = VerdictStore(tmp_path / "review" / "verdicts.sqlite")
    with dg.DagsterInstance.ephemeral() as instance:
        assert "no answers yet" in tick(tmp_path, instance).skip_message
        (number,) = store.answer(answer("ann"), ["k"])
        first = tick(tmp_path, instance)
        assert len(first.run_requests) == 1
        assert "nothing new" in tick(tmp_path, instance, first.cursor).skip_message
        store.retract("ann", [number])
        second = tick(tmp_path, instance, first.cursor)
        assert second.run_requests[0].run_key != first.run_requests[0].run_key


@pytest.fixture
def no_pause(monkeypatch):
    monkeypatch.setattr(verdicts, "_FIRST_PAUSE", dt.timedelta(0))


def publish(instance, result, status=dg.DagsterRunStatus.FAILURE):
    """Create the run that the sensor has requested, as the daemon does, and end it."""
    tags = {"dagster/run_key": result.run_requests[0].run_key}
    instance.create_run_for_job(build_definitions().resolve_job_def("publish_rejects"), tags=tags, status=status)


def test_a_failed_run_is_requested_again_until_one_succeeds(tmp_path, no_pause):
    VerdictStore(tmp_path / "review" / "verdicts.sqlite").answer(answer("ann"), ["k"])
    with dg.DagsterInstance.ephemeral() as instance:
        first = tick(tmp_path, instance)
        publish(instance, first)
        second = tick(tmp_path, instance, first.cursor)
        assert second.run_requests[0].run_key == "1 answers, 0 withdrawn/2"
        publish(instance, second, dg.DagsterRunStatus.STARTED)
        assert "nothing new" in tick(tmp_path, instance, second.cursor).skip_message
        instance.report_run_failed(instance.get_runs(limit=1)[0])
        third = tick(tmp_path, instance, second.cursor)
        publish(instance, third, dg.DagsterRunStatus.SUCCESS)
        assert "nothing new" in tick(tmp_path, instance, third.cursor).skip_message


def test_a_run_that_was_cancelled_is_not_requested_again(tmp_path, no_pause):
    VerdictStore(tmp_path / "review" / "verdicts.sqlite").answer(answer("ann"), ["k"])
    with dg.DagsterInstance.ephemeral() as instance:
        first = tick(tmp_path, instance)
        publish(instance, first, dg.DagsterRunStatus.CANCELED)
        assert "nothing new" in tick(tmp_path, instance, first.cursor).skip_message


def test_a_run_that_fails_always_is_requested_ten_times_and_again_after_a_new_answer(tmp_path, no_pause):
    store = VerdictStore(tmp_path / "review" / "verdicts.sqlite")
    store.answer(answer("ann"), ["k"])
    cursor, keys = None, []
    with dg.DagsterInstance.ephemeral() as instance:
        while isinstance(result := tick(tmp_path, instance, cursor), dg.SensorResult):
            publish(instance, result)
            keys.append(result.run_requests[0].run_key)
            cursor = result.cursor
        assert len(keys) == len(set(keys)) == 10
        assert "failed 10 times" in result.skip_message
        store.answer(answer("bob"), ["l"])
        result = tick(tmp_path, instance, cursor)
        assert result.run_requests[0].run_key == "2 answers, 0 withdrawn"
        assert len(result.cursor) < 60


def test_attempts_are_farther_and_farther_apart(tmp_path, monkeypatch):
    VerdictStore(tmp_path / "review" / "verdicts.sqlite").answer(answer("ann"), ["k"])
    with dg.DagsterInstance.ephemeral() as instance:
        publish(instance, tick(tmp_path, instance))
        failed_at = instance.get_run_records(limit=1)[0].update_timestamp
        for attempts, minutes in ((1, 5), (2, 10), (9, 1280)):
            due = failed_at + dt.timedelta(minutes=minutes)
            cursor = json.dumps({"answers": 1, "withdrawn": 0, "attempts": attempts})
            assert f"{due:%Y-%m-%d %H:%M} UTC" in tick(tmp_path, instance, cursor).skip_message


def test_the_cursor_of_an_earlier_version_asks_for_one_run(tmp_path):
    VerdictStore(tmp_path / "review" / "verdicts.sqlite").answer(answer("ann"), ["k"])
    with dg.DagsterInstance.ephemeral() as instance:
        found = tick(tmp_path, instance, "[1, 0]")  # newest id and retractions, which may hide an answer
        assert [request.run_key for request in found.run_requests] == ["1 answers, 0 withdrawn"]
        assert "nothing new" in tick(tmp_path, instance, found.cursor).skip_message


def test_a_store_that_can_not_be_read_is_said_and_not_passed_over(tmp_path):
    (tmp_path / "review").mkdir()
    (tmp_path / "review" / "verdicts.sqlite").write_text("no database " * 100)
    with dg.DagsterInstance.ephemeral() as instance, pytest.raises(dg.Failure, match="review database can't be used"):
        tick(tmp_path, instance)


def test_two_answers_end_in_the_reject_list_and_its_files(tmp_path, monkeypatch):
    monkeypatch.setenv("BADEXP_HOME", str(tmp_path))
    store = VerdictStore(tmp_path / "review" / "verdicts.sqlite")
    for name in ("ann", "bob"):
        store.answer(answer(name), ["k"])
    with dg.DagsterInstance.ephemeral() as instance:
        result = build_definitions().resolve_job_def("publish_rejects").execute_in_process(instance=instance)
    assert result.success
    assert read_table(Home(tmp_path).table("reviewed_reject_list"))["expnum"].tolist() == [7]
    assert read_table(Home(tmp_path).table("review_agreement"))["n"].tolist() == [1] * 4
    assert "\n7  3  unknown reason (2 of 2 reviewers)\n" in (tmp_path / "export" / "bad_expid.txt").read_text()
    assert len(pd.read_csv(tmp_path / "export" / "reject_list.csv")) == 1


def test_answers_to_known_cases_become_skills_and_weigh_in_the_outcomes(tmp_path, monkeypatch):
    monkeypatch.setenv("BADEXP_HOME", str(tmp_path))
    store = VerdictStore(tmp_path / "review" / "verdicts.sqlite")
    said = {"ann": ("bad", "fine"), "bob": ("bad", "bad"), "cid": ("fine", "bad")}  # on bad and on good cases
    for name, (on_bad, on_good) in said.items():
        cases = [(100 + k, on_bad, "psf") for k in range(20)] + [(200 + k, on_good, "good") for k in range(20)]
        rows = [{"expnum": expnum, "reviewer": name, "verdict": verdict} for expnum, verdict, _ in cases]
        store.answer(rows, [f"known-{k}" for k in range(40)], [kind for *_, kind in cases])
        store.answer(answer(name, "fine" if name == "ann" else "bad"), ["k"])
    with dg.DagsterInstance.ephemeral() as instance:
        result = build_definitions().resolve_job_def("publish_rejects").execute_in_process(instance=instance)
    assert result.success
    home = Home(tmp_path)
    skill = read_table(home.table("review_skill")).set_index(["reviewer", "known"])["skill"]
    assert skill["ann", "bad"] == skill["ann", "good"] == skill["bob", "bad"] > 0.9
    assert skill["bob", "good"] == skill["cid", "bad"] < 0.1
    outcome = read_table(home.table("review_outcomes")).iloc[0]
    assert (outcome["expnum"], outcome["n_bad"], outcome["outcome"]) == (7, 2, "undecided")  # two of three say bad
    assert outcome["rule"].endswith("weighed by the skill of reviewers on known cases")
    assert set(read_table(home.table("review_verdicts"))["expnum"]) == {7}
    assert read_table(home.table("reviewed_reject_list")).empty
