"""Known cases in the queue, as the app answers requests: nothing tells them from candidates before the answer."""

import json

import numpy as np
import pandas as pd
import pytest

from badexp_assets.config.settings import load_settings
from badexp_assets.io.parquet import write_table
from badexp_assets.io.parquet_reading import read_table
from badexp_assets.io.schemas import SCHEMAS
from badexp_assets.review.app.server import make_app
from badexp_assets.review.consensus import decide_outcome
from badexp_assets.review.store import VerdictStore
from badexp_assets_tests.review.app.conftest import FIRST, NIGHTS, N
from badexp_assets_tests.review.app.test_requests import log_in

BAD, GOOD = range(3001, 3013), range(3013, 3031)
TABLES = ("night_exposures", "night_ccds", "night_predictions", "night_exposure_predictions", "night_previews")


@pytest.fixture
def settings(settings):
    """The home with known cases, which are a fifth of the queue."""
    add_known_exposures(settings.home)
    path = settings.home.root / "settings.toml"
    path.write_text(path.read_text() + "[review]\ngold_share = 0.2\n")
    return load_settings(settings.home.root)


def add_known_exposures(home):
    """Add twelve labelled and eighteen good exposures to a home."""
    night = NIGHTS[0]
    for asset in (*TABLES, "night_entropy_scores", "night_orientations"):
        table = read_table(home.table(asset, night))
        one = table[table["expnum"] == FIRST + 1]
        more = [one.assign(expnum=e) for e in (*BAD, *GOOD)]
        table = pd.concat([table, *more], ignore_index=True)
        if asset == "night_exposure_predictions":
            table.loc[table["expnum"].isin(GOOD), "is_bad"] = False
            table.loc[table["expnum"].isin(GOOD), "p_bad"] = np.float32(0.05)
        write_table(table, home.table(asset, night), SCHEMAS[asset])
    labels = read_table(home.table("bad_ccd_labels"))
    kinds = {e: ("noise", "ghost_scatter")[e % 2] for e in BAD}
    more = [labels.assign(expnum=e, category=kind) for e, kind in kinds.items()]
    write_table(pd.concat([labels, *more]), home.table("bad_ccd_labels"), SCHEMAS["bad_ccd_labels"])


@pytest.fixture
def app(settings):
    app = make_app(settings)
    app.state.app_state.numbers.collect()
    return app


@pytest.fixture
def ann(app, settings):
    return log_in(app, settings)


def listed(client, order="rank"):
    return client.get(f"/api/candidates?order={order}").json()


def gold_in(client):
    return [row["expnum"] for row in listed(client)["candidates"] if row["expnum"] >= 3001]


def shape(value):
    """Names and kinds of values, without the values."""
    if isinstance(value, dict):
        return {name: shape(part) for name, part in value.items()}
    if isinstance(value, list):
        return [shape(part) for part in value[:1]]
    return type(value).__name__


def answer(client, expnum, verdict, key="key-00000001", **more):
    sent = {"key": key, "expnum": expnum, "verdict": verdict} | more
    response = client.post("/api/answers", json={"answers": [sent]})
    assert response.status_code == 201, response.text
    return response.json()["ids"][key]


def test_a_share_of_the_queue_is_known_and_counts_like_candidates(ann):
    found = listed(ann)
    gold = gold_in(ann)
    assert len(gold) == 8  # 8 of 42 are a fifth
    assert {e in BAD for e in gold} == {True, False}
    assert found["progress"]["candidates"] == len(found["candidates"]) == N + 8
    assert found["progress"]["open"] == N + 8


@pytest.mark.parametrize("order", ["rank", "night", "random", "information"])
def test_nothing_in_the_list_tells_known_cases_from_candidates(ann, order):
    rows = listed(ann, order)["candidates"]
    kinds = {"known" if row["expnum"] >= 3001 else "candidate": set() for row in rows}
    for row in rows:
        kinds["known" if row["expnum"] >= 3001 else "candidate"].add(json.dumps(shape(row)))
    assert kinds["known"] == kinds["candidate"]
    assert {row["rank"] for row in rows} == {row["p_bad"] for row in rows} == {None}
    assert {(row["plver"], row["model"], row["why"]) for row in rows} == {("V5.6S", "m1", "")}
    assert list(rows[0]) == list(rows[-1])


@pytest.mark.parametrize("what", ["", "/surroundings"])
def test_nothing_of_an_exposure_tells_it_is_known(ann, what):
    candidate = ann.get(f"/api/exposure/{FIRST + 1}{what}").json()
    for expnum in gold_in(ann):
        found = ann.get(f"/api/exposure/{expnum}{what}").json()
        assert shape(found) == shape(candidate)
        assert not {"known", "gold", "reason", "source", "label"} & set(found)
        assert "decals" not in json.dumps(found)
        assert found.get("labels", []) == []
    page = ann.get(f"/exposure/{FIRST + 1}").text
    assert ann.get(f"/exposure/{expnum}").text.replace(str(expnum), str(FIRST + 1)) == page


def test_known_cases_are_no_examples_no_practice_and_nothing_to_compare_with(ann):
    gold = set(gold_in(ann))
    gallery = ann.get("/gallery").text
    assert not [e for e in gold if f"/exposure/{e}" in gallery]
    assert "/exposure/30" in gallery  # those that are not mixed in
    rounds = {e for number in range(1, 8) for e in ann.get(f"/api/practice/{number}").json()["expnums"]}
    assert rounds
    assert not rounds & gold
    assert ann.post("/api/practice/1", json={"expnum": min(gold), "verdict": "bad"}).status_code == 404
    for expnum in range(FIRST, FIRST + 6):
        compared = ann.get(f"/api/exposure/{expnum}/surroundings").json()["comparison"]
        assert compared is None or compared["expnum"] not in gold


