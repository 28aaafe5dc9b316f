import sqlite3
from concurrent.futures import ThreadPoolExecutor

import pandas as pd
import pytest

from badexp_assets.errors import InputError
from badexp_assets.io.parquet import to_arrow
from badexp_assets.io.schemas import SCHEMAS
from badexp_assets.review.store import VerdictStore
from badexp_assets.review.verdicts import tidy_answer, tidy_verdicts
from badexp_assets_tests.review.old_database import write_old_database


def answers(**more):
    return pd.DataFrame(
        {"expnum": [1, 2], "ccdnum": pd.array([None, 5], "Int16"), "reviewer": "ann", "verdict": ["bad", "fine"]} | more
    )


def test_answers_come_back_as_given_with_the_time_filled_in(tmp_path):
    store = VerdictStore(tmp_path / "review" / "verdicts.sqlite")
    assert store.add(answers(comment=["<b>x</b>", None], category=["psf", None], plver="V5", simulated=True)) == 2
    found = store.read()
    assert to_arrow(found, SCHEMAS["review_verdicts"]).num_rows == 2
    assert found["comment"].tolist()[0] == "<b>x</b>"
    assert found["ccdnum"].isna().tolist() == [True, False]
    assert found["at"].str.contains(r"\+00:00$").all()
    assert found["simulated"].all()
    assert set(found["source"]) == {"verdict store"}


def test_a_store_that_is_not_there_is_empty_and_is_not_made_by_reading(tmp_path):
    store = VerdictStore(tmp_path / "verdicts.sqlite")
    assert to_arrow(store.read(), SCHEMAS["review_verdicts"]).num_rows == 0
    assert list(tmp_path.iterdir()) == []


def test_a_changed_mind_keeps_both_answers(tmp_path):
    store = VerdictStore(tmp_path / "v.sqlite")
    store.add(answers())
    store.add(answers(verdict=["fine", "fine"]))
    assert store.read()["verdict"].tolist() == ["bad", "fine", "fine", "fine"]


def test_a_file_that_is_imported_again_adds_nothing(tmp_path):
    store = VerdictStore(tmp_path / "v.sqlite")
    assert store.add(answers(), skip_known=True) == 2
    assert store.add(answers(), skip_known=True) == 0
    assert store.add(answers(comment="new"), skip_known=True) == 2


def test_stored_answers_can_neither_be_changed_nor_deleted(tmp_path):
    path = tmp_path / "v.sqlite"
    VerdictStore(path).add(answers())
    connection = sqlite3.connect(path)
    for statement in ("DELETE FROM verdicts", "UPDATE verdicts SET verdict = 'fine'"):
        with pytest.raises(sqlite3.IntegrityError, match="never"):
            connection.execute(statement)
    connection.close()


@pytest.mark.parametrize(
    ("wrong", "expected"),
    [
        ({"verdict": ["bad", "maybe"]}, "allowed: bad, fine, unsure"),
        ({"reviewer": ["ann", " "]}, "no reviewer"),
        ({"expnum": [1, 0]}, "expnum is"),
    ],
)
def test_a_wrong_row_is_refused_and_none_of_its_batch_is_kept(tmp_path, wrong, expected):
    store = VerdictStore(tmp_path / "v.sqlite")
    with pytest.raises(InputError, match=expected):
        store.add(answers(**wrong))
    assert len(store.read()) == 0


def test_reviewers_who_answer_at_the_same_time_lose_nothing(tmp_path):
    store = VerdictStore(tmp_path / "v.sqlite")
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda i: store.add(answers(reviewer=f"r{i}")), range(24)))
    found = store.read()
    assert len(found) == 48
    assert found["reviewer"].nunique() == 24


def test_a_file_that_is_no_store_is_named(tmp_path):
    path = tmp_path / "v.sqlite"
    path.write_text("not a database " * 100)
    with pytest.raises(InputError, match=r"v\.sqlite"):
        VerdictStore(path).read()


def one(**more):
    return {"expnum": 7, "reviewer": "ann", "verdict": "bad"} | more


