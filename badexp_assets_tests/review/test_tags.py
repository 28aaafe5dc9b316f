"""Tags of reviewers: what a tag is, and the store that only adds changes."""

import contextlib
import json
import sqlite3
import unicodedata

import pandas as pd
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from badexp_assets.commands.cli import badexp
from badexp_assets.errors import InputError
from badexp_assets.review.store import VerdictStore
from badexp_assets.review.tags import MAX_TAG, MAX_TAGS, TagChange, TagStore, export_tags, tidy_tag
from badexp_assets_tests.review.old_database import write_old_database

HOSTILE = [
    "<script>alert(1)</script>",
    "x<img src=x onerror=alert(1)>",
    "=1+1",
    "a\x00b",
    "a\nb",
    "\ud83d",
    "\u202eabc",
]
HOSTILE += ["a,b", "", " ", "x" * 41, "x" * 10**6, "\ufdfa" * 9, "e\u0301", "İ", "ﬀ", "１", "\u2028", "a\u00adb", "?"]

LOOK_ALIKE = [
    "clo\u034fud",
    "cloud\ufe0f",
    "\u3164cloud",
    "\uffa0cloud\u1160",
    "\u1680cloud\u1680",
    "cl\u180boud\U000e0100",
    "ｃloud",
]


def change(tag, expnum=1, attached=True, key=None):
    return TagChange(key or f"{tag}-{expnum}-{attached}", expnum, tag, attached)


def held(store, *columns):
    return [tuple(row) for row in store.read()[list(columns or ("expnum", "tag", "reviewer"))].itertuples(index=False)]


@pytest.fixture
def store(tmp_path):
    return TagStore(tmp_path / "v.sqlite")


@given(
    st.one_of(st.text(max_size=60), st.sampled_from(HOSTILE), st.from_regex(r"[a-z?<>=\"' -]{1,45}", fullmatch=True))
)
def test_a_tag_is_a_short_line_that_any_file_can_hold_or_it_is_refused(text):
    try:
        tag = tidy_tag(text)
    except InputError as error:
        str(error).encode()
        return
    assert 1 <= len(tag) <= MAX_TAG
    assert tag == tidy_tag(tag) == tidy_tag(f"  {tag} ")
    assert tag.splitlines() == [tag]
    assert "," not in tag
    assert unicodedata.category(tag[0])[0] in "LN"
    assert not {unicodedata.category(letter)[0] for letter in tag} & {"C"}
    assert json.loads(json.dumps(tag)) == tag.encode().decode() == tag


@pytest.mark.parametrize(
    ("text", "tag"),
    [
        ("Satellite?", "satellite?"),
        (" for  paper ", "for paper"),
        ("e\u0301", "é"),
        *((word, "cloud") for word in LOOK_ALIKE),
    ],
)
def test_spellings_of_a_tag_are_one(text, tag):
    assert tidy_tag(text) == tag


@pytest.mark.parametrize(
    "text", [None, 3, ["a"], "=cmd", "-a", "a,b", "a\tb", "\ud800", "x" * 41, "a\u202eb", "\u3164"]
)
def test_what_is_no_tag_is_refused_with_what_is_allowed(text):
    with pytest.raises(InputError, match=r"1 to 40 characters .* are allowed, first a letter or digit"):
        tidy_tag(text)


def test_the_latest_change_of_a_reviewer_decides_and_tags_of_others_stay(store):
    store.change("ann", [change("discuss"), change("satellite?"), change("discuss", 2)])
    store.change("bob", [change("discuss")])
    store.change("Ann ", [change("discuss", attached=False)])  # the same person
    assert held(store) == [(1, "satellite?", "ann"), (2, "discuss", "ann"), (1, "discuss", "bob")]
    assert store.read(2)["tag"].tolist() == ["discuss"]


