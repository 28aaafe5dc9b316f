"""Tags as the app answers requests: who sees them, and what is refused."""

import json

import pytest

from badexp_assets.review.app.server import make_app
from badexp_assets.review.store import VerdictStore
from badexp_assets.review.tags import TagStore
from badexp_assets_tests.review.app.conftest import FIRST, OTHER
from badexp_assets_tests.review.app.test_requests import log_in, one, send


@pytest.fixture
def app(settings):
    return make_app(settings)


@pytest.fixture
def ann(app, settings):
    return log_in(app, settings)


@pytest.fixture
def bob(app, settings):
    return log_in(app, settings, "bob")


def tag(client, words, expnum=FIRST, attached=True, key=None):
    change = {"key": key or f"key-{expnum}-{attached}-{words}".replace("?", ""), "expnum": expnum, "tag": words}
    return client.post("/api/tags", json={"changes": [change | {"attached": attached}]})


def seen(client, expnum=FIRST):
    """Own tags and those of others by the page of the exposure, which the list says, too."""
    of_page = client.get(f"/api/exposure/{expnum}").json()
    listed = client.get(f"/api/candidates?expnums={expnum}").json()
    of_list = next(row for row in listed["candidates"] if row["expnum"] == expnum)
    names = ("tags", "tags_of_others")
    assert [of_page[name] for name in names] == [of_list[name] for name in names]
    others = [found["tag"] for found in of_page["tags_of_others"]]
    assert set(of_page["tags"]) | set(others) <= set(listed["tags"])
    return of_page["tags"], others


@pytest.mark.parametrize("expnum", [FIRST, OTHER])
def test_tags_of_others_are_seen_after_the_answer_and_no_more_when_it_is_undone(ann, bob, expnum):
    assert tag(ann, "satellite?", expnum).status_code == 201
    assert tag(bob, "discuss", expnum).status_code == 201
    assert seen(ann, expnum) == (["satellite?"], [])
    assert ann.get("/api/candidates").json()["tags"] == ["satellite?"]  # nothing of bob's is suggested
    number = send(ann, one(expnum=expnum)).json()["ids"]["key-00000001"]
    assert seen(ann, expnum) == (["satellite?"], ["discuss"])
    assert seen(bob, expnum) == (["discuss"], [])
    assert ann.post("/api/retractions", json={"ids": [number]}).status_code == 200
    assert seen(ann, expnum) == (["satellite?"], [])


def test_a_tag_is_no_answer_in_any_table_or_count(ann, settings):
    before = ann.get("/api/candidates").json()
    tag(ann, "discuss")
    after = ann.get("/api/candidates").json()
    assert after["progress"] == before["progress"]
    assert after["candidates"][0]["open"]
    assert VerdictStore(settings.verdicts).read().empty
    assert ann.get("/api/tally").json()["sentences"] == []
    assert ann.get("/api/answers").json() == {"answers": []}


def test_a_tag_is_removed_and_each_change_can_be_undone_by_its_reviewer_only(ann, bob):
    attached = tag(ann, "Discuss").json()["ids"]
    assert seen(ann) == (["discuss"], [])
    (removed,) = tag(ann, "discuss", attached=False).json()["ids"].values()
    assert seen(ann) == ([], [])
    assert bob.post("/api/tags/retractions", json={"ids": [removed]}).status_code == 404
    assert ann.post("/api/tags/retractions", json={"ids": [removed]}).status_code == 200
    assert seen(ann) == (["discuss"], [])
    assert ann.post("/api/tags/retractions", json={"ids": [*attached.values()]}).status_code == 200
    assert seen(ann) == ([], [])
    for ids in ([], [0], ["1"], [True], None, list(range(1, 502))):
        assert ann.post("/api/tags/retractions", json={"ids": ids}).status_code == 422


@pytest.mark.parametrize(
    ("more", "status"),
    [
        ({"tag": "<script>"}, 422),
        ({"tag": "\ud800"}, 422),
        ({"tag": "a\u0000"}, 422),
        ({"tag": "x" * 41}, 422),
        ({"tag": None}, 422),
        ({"tag": "a,b"}, 422),
        ({"expnum": 999}, 404),
        ({"expnum": "1001"}, 422),
        ({"attached": 1}, 422),
        ({"key": "short"}, 422),
        ({"reviewer": "bob"}, 422),
    ],
)
def test_a_wrong_change_is_refused_with_its_number_and_nothing_is_stored(ann, settings, more, status):
    right = {"key": "key-00000001", "expnum": FIRST, "tag": "discuss", "attached": True}
    wrong = right | {"key": "key-00000002"} | more
    body = json.dumps({"changes": [right, wrong]})
    response = ann.post("/api/tags", content=body, headers={"content-type": "application/json"})
    assert response.status_code == status
    assert response.json()["error"].startswith("change 2 of 2: ")
    assert TagStore(settings.verdicts).read().empty
    assert ann.post("/api/tags", json={"changes": [right, right]}).status_code == 422
    assert ann.post("/api/tags", json={"changes": [right] * 501}).status_code == 422


def test_a_change_needs_the_csrf_token(ann, settings):
    assert ann.post("/api/tags", json={"changes": []}, headers={"x-csrf-token": ""}).status_code == 403
    assert ann.post("/api/tags/retractions", json={"ids": [1]}, headers={"x-csrf-token": ""}).status_code == 403