def test_an_answer_that_is_sent_twice_is_stored_once(tmp_path):
    store = VerdictStore(tmp_path / "v.sqlite")
    first = store.answer([one(model="m1", shown='{"p_bad": 0.9}')], ["k1"])
    assert store.answer([one()], ["k1"]) == first
    assert store.answer([one()], ["k2"]) != first
    assert store.answer([one(reviewer="bob")], ["k1"]) != first
    found = store.read()
    assert len(found) == 3
    assert found["model"].tolist()[0] == "m1"
    assert found["shown"].tolist()[0] == '{"p_bad": 0.9}'


def test_several_answers_are_added_together_or_not_at_all(tmp_path):
    store = VerdictStore(tmp_path / "v.sqlite")
    several = [one(), one(ccdnum=3), one(expnum=8)]
    first, second, third = store.answer(several, ["a", "b", "c"])
    assert store.answer(several, ["a", "b", "d"])[:2] == [first, second]
    for wrong, keys in (
        (several, ["e", "f"]),
        (several, ["e", "f", ""]),
        ([*several[:2], one(verdict="bad!")], list("efg")),
    ):
        with pytest.raises(InputError):
            store.answer(wrong, keys)
    assert len(store.read()) == 4
    assert third == 3


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"ccdnum": 3, "category": "psf", "comment": "x", "plver": "V5", "model": "m", "shown": "{}", "simulated": True},
        {"at": "2026-01-01T00:00:00+00:00", "source": "file", "ccdnum": None, "comment": None},
    ],
)
def test_an_answer_alone_is_made_tidy_as_a_table_of_answers_is(more):
    table = tidy_verdicts(pd.DataFrame([one(**more)])).astype(object)
    [row] = table.where(table.notna(), None).to_dict("records")
    assert tidy_answer(one(**more)) == row


@pytest.mark.parametrize(
    "more",
    [
        {"expnum": 0},
        {"expnum": 1.5},
        {"expnum": None},
        {"verdict": "x"},
        {"verdict": None},
        {"reviewer": " "},
        {"reviewer": None},
        {"ccdnum": 0},
        {"ccdnum": "3"},
        {"comment": 3},
        {"other": 1},
    ],
)
def test_what_is_no_answer_is_refused(tmp_path, more):
    with pytest.raises(InputError, match=next(iter(more))):
        VerdictStore(tmp_path / "v.sqlite").answer([one(**more)], ["k"])


def test_an_answer_taken_back_is_kept_and_not_read(tmp_path):
    store = VerdictStore(tmp_path / "v.sqlite")
    [number] = store.answer([one()], ["k1"])
    before = store.state()
    assert store.retract("ann", [number]) == 1
    assert store.retract("ann", [number, number]) == 0
    assert store.state() != before
    assert store.read().empty
    connection = sqlite3.connect(tmp_path / "v.sqlite")
    assert connection.execute("SELECT count(*) FROM verdicts").fetchone() == (1,)
    connection.close()


def test_nobody_takes_back_the_answer_of_another(tmp_path):
    store = VerdictStore(tmp_path / "v.sqlite")
    [number] = store.answer([one()], ["k1"])
    for reviewer, answer in (("bob", number), ("ann", number + 1)):
        with pytest.raises(InputError, match="has no answer"):
            store.retract(reviewer, [answer])
    assert len(store.read()) == 1


def test_a_store_of_an_earlier_version_keeps_its_answers_and_takes_new_ones(tmp_path):
    path = tmp_path / "v.sqlite"
    connection = sqlite3.connect(path)
    connection.execute(
        "CREATE TABLE verdicts (id INTEGER PRIMARY KEY AUTOINCREMENT, expnum INTEGER NOT NULL, ccdnum INTEGER, "
        "reviewer TEXT NOT NULL, verdict TEXT NOT NULL, category TEXT, comment TEXT, at TEXT NOT NULL, plver TEXT, "
        "source TEXT NOT NULL, simulated INTEGER NOT NULL)"
    )
    connection.execute("INSERT INTO verdicts VALUES (1, 5, NULL, 'ann', 'bad', NULL, NULL, 't', NULL, 's', 0)")
    connection.commit()
    connection.close()
    store = VerdictStore(path)
    assert store.answer([one()], ["k"]) == [2]
    assert store.read()["expnum"].tolist() == [5, 7]