def test_an_undone_change_counts_no_more_and_what_was_before_does(store):
    (first,) = store.change("ann", [change("discuss", key="k1")])
    (second,) = store.change("ann", [change("discuss", key="k2")])
    (removed,) = store.change("ann", [change("discuss", attached=False)])
    assert held(store) == []
    assert store.state() == (removed, 0)
    assert store.retract("ann", [removed]) == 1
    assert store.retract("ann", [removed, second]) == 1
    assert held(store, "tag") == [("discuss",)]
    assert store.retract("ann", [first]) == 1
    assert held(store) == []
    with pytest.raises(InputError, match=f"bob has no change of a tag {first}"):
        store.retract("bob", [first])


def test_a_change_that_is_sent_again_is_stored_once(store):
    assert store.change("ann", [change("a", key="k")]) == store.change("ann", [change("a", key="k")])
    assert store.state()[0] == 1


def test_an_exposure_has_at_most_twenty_tags_of_a_reviewer_and_a_refused_change_stores_nothing(store):
    store.change("ann", [change(f"t{k}") for k in range(MAX_TAGS)])
    store.change("ann", [change("t0", key="again")])
    with pytest.raises(InputError, match="exposure 1 would have 21 tags of ann; at most 20 are allowed"):
        store.change("ann", [change("other", 2), change("more")])
    store.change("bob", [change("more")])
    (removed,) = store.change("ann", [change("t0", attached=False)])
    added = store.change("ann", [change("more", key="more of ann")])
    assert len(held(store)) == MAX_TAGS + 1
    store.retract("ann", [removed])  # one more than allowed, rather than an undo that is refused
    assert store.change("ann", [change("more", key="more of ann")]) == added
    with pytest.raises(InputError, match="would have 22 tags"):
        store.change("ann", [change("yet another")])
    with pytest.raises(InputError, match="tag is"):
        store.change("ann", [change("fine", 3), change("=1", 3)])
    assert store.read(3).empty


def test_tags_are_no_answers(store):
    verdicts = VerdictStore(store.database)
    store.change("ann", [change("discuss")])
    assert verdicts.read().empty
    assert verdicts.state() == (0, 0)


def test_stored_changes_can_neither_be_changed_nor_deleted(tmp_path, store):
    store.retract("ann", store.change("ann", [change("discuss")]))
    with contextlib.closing(sqlite3.connect(tmp_path / "v.sqlite")) as connection:
        for table in ("tag_changes", "tag_retractions"):
            for statement in (f"DELETE FROM {table}", f"UPDATE {table} SET at = ''"):
                with pytest.raises(sqlite3.IntegrityError, match="never"):
                    connection.execute(statement)


def test_a_database_of_an_earlier_version_has_no_tags_and_takes_them(tmp_path):
    path = tmp_path / "v.sqlite"
    write_old_database(path)
    store = TagStore(path)
    assert store.read().empty
    store.change("ann", [change("discuss", 7)])
    assert held(store) == [(7, "discuss", "ann")]
    assert VerdictStore(path).read()["expnum"].tolist() == [7]


def test_tags_of_a_store_that_is_not_there_are_none_and_it_is_not_made(tmp_path):
    store = TagStore(tmp_path / "v.sqlite")
    assert store.read().empty
    assert store.state() == (0, 0)
    assert list(tmp_path.iterdir()) == []


def test_tags_leave_as_a_file_and_other_endings_are_refused(tmp_path):
    store = TagStore(tmp_path / "review" / "verdicts.sqlite")
    store.change("ann", [change('say "x"', 5), change("discuss", 4)])
    path = tmp_path / "tags.csv"
    result = CliRunner().invoke(badexp, ["review", "tags", str(path), "--home", str(tmp_path)], catch_exceptions=False)
    assert result.output == f"{path}: 2 tags on 2 exposures\n"
    found = pd.read_csv(path)
    assert found.columns.tolist() == ["expnum", "tag", "reviewer", "at"]
    assert found[["expnum", "tag"]].values.tolist() == [[5, 'say "x"'], [4, "discuss"]]
    export_tags(store.read(), tmp_path / "tags.json")
    assert [row["tag"] for row in json.loads((tmp_path / "tags.json").read_text())] == ['say "x"', "discuss"]
    with pytest.raises(InputError, match=r"ending '.xlsx' is not known; allowed: .csv, .json"):
        export_tags(store.read(), tmp_path / "tags.xlsx")
