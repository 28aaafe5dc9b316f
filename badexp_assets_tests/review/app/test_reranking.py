"""Learned orders and hidden scores, as the app answers requests for them."""

import threading
import time

import numpy as np
import pandas as pd
import pytest

from badexp_assets.config.settings import load_settings
from badexp_assets.io.parquet import write_table
from badexp_assets.io.parquet_reading import read_table
from badexp_assets.io.schemas import SCHEMAS
from badexp_assets.review.app.server import make_app
from badexp_assets.review.learned_ranking import LearnedRanking
from badexp_assets.review.store import VerdictStore
from badexp_assets_tests.review.app.conftest import FIRST, NIGHTS, N
from badexp_assets_tests.review.app.test_requests import log_in
from badexp_assets_tests.waiting import LONGEST_WAIT

ODD_ONE = 7  # each seventh exposure has an embedding unlike the others'


@pytest.fixture
def settings(settings):
    for night in NIGHTS:
        expnums = [e for e in range(FIRST, FIRST + N) if NIGHTS[e % 2] == night]
        rng = np.random.default_rng(0)
        vectors = [rng.normal(0, 0.1, 8).astype(np.float32) + 3 * (e % ODD_ONE == 0) for e in expnums]
        rows = {"expnum": expnums, "n_ccds": 4, "backbone": "b", "recipe": "r", "embedding": vectors}
        asset = "night_mosaic_embeddings"
        write_table(pd.DataFrame(rows), settings.home.table(asset, night), SCHEMAS[asset])
    return settings


def client_of(settings, name="ann", app=None, **options):
    path = settings.home.root / "settings.toml"
    lines = [f"{key} = {str(value).lower()}" for key, value in options.items()]
    path.write_text("\n".join([f'archive = "{settings.archive}"', "[review]", *lines]))
    settings = load_settings(settings.home.root)
    return log_in(app or make_app(settings), settings, name)


def listed(client, order="learned"):
    found = client.get(f"/api/candidates?order={order}").json()
    deadline = time.monotonic() + LONGEST_WAIT
    while found["learning"]["state"] == "preparing":
        assert order_of(found) == sorted(order_of(found))  # by rank meanwhile
        assert time.monotonic() < deadline
        time.sleep(0.02)
        found = client.get(f"/api/candidates?order={order}").json()
    return found


def order_of(found):
    return [row["expnum"] for row in found["candidates"]]


def say(settings, *rows):
    """Store answers: (expnum, reviewer, verdict)."""
    VerdictStore(settings.verdicts).add(pd.DataFrame(rows, columns=["expnum", "reviewer", "verdict"]))


def test_without_answers_a_learned_order_is_that_of_the_ranks(settings):
    client = client_of(settings)
    for order in ("learned", "uncertain", "diverse"):
        found = listed(client, order)
        assert found["learning"] == {"state": "ready", "n_answers": 0, "refit_after": 10}
        assert sorted(order_of(found)) == list(range(FIRST, FIRST + N))
    assert order_of(listed(client)) == list(range(FIRST, FIRST + N))
    assert client.get("/api/candidates?order=rank").json()["learning"] is None


def test_candidates_are_ranked_again_after_enough_answers_or_at_once_on_request(settings):
    client = client_of(settings, refit_after=4)
    first = listed(client)
    assert first["learning"]["state"] == "ready"
    by_rank = order_of(first)
    odd = [e for e in by_rank if e % ODD_ONE == 0]
    say(settings, (odd[0], "ben", "bad"), (odd[1], "ben", "bad"), (FIRST + 1, "ben", "fine"))
    assert order_of(listed(client)) == by_rank
    again = client.post("/api/rerank", json={"order": "learned"}).json()
    assert again["learning"]["n_answers"] == 3
    assert set(order_of(again)[:4]) >= set(odd[2:4])
    say(settings, *((FIRST + n, "ben", "fine") for n in (2, 3, 4)))
    assert listed(client)["learning"]["n_answers"] == 3
    say(settings, (odd[2], "ben", "fine"))
    assert listed(client)["learning"]["n_answers"] == 7