def test_a_process_that_only_reads_does_not_wait_for_a_writer(tmp_path, monkeypatch):
    monkeypatch.setattr("badexp_assets.review.database._WAIT", 0.1)  # s, after which the file is said to be locked
    store = VerdictStore(tmp_path / "verdicts.sqlite")
    store.answer([{"expnum": 7, "reviewer": "ann", "verdict": "bad"}], ["k"])
    with store.database.write():
        other = VerdictStore(tmp_path / "verdicts.sqlite")
        assert other.state() == (1, 0)
        assert other.read()["expnum"].tolist() == [7]


def test_answers_of_one_reviewer_or_exposure_can_be_read_alone(tmp_path):
    store = VerdictStore(tmp_path / "v.sqlite")
    store.add(answers())
    store.add(pd.DataFrame([one(reviewer="bob")]))
    assert store.read(reviewer="bob")["expnum"].tolist() == [7]
    assert store.read(expnum=2)["reviewer"].tolist() == ["ann"]


def test_a_url_of_another_kind_of_database_is_refused_without_its_password():
    with pytest.raises(InputError, match="mysql is not supported") as error:
        VerdictStore("mysql://me:secret@localhost/x")
    assert "secret" not in str(error.value)


def test_answers_to_known_cases_are_read_only_if_asked_for(tmp_path):
    store = VerdictStore(tmp_path / "v.sqlite")
    rows = [{"expnum": e, "reviewer": "ann", "verdict": "bad"} for e in (1, 2)]
    first, second = store.answer(rows, ["k-1", "k-2"], ["psf", None])
    assert store.read()["expnum"].tolist() == [2]
    assert store.read_known()[["expnum", "known"]].values.tolist() == [[1, "psf"]]
    assert store.read_with_ids(known=True)["id"].tolist() == [first, second]
    assert store.state() == (second, 0)
    assert store.answer(rows[:1], ["k-1"], ["psf"]) == [first]  # sent again
    store.retract("ann", [first])
    assert store.read_known().empty


def test_a_store_of_an_earlier_version_opens_and_all_its_answers_are_verdicts(tmp_path):
    path = tmp_path / "v.sqlite"
    write_old_database(path)
    store = VerdictStore(path)
    assert store.read()["expnum"].tolist() == [7]
    assert store.read_known().empty
    store.answer([{"expnum": 8, "reviewer": "ann", "verdict": "bad"}], ["k-1"], ["noise"])
    assert store.read_known()["known"].tolist() == ["noise"]


def test_many_answers_are_taken_back_at_once_all_or_none(tmp_path):
    store = VerdictStore(tmp_path / "v.sqlite")
    mine = store.answer([one(expnum=e) for e in range(1, 501)], [f"k{e}" for e in range(1, 501)])
    (other,) = store.answer([one(reviewer="bob")], ["k"])
    with pytest.raises(InputError, match=f"ann has no answer {other}"):
        store.retract("ann", [*mine, other])
    assert len(store.read(reviewer="ann")) == 500
    assert store.retract("ann", mine) == 500
    assert store.read()["reviewer"].tolist() == ["bob"]
    assert store.state() == (other, 500)


def test_retracted_answers_to_known_cases_and_exposures_of_answers_are_read_if_asked_for(tmp_path):
    store = VerdictStore(tmp_path / "v.sqlite")
    ids = store.answer([one(expnum=e) for e in (1, 2, 2)], ["k-1", "k-2", "k-3"], ["psf", None, None])
    store.retract("ann", ids[:2])
    assert store.read_known().empty
    assert store.read_known(retracted=True)["expnum"].tolist() == [1]
    assert sorted(store.exposures_of(ids)) == [1, 2]
