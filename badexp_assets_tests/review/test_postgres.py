"""The verdict store on a real PostgreSQL server: the same promises as on SQLite, and those of a crash."""

import json
from concurrent.futures import ThreadPoolExecutor

import pandas as pd
import pytest
import sqlalchemy as sa

from badexp_assets.errors import InputError, StorageError
from badexp_assets.review.accounts import Reviewers
from badexp_assets.review.database import ANSWERS
from badexp_assets.review.store import VerdictStore
from badexp_assets.review.tags import TagChange, TagStore

pytestmark = pytest.mark.slow


@pytest.fixture
def url(database):
    """What is left to say when the environment says where the database is."""
    return "postgresql://"


def answer(reviewer, expnum=7, **more):
    return {"expnum": expnum, "reviewer": reviewer, "verdict": "bad"} | more


def test_answers_and_reviewers_come_back_and_what_is_sent_twice_is_there_once(url):
    store, shown = VerdictStore(url), json.dumps({"p_bad": 0.9})
    ids = store.answer([answer("ann", ccdnum=5, comment="<b>", shown=shown), answer("ann", 8)], ["key-1", "key-2"])
    assert store.answer([answer("ann", ccdnum=5)], ["key-1"]) == ids[:1]
    found = store.read(reviewer="ann")
    assert found["expnum"].tolist() == [7, 8]
    assert found["ccdnum"].isna().tolist() == [False, True]
    assert found["shown"].tolist()[0] == shown
    assert store.retract("ann", ids[:1])
    assert store.read(reviewer="ann")["expnum"].tolist() == [8]
    reviewers = Reviewers(url)
    session = reviewers.open(reviewers.add("ann"))
    assert reviewers.session(session.id) == session
    assert store.add(pd.DataFrame([answer("file")]), skip_known=True) == 1
    assert store.add(pd.DataFrame([answer("file")]), skip_known=True) == 0


def test_stored_answers_can_neither_be_changed_nor_deleted(url):
    store = VerdictStore(url)
    store.answer([answer("eve")], ["key-1"])
    engine = sa.create_engine("postgresql+psycopg2://")
    for statement in ("DELETE FROM verdicts", "UPDATE verdicts SET verdict = 'fine'"):
        with pytest.raises(sa.exc.DatabaseError, match="never"), engine.begin() as connection:
            connection.execute(sa.text(statement))
    engine.dispose()


def test_tags_come_back_and_their_changes_can_neither_be_changed_nor_deleted(url):
    store, change = TagStore(url), TagChange("key-1", 7, "Satellite?", True)
    (first,) = store.change("ann", [change])
    assert store.change("ann", [change]) == [first]
    (second,) = store.change("ann", [change._replace(key="key-2", attached=False)])
    assert store.read(7).empty
    assert store.retract("ann", [second]) == 1
    assert store.read(7)[["expnum", "tag", "reviewer"]].values.tolist() == [[7, "satellite?", "ann"]]
    assert store.state() == (2, 1)
    engine = sa.create_engine("postgresql+psycopg2://")
    for statement in ("DELETE FROM tag_changes", "UPDATE tag_retractions SET at = ''"):
        with pytest.raises(sa.exc.DatabaseError, match="never"), engine.begin() as connection:
            connection.execute(sa.text(statement))
    engine.dispose()


def test_an_answer_that_commits_after_a_later_one_changes_the_state_and_readers_do_not_wait_for_it(url, monkeypatch):
    monkeypatch.setenv("PGOPTIONS", "-c lock_timeout=2s")  # who waits for longer fails
    importer, app, sensor = VerdictStore(url), VerdictStore(url), VerdictStore(url)
    app.answer([answer("first")], ["key-1"])
    row = answer("slow") | {"at": "2026-01-01", "source": "file.csv", "simulated": 0}
    with importer.database.write() as connection:
        connection.execute(ANSWERS.insert(), row)  # has an id from now on
        app.answer([answer("quick")], ["key-1"])
        state = sensor.state()
        assert VerdictStore(url).state() == state  # of a process that has not used the database before
        assert sensor.read(reviewer="slow").empty
    assert sensor.state() != state
    assert len(sensor.read(reviewer="slow")) == 1


def test_what_an_earlier_version_did_not_make_is_made(url):
    VerdictStore(url).answer([answer("old")], ["key-1"])
    engine = sa.create_engine("postgresql+psycopg2://")
    with engine.begin() as connection:
        for statement in (
            "DROP TABLE tag_changes CASCADE",
            "ALTER TABLE verdicts DROP COLUMN known",
            "DROP INDEX verdicts_of_exposure",
            "DROP TRIGGER verdicts_no_delete ON verdicts",
        ):
            connection.execute(sa.text(statement))
    assert VerdictStore(url).read(reviewer="old")["expnum"].tolist() == [7]
    assert TagStore(url).read(7).empty
    with pytest.raises(sa.exc.DatabaseError, match="never"), engine.begin() as connection:
        connection.execute(sa.text("DELETE FROM verdicts"))
    assert "verdicts_of_exposure" in {index["name"] for index in sa.inspect(engine).get_indexes("verdicts")}
    engine.dispose()


def test_many_reviewers_lose_nothing_when_the_server_is_killed_and_comes_back(postgres, url):
    store = VerdictStore(url)
    acknowledged = []

    def review(name):
        for k in range(30):
            for _ in range(100):
                try:
                    store.answer([answer(name, 1 + k)], [f"key-{k}"])
                except StorageError:
                    continue
                acknowledged.append((name, 1 + k))
                break

    names = [f"r{n}" for n in range(8)]
    with ThreadPoolExecutor(len(names)) as pool:
        working = [pool.submit(review, name) for name in names]
        while len(acknowledged) < 60:
            pass
        postgres.kill()
        postgres.start()
        for one in working:
            one.result()
    held = store.read()
    held = [pair for pair in zip(held["reviewer"], held["expnum"], strict=True) if pair[0] in names]
    assert set(acknowledged) <= set(held)
    assert len(held) == len(set(held))
    store.database.close()


def test_a_server_that_is_away_is_named_without_the_password():
    store = VerdictStore("postgresql://me:secret@127.0.0.1:1/verdicts")
    with pytest.raises(StorageError, match="review database can't be used") as error:
        store.read()
    assert "secret" not in str(error.value)


def test_a_wrong_answer_is_refused_before_the_database_is_asked(url):
    with pytest.raises(InputError, match="verdict is 'maybe'"):
        VerdictStore(url).answer([answer("ann", verdict="maybe")], ["key"])