def test_nobody_waits_while_the_answers_of_others_are_learned_from(settings, monkeypatch):
    client = client_of(settings, refit_after=1)
    reranking = client.app.state.app_state.candidates.reranking
    before = order_of(listed(client))
    say(settings, (before[5], "ben", "bad"))
    fitting, go_on, fit = threading.Event(), threading.Event(), LearnedRanking.fit

    def slow(*args, **options):
        fitting.set()
        assert go_on.wait(LONGEST_WAIT)
        return fit(*args, **options)

    monkeypatch.setattr(LearnedRanking, "fit", slow)
    ben = threading.Thread(target=lambda: listed(client))
    ben.start()
    assert fitting.wait(LONGEST_WAIT)
    assert listed(client)["learning"] == {"state": "ready", "n_answers": 0, "refit_after": 1}
    go_on.set()
    ben.join(LONGEST_WAIT)
    monkeypatch.undo()
    assert reranking.status(reranking._learned)["n_answers"] == 1


def test_new_candidates_are_learned_about_too(settings):
    client = client_of(settings)
    listed(client)
    path = settings.home.table("review_candidates")
    write_table(read_table(path).iloc[:20], path, SCHEMAS["review_candidates"])
    assert len(order_of(listed(client))) == 20


def test_the_list_shows_nothing_of_what_others_answered_on_a_candidate(settings):
    client = client_of(settings, refit_after=1)
    listed(client)
    rows = []
    for verdict in ("bad", "fine"):
        say(settings, (FIRST + 5, "ben", verdict))
        found = listed(client)
        rows.append(next(row for row in found["candidates"] if row["expnum"] == FIRST + 5))
        assert "ben" not in str(found)
    assert rows[0] == rows[1]
    assert rows[0]["mine"] is None
    assert rows[0]["open"]


def test_a_table_that_cannot_be_read_leaves_the_order_of_ranks_and_says_why(settings):
    settings.home.table("night_mosaic_embeddings", NIGHTS[0]).write_bytes(b"no table")
    found = listed(client_of(settings))
    assert "not a readable Parquet file" in found["learning"]["state"]
    assert order_of(found) == list(range(FIRST, FIRST + N))


@pytest.mark.parametrize("body", [{}, {"order": 1}, [], {"order": "best"}])
def test_wrong_requests_to_rank_again_are_refused(settings, body):
    assert client_of(settings).post("/api/rerank", json=body).status_code == 422


@pytest.mark.parametrize("by_settings", [True, False])
def test_scores_are_hidden_until_the_reviewer_has_answered(settings, by_settings):
    client = client_of(settings, hide_scores=by_settings)
    query = "" if by_settings else "?scores=hidden"
    say(settings, (FIRST + 1, "ann", "bad"), (FIRST, "ben", "bad"))

    def seen(expnum):
        facts = client.get(f"/api/exposure/{expnum}{query}").json()
        rows = client.get(f"/api/candidates{query}").json()["candidates"]
        return facts, next(row for row in rows if row["expnum"] == expnum)

    facts, row = seen(FIRST)
    assert facts["hidden"]
    assert {facts["rank"], facts["why"], facts["category"], *facts["scores"].values()} == {None}
    assert {ccd["p_bad"] for ccd in facts["plane"]["ccds"]} == {None}
    assert facts["explanations"] == facts["others"] == []
    assert facts["header"]["exptime"] == 90.0
    assert [row[name] for name in ("category", "p_bad", "rank", "why")] == [None, None, None, ""]
    facts, row = seen(FIRST + 1)
    assert "hidden" not in facts
    assert facts["scores"]["p_bad"] == row["p_bad"] == pytest.approx(0.8)
    night = client.get(f"/api/exposure/{FIRST}/surroundings{query}").json()["night"]
    assert len(night) > 2
    assert [row["expnum"] for row in night if row["p_bad"] is not None] == [FIRST + 1] * (night[0]["expnum"] % 2 == 0)
    if not by_settings:
        assert client.get(f"/api/exposure/{FIRST}").json()["rank"] == 1
