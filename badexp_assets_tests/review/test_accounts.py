import sqlite3

import pytest

from badexp_assets.errors import InputError
from badexp_assets.review.accounts import SESSION_HOURS, Reviewers


class Clock:
    now = 1_000_000.0

    def __call__(self):
        return self.now


@pytest.fixture
def reviewers(tmp_path):
    return Reviewers(tmp_path / "v.sqlite", Clock())


def test_a_token_opens_a_session_of_its_reviewer_and_of_nobody_else(reviewers):
    tokens = {name: reviewers.add(name) for name in ("ann", "bob")}
    assert tokens["ann"] != tokens["bob"]
    session = reviewers.open(tokens["bob"])
    assert session.reviewer == "bob"
    assert reviewers.session(session.id) == session
    assert reviewers.names() == ["ann", "bob"]


@pytest.mark.parametrize("token", ["", "x", "' OR 1=1 --"])
def test_a_wrong_token_opens_nothing(reviewers, token):
    reviewers.add("ann")
    assert reviewers.open(token) is None
    assert reviewers.session(token) is None


def test_nobody_is_let_in_where_nobody_was_added(reviewers):
    assert reviewers.open("") is None
    assert reviewers.session(None) is None
    assert not reviewers.database.path.exists()


def test_a_session_ends_after_its_hours_and_when_it_is_closed(reviewers):
    token = reviewers.add("ann")
    first, second = reviewers.open(token), reviewers.open(token)
    reviewers.close(first)
    assert reviewers.session(first.id) is None
    assert reviewers.session(second.id) is not None
    reviewers._clock.now += SESSION_HOURS * 3600
    assert reviewers.session(second.id) is None


def test_a_new_token_and_a_removal_end_the_old_token_and_its_sessions(reviewers):
    old = reviewers.add("ann")
    session = reviewers.open(old)
    new = reviewers.add("ann")
    assert reviewers.open(old) is None
    assert reviewers.session(session.id) is None
    session = reviewers.open(new)
    reviewers.remove("ann")
    assert reviewers.session(session.id) is None
    assert reviewers.open(new) is None
    with pytest.raises(InputError, match="'ann': not known; reviewers are none"):
        reviewers.remove("ann")


def test_the_csrf_token_is_the_sessions_own(reviewers):
    token = reviewers.add("ann")
    one, two = reviewers.open(token), reviewers.open(token)
    assert one.allows(one.csrf)
    assert not one.allows(two.csrf)
    assert not one.allows(None)
    assert not one.allows("")


def test_neither_tokens_nor_session_ids_are_stored(reviewers):
    token = reviewers.add("ann")
    session = reviewers.open(token)
    connection = sqlite3.connect(reviewers.database.path)
    dump = "\n".join(connection.iterdump())
    connection.close()
    assert "ann" in dump
    assert token not in dump
    assert session.id not in dump


@pytest.mark.parametrize("name", ["", " ann", "a" * 61, "<b>", "simulated-1", "a\nb", "../x"])
def test_a_name_that_is_not_allowed_is_refused(reviewers, name):
    with pytest.raises(InputError, match="reviewer"):
        reviewers.add(name)


def test_a_known_name_in_another_spelling_is_refused(reviewers):
    reviewers.add("ann lee")
    with pytest.raises(InputError, match="another spelling of 'ann lee'"):
        reviewers.add("Ann  Lee")
    reviewers.add("ann lee")