def test_answers_to_known_cases_measure_the_reviewer_and_are_no_verdicts(ann, app, settings):
    gold = gold_in(ann)
    bad, good = next(e for e in gold if e in BAD), next(e for e in gold if e in GOOD)
    kind = ("noise", "ghost_scatter")[bad % 2]
    first = answer(ann, bad, "bad", category=kind)
    second = answer(ann, good, "bad", "key-00000002", ccdnum=28)
    third = answer(ann, FIRST, "bad", "key-00000003")
    assert [second - first, third - second] == [1, 1]
    store = VerdictStore(settings.verdicts)
    assert store.read()["expnum"].tolist() == [FIRST]
    assert store.read_known()[["expnum", "known"]].values.tolist() == [[bad, kind], [good, "good"]]
    assert listed(ann)["progress"]["mine"] == 3
    assert [a["expnum"] for a in ann.get("/api/answers").json()["answers"]] == [FIRST, good, bad]
    assert ann.get(f"/api/exposure/{bad}").json()["labels"] == []  # also after the answer, which may be given again
    tally = ann.get("/api/tally").json()
    assert tally["sentences"][0] == "You gave 1 answers: 1 bad, 0 fine, 0 unsure."
    words = {row["known"]: row["words"].split(",")[0] for row in tally["skill"]}
    assert words == {"bad": "1 of 1 right", "good": "0 of 1 right", kind: "1 of 1 right"}
    assert "1 of 1 right" in ann.get("/home").text
    ben = log_in(app, settings, "ben")
    assert ben.get("/api/tally").json()["skill"] == []
    assert "Your skill" not in ben.get("/home").text
    assert ben.get(f"/api/exposure/{bad}").json()["others"] == []
    assert ann.post("/api/retractions", json={"ids": [second]}).status_code == 200
    assert store.read_known()["expnum"].tolist() == [bad]


def test_exposures_that_reviewers_call_bad_are_no_known_good_ones_from_then_on(ann, settings):
    good = [e for e in gold_in(ann) if e in GOOD]
    said = pd.DataFrame({"expnum": good, "reviewer": "ben", "verdict": "bad"})
    write_table(decide_outcome(said), settings.home.table("review_outcomes"), SCHEMAS["review_outcomes"])
    now = gold_in(ann)
    assert len(now) == 8
    assert not {*good} & {*now}
    assert {*GOOD} & {*now}


def test_until_the_survey_is_collected_answers_and_lists_wait(settings, monkeypatch):
    app = make_app(settings)
    monkeypatch.setattr(app.state.app_state.numbers, "_collect_in_background", lambda: None)
    ann = log_in(app, settings)
    for path in ("/api/candidates", f"/api/exposure/{FIRST}", "/gallery"):
        assert ann.get(path).status_code == 503, path
    sent = {"key": "key-00000001", "expnum": 3001, "verdict": "bad"}
    assert ann.post("/api/answers", json={"answers": [sent]}).status_code == 503
    app.state.app_state.numbers.collect()
    assert ann.get("/api/candidates").status_code == 200


def test_without_a_share_nothing_is_mixed_in(settings):
    path = settings.home.root / "settings.toml"
    path.write_text(path.read_text().replace("gold_share = 0.2", "gold_share = 0.0"))
    settings = load_settings(settings.home.root)
    ann = log_in(make_app(settings), settings)
    assert gold_in(ann) == []
    assert listed(ann)["candidates"][0]["p_bad"] is not None


def test_anomaly_maps_which_known_cases_have_not_wait_for_the_answer(ann):
    address = f"/picture/{FIRST}/ccd/28/map"
    assert ann.get(address).status_code == ann.get(f"/picture/{gold_in(ann)[0]}/ccd/28/map").status_code == 404
    answer(ann, FIRST, "fine")
    assert ann.get(address).status_code == 200


def test_a_case_that_was_practised_or_shown_as_an_example_is_not_mixed_in_when_the_queue_grows(ann, settings):
    seen = {e for number in range(1, 8) for e in ann.get(f"/api/practice/{number}").json()["expnums"]}
    seen |= {e for e in BAD if f"/exposure/{e}" in ann.get("/gallery").text}
    assert seen & {*BAD, *GOOD}
    path = settings.home.root / "settings.toml"
    path.write_text(path.read_text().replace("gold_share = 0.2", "gold_share = 0.5"))
    app = make_app(load_settings(settings.home.root))
    app.state.app_state.numbers.collect()
    more = set(gold_in(log_in(app, settings, "ben")))
    assert len(more) > 8
    assert not more & seen


def test_a_known_case_that_is_answered_again_after_an_undo_counts_as_first_answered(ann, settings):
    case = next(e for e in gold_in(ann) if e in BAD)
    first = answer(ann, case, "fine")
    assert ann.get(f"/api/exposure/{case}").json()["rank"] is None  # tells that it is no candidate
    before = ann.get("/api/tally").json()["skill"]
    assert before[0]["words"].startswith("0 of 1 right")
    assert ann.post("/api/retractions", json={"ids": [first]}).json() == {"mine": {str(case): None}}
    assert ann.get("/api/tally").json()["skill"] == before
    answer(ann, case, "bad", "key-00000002", category=("noise", "ghost_scatter")[case % 2])
    assert ann.get("/api/tally").json()["skill"] == before
    assert next(row["mine"] for row in listed(ann)["candidates"] if row["expnum"] == case) == "bad"
