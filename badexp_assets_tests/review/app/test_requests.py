"""What the app answers to requests, without a browser."""

import asyncio
import json
import re
import threading
from dataclasses import replace

import pandas as pd
import pytest
from click.testing import CliRunner
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.routing import Mount, Route
from starlette.testclient import TestClient

from badexp_assets.commands.cli import badexp
from badexp_assets.config.settings import load_settings
from badexp_assets.errors import InputError
from badexp_assets.io.parquet import write_table
from badexp_assets.io.parquet_reading import read_table
from badexp_assets.io.schemas import SCHEMAS
from badexp_assets.review.accounts import Reviewers
from badexp_assets.review.app.security import SECONDS, TRIES, Throttle, read_body
from badexp_assets.review.app.server import make_app
from badexp_assets.review.store import VerdictStore
from badexp_assets_tests.homes import remove
from badexp_assets_tests.waiting import LONGEST_WAIT

FIRST, N, OTHER = 1001, 34, 2001
HOST = "http://127.0.0.1"
CCD = 28


@pytest.fixture
def app(settings):
    return make_app(settings)


@pytest.fixture
def client(app):
    return TestClient(app, base_url=HOST, follow_redirects=False)


def log_in(app, settings, name="ann") -> TestClient:
    token = Reviewers(settings.verdicts).add(name)
    client = TestClient(app, base_url=HOST, follow_redirects=False)
    response = client.post("/login", data={"token": token})
    assert response.status_code == 303, response.text
    client.headers["x-csrf-token"] = re.search(r'name="csrf" content="([^"]+)"', client.get("/").text)[1]
    return client


@pytest.fixture
def ann(app, settings):
    return log_in(app, settings)


def one(**more):
    return {"key": "key-00000001", "expnum": FIRST, "verdict": "bad", "category": "psf"} | more


def send(client, *answers, **more):
    return client.post("/api/answers", json={"answers": list(answers)}, **more)


def every_route(routes, before=""):
    for route in routes:
        if isinstance(route, Mount):
            yield from every_route(route.routes or [], before + route.path)
        elif isinstance(route, Route):
            path = (before + route.path).replace("{expnum:int}", str(FIRST)).replace("{ccdnum:int}", str(CCD))
            for method in sorted(route.methods):
                yield method, path


@pytest.mark.slow
def test_without_a_session_no_route_gives_anything_but_the_login_page(app, client, settings):
    Reviewers(settings.verdicts).add("ann")
    routes = list(every_route(app.routes))
    assert len(routes) > 20
    assert client.post("/login", data={"token": "wrong"}).status_code == 401
    for cookie in (None, "badexp_session=wrong", "badexp_session="):
        headers = {"cookie": cookie} if cookie else {}
        for method, path in routes:
            if path == "/login":
                continue
            response = client.request(method, path, headers=headers)
            assert response.status_code == 401, (method, path)
            assert method == "HEAD" or response.json() == {"error": "log in first"}
            page = client.request(method, path, headers=headers | {"accept": "text/html"})
            assert page.status_code in (303, 401), (method, path)
            assert page.headers.get("location", "/login").startswith("/login")
    assert not (settings.home.pictures).exists()


def test_what_a_reviewer_may_see_is_gone_with_the_token_and_with_the_session(app, ann, settings):
    assert ann.get("/api/candidates").status_code == 200
    cookie = ann.cookies["badexp_session"]
    assert ann.post("/logout").status_code == 200
    assert ann.get("/api/candidates", headers={"cookie": f"badexp_session={cookie}"}).status_code == 401
    bob = log_in(app, settings, "bob")
    Reviewers(settings.verdicts).remove("bob")
    assert bob.get("/api/candidates").status_code == 401


def test_the_cookie_is_out_of_reach_of_scripts_and_of_other_sites(client, settings):
    token = Reviewers(settings.verdicts).add("ann")
    cookie = client.post("/login", data={"token": token, "next": "/gallery"}).headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert "secure" not in cookie
    proxied = TestClient(client.app, base_url="https://127.0.0.1", follow_redirects=False)
    assert "secure" in proxied.post("/login", data={"token": token}).headers["set-cookie"].lower()


@pytest.mark.parametrize(
    "target", ["https://evil.example", "//evil.example", "/\\evil", "/logout", "/picture/1001/mosaic"]
)
def test_a_login_leads_to_pages_of_the_app_only(client, settings, target):
    token = Reviewers(settings.verdicts).add("ann")
    assert client.post("/login", data={"token": token, "next": target}).headers["location"] == "/"
    ours = client.post("/login", data={"token": token, "next": "/exposure/7"})
    assert ours.headers["location"] == "/exposure/7"


def test_a_link_from_another_site_is_asked_for_again_so_that_the_cookie_comes_with_it(ann, client):
    headers = {"accept": "text/html", "sec-fetch-site": "cross-site"}
    asked = client.get(f"/exposure/{FIRST}", headers=headers)
    assert asked.status_code == 200
    assert 'http-equiv="refresh"' in asked.text
    assert str(FIRST) not in asked.text
    assert client.get(f"/exposure/{FIRST}", headers=headers | {"sec-fetch-site": "same-origin"}).status_code == 303
    assert client.get(f"/api/exposure/{FIRST}", headers={"sec-fetch-site": "cross-site"}).status_code == 401
    assert f'data-expnum="{FIRST}"' in ann.get(f"/exposure/{FIRST}", headers=headers).text


def test_a_change_needs_the_csrf_token_of_this_session_and_an_origin_that_is_ours(app, ann, settings):
    bob = log_in(app, settings, "bob")
    for headers in (
        {"x-csrf-token": ""},
        {"x-csrf-token": bob.headers["x-csrf-token"]},
        {"origin": "http://evil.example"},
    ):
        assert send(ann, one(), headers=headers).status_code == 403
    assert send(ann, one(), headers={"origin": "null"}).status_code == 403
    assert VerdictStore(settings.verdicts).read().empty
    assert send(ann, one(), headers={"origin": HOST}).status_code == 201


def test_another_host_name_is_refused_unless_it_was_given(app, settings):
    for host, status in (("http://evil.example", 400), ("http://localhost", 200)):
        assert TestClient(app, base_url=host).get("/login").status_code == status
    named = make_app(settings, ["review.example.org"])
    assert TestClient(named, base_url="http://review.example.org").get("/login").status_code == 200


def test_every_response_has_the_headers_that_browsers_are_told_limits_by(ann):
    paths = ("/login", "/", "/static/core.js", f"/picture/{FIRST}/mosaic", "/api/candidates", "/nowhere")
    for response in map(ann.get, paths):
        assert "default-src 'none'" in response.headers["content-security-policy"]
        assert "unsafe" not in response.headers["content-security-policy"]
        assert response.headers["x-content-type-options"] == "nosniff"
        assert response.headers["x-frame-options"] == "DENY"
        assert "public" not in response.headers.get("cache-control", "")


def test_wrong_tokens_are_refused_for_a_while(client, settings):
    token = Reviewers(settings.verdicts).add("ann")
    for _ in range(TRIES):
        assert client.post("/login", data={"token": "wrong"}).status_code == 401
    response = client.post("/login", data={"token": token})
    assert response.status_code == 429
    assert 0 < int(response.headers["retry-after"]) <= SECONDS


def test_an_address_may_try_again_when_its_wrong_tokens_are_old():
    now = [0.0]
    throttle = Throttle(lambda: now[0])
    for _ in range(TRIES):
        assert throttle.wait("a") == 0
        throttle.wrong("a")
    assert throttle.wait("a") == SECONDS
    assert throttle.wait("b") == 0
    now[0] = SECONDS + 1
    assert throttle.wait("a") == 0


def test_an_answer_stores_who_what_and_what_was_shown(ann, settings):
    shown = {"view": "exposure", "p_bad": 0.8, "z_mse": None}
    sent = one(ccdnum=CCD, comment=" <script>alert(1)</script> ", plver="V5.6S", model="m1", shown=shown)
    response = send(ann, sent | {"expnum": FIRST})
    assert response.status_code == 201, response.text
    row = VerdictStore(settings.verdicts).read().iloc[0]
    assert row[["expnum", "ccdnum", "reviewer", "verdict", "category"]].tolist() == [FIRST, CCD, "ann", "bad", "psf"]
    assert row["comment"] == "<script>alert(1)</script>"
    assert row[["plver", "model"]].tolist() == ["V5.6S", "m1"]
    assert json.loads(row["shown"]) == shown


def test_an_answer_that_is_sent_again_is_there_once(ann, settings):
    first, again = send(ann, one()).json(), send(ann, one()).json()
    assert first["ids"] == again["ids"]
    assert len(VerdictStore(settings.verdicts).read()) == 1


@pytest.mark.parametrize(
    ("change", "status", "words"),
    [
        ({"expnum": 77}, 404, "exposure 77 is not in this home"),
        ({"expnum": 0}, 422, "expnum is 0"),
        ({"expnum": "1001"}, 422, "expnum is '1001'"),
        ({"expnum": 10**30}, 422, "expnum is 1000"),
        ({"ccdnum": 62}, 422, "has no CCD 62"),
        ({"ccdnum": True}, 422, "ccdnum is True"),
        ({"category": "ugly"}, 422, "category is 'ugly'; allowed: saturated"),
        ({"category": ["psf"]}, 422, "category is"),
        ({"verdict": "good"}, 422, "verdict is 'good'; allowed: bad, fine, unsure"),
        ({"verdict": {}}, 422, "verdict is {}"),
        ({"verdict": "fine"}, 422, "`fine` has no category"),
        ({"key": "short"}, 422, "key: 8 to 80"),
        ({"comment": "x" * 2001}, 422, "comment: text of at most 2000"),
        ({"comment": 3}, 422, "comment"),
        ({"shown": {"a": {}}}, 422, "shown"),
        ({"shown": {"a": "x" * 5000}}, 422, "shown"),
        ({"reviewer": "bob"}, 422, "unknown name"),
    ],
)
def test_an_answer_that_is_none_is_refused_in_words_and_nothing_of_its_batch_is_stored(
    ann, settings, change, status, words
):
    response = send(ann, one(key="key-of-a-right-one"), one() | change)
    assert response.status_code == status
    assert words in response.json()["error"]
    assert "answer 2 of 2" in response.json()["error"]
    assert VerdictStore(settings.verdicts).read().empty


@pytest.mark.parametrize("body", [b"", b"[]", b'{"answers": []}', b'{"answers": 3}', b"{", b"[" * 100_000, b"\xff"])
def test_a_body_that_holds_no_answers_is_refused(ann, body):
    response = ann.post("/api/answers", content=body, headers={"content-type": "application/json"})
    assert response.status_code in (400, 422), response.text
    assert send(ann, one(), headers={"content-type": "text/plain"}).status_code == 415


def test_too_much_at_once_is_refused(ann):
    assert send(ann, *(one(key=f"key-{n:08}") for n in range(501))).status_code == 422
    assert send(ann, one(comment="x" * 2_000_000)).status_code == 413


def test_others_answers_show_only_after_ones_own(app, ann, settings):
    bob = log_in(app, settings, "bob")
    send(bob, one(comment="seen by nobody yet"))
    facts = ann.get(f"/api/exposure/{FIRST}")
    assert (facts.json()["mine"], facts.json()["others"]) == ([], [])
    assert "seen by nobody yet" not in facts.text
    assert "seen by nobody yet" not in ann.get("/api/candidates").text
    assert ann.get("/api/answers").json() == {"answers": []}
    send(ann, one(verdict="fine", category=None))
    seen = ann.get(f"/api/exposure/{FIRST}").json()
    assert [(a["reviewer"], a["verdict"], a["comment"]) for a in seen["others"]] == [
        ("bob", "bad", "seen by nobody yet")
    ]
    [number] = [a["id"] for a in seen["mine"]]
    assert ann.post("/api/retractions", json={"ids": [number]}).status_code == 200
    assert ann.get(f"/api/exposure/{FIRST}").json()["others"] == []


def test_one_takes_back_ones_own_answers_only(app, ann, settings):
    bob = log_in(app, settings, "bob")
    [number] = send(ann, one()).json()["ids"].values()
    assert bob.post("/api/retractions", json={"ids": [number]}).status_code == 404
    for ids in ([], ["1"], [True], [0], [2**70], 3, None):
        assert ann.post("/api/retractions", json={"ids": ids}).status_code == 422
    assert len(VerdictStore(settings.verdicts).read()) == 1
    for _ in range(2):
        assert ann.post("/api/retractions", json={"ids": [number]}).status_code == 200
    assert VerdictStore(settings.verdicts).read().empty


def test_the_list_says_what_is_open_mine_and_how_far_the_review_is(ann):
    send(ann, one())
    found = ann.get("/api/candidates").json()
    assert [row["expnum"] for row in found["candidates"]] == list(range(FIRST, FIRST + N))
    assert found["candidates"][0]["mine"] == "bad"
    assert not found["candidates"][0]["open"]
    assert found["progress"] == {"candidates": N, "mine": 1, "answered": 1, "complete": 0, "open": N - 1}
    assert ann.get("/api/candidates?order=night").json()["candidates"][0]["night"] == "2018-05-17"
    assert ann.get("/api/candidates?order=best").status_code == 422


def test_as_many_are_asked_as_the_consensus_rule_of_the_home_needs(settings):
    path = settings.home.root / "settings.toml"
    path.write_text(path.read_text() + "[consensus]\nmin_bad = 3\n")
    settings = load_settings(settings.home.root)
    app = make_app(settings)

    def is_open(reviewer):
        rows = reviewer.get("/api/candidates").json()["candidates"]
        return next(row["open"] for row in rows if row["expnum"] == FIRST)

    reviewers = [log_in(app, settings, name) for name in ("ann", "ben", "cid", "dan")]
    for reviewer in reviewers[:3]:
        assert is_open(reviewer)
        assert send(reviewer, one()).status_code == 201
    assert not is_open(reviewers[3])


def test_the_facts_of_an_exposure_hold_what_the_tables_say(ann):
    facts = ann.get(f"/api/exposure/{FIRST}").json()
    assert (facts["rank"], facts["plver"], facts["model"]) == (1, "V5.6S", "m1")
    assert facts["scores"]["z_source"] == 7.5
    assert facts["survey"]["cuts"] == {"badexp_file": 1, "seeing_bad": 1}
    assert facts["header"]["seeing"] == pytest.approx(4.5 * 0.263, rel=0.01)
    ccds = {ccd["ccdnum"]: ccd for ccd in facts["plane"]["ccds"]}
    assert ccds[CCD]["name"] == "S4"
    assert ccds[CCD]["p_bad"] == pytest.approx(0.95)
    assert ccds[CCD]["cuts"] == ["badexp_file", "seeing_bad"]
    for ccd in ccds.values():
        assert 0 <= ccd["x"] <= facts["plane"]["width"] - ccd["width"]
        assert 0 <= ccd["y"] <= facts["plane"]["height"] - ccd["height"]
    [explained] = facts["explanations"]
    assert explained["examples"][0]["expnum"] == OTHER


def test_an_exposure_that_is_no_candidate_can_be_looked_at_and_answered(ann):
    facts = ann.get(f"/api/exposure/{OTHER}").json()
    assert facts["rank"] is None
    assert facts["night"] == "2018-05-17"
    assert ann.get(f"/exposure/{OTHER}").status_code == 200
    assert send(ann, one(expnum=OTHER)).status_code == 201


def test_unknown_exposures_and_ccds_are_refused_in_words(ann):
    for path in ("/api/exposure/77", "/picture/77/mosaic", "/picture/77/ccd/28", f"/api/exposure/{10**30}"):
        response = ann.get(path)
        assert response.status_code == 404
        assert "is not in this home" in response.json()["error"]
    assert "is not in this home" in ann.get("/exposure/77", headers={"accept": "text/html"}).text
    for ccdnum in (62, 0, 999, 10**9):
        response = ann.get(f"/picture/{FIRST}/ccd/{ccdnum}")
        assert response.status_code == 404
        assert "no such CCD" in response.json()["error"]
    assert ann.get(f"/picture/{FIRST}/ccd/28?stretch=../x").status_code == 422


def test_every_picture_is_there_and_is_not_sent_again_unless_it_has_changed(ann):
    base = f"/picture/{FIRST}"
    for path in (
        "mosaic",
        "small",
        "whiskers",
        "ccd/28",
        "ccd/28?stretch=deep",
        "ccd/28/small",
        "ccd/28/mask",
        "ccd/28/map",
    ):
        response = ann.get(f"{base}/{path}")
        assert response.status_code == 200, (path, response.text)
        assert response.headers["content-type"] in ("image/png", "image/jpeg")
        again = ann.get(f"{base}/{path}", headers={"if-none-match": response.headers["etag"]})
        assert again.status_code == 304
    assert ann.get(f"/picture/{FIRST + 1}/ccd/28/map").status_code == 404


def test_a_home_without_candidates_says_so(settings, app, ann):
    remove(settings.home.table("review_candidates"))
    response = ann.get("/api/candidates")
    assert response.status_code == 422
    assert "no candidates in this home yet" in response.json()["error"]
    assert ann.get(f"/api/exposure/{FIRST}").status_code == 200


def test_an_exposure_of_which_little_is_known_is_shown_with_what_there_is(settings, ann):
    home = settings.home
    for asset in set(SCHEMAS) - {"night_exposures", "review_candidates"}:
        for path in (home.table(asset), *(home.table(asset, night) for night in home.nights(asset))):
            if path.exists():
                remove(path)
    facts = ann.get(f"/api/exposure/{FIRST}").json()
    assert (facts["rank"], facts["model"], facts["survey"], facts["explanations"]) == (1, None, None, [])
    assert not facts["has_mosaic"]
    assert not facts["has_whiskers"]
    assert len(facts["plane"]["ccds"]) == 62
    for path in ("mosaic", "small", "whiskers", "ccd/28/map"):
        assert ann.get(f"/picture/{FIRST}/{path}").status_code == 404
    assert ann.get(f"/picture/{FIRST}/ccd/28").status_code == 200
    assert ann.get("/gallery").status_code == 200
    assert send(ann, one(ccdnum=CCD)).status_code == 201


def test_without_an_archive_all_but_the_pixels_can_be_seen(settings):
    there = replace(settings, archive=None)
    client = log_in(make_app(there), there)
    assert client.get(f"/picture/{FIRST}/mosaic").status_code == 200
    response = client.get(f"/picture/{FIRST}/ccd/28")
    assert response.status_code == 404
    assert "this home has no archive" in response.json()["error"]


def test_another_interface_needs_the_name_that_browsers_will_use(settings):
    words = ["review", "serve", "--home", str(settings.home.root), "--host", "0.0.0.0"]
    result = CliRunner().invoke(badexp, words)
    assert isinstance(result.exception, InputError)
    assert "--name" in str(result.exception)


def test_a_table_that_is_written_again_is_read_again(settings, ann):
    assert len(ann.get("/api/candidates").json()["candidates"]) == N
    path = settings.home.table("review_candidates")
    write_table(read_table(path).head(5), path, SCHEMAS["review_candidates"])
    assert len(ann.get("/api/candidates").json()["candidates"]) == 5


def test_examples_and_words_of_every_category_are_on_the_gallery_page(ann):
    page = ann.get("/gallery").text
    assert f'href="/exposure/{OTHER}"' in page
    assert "&lt;i&gt;psf&lt;/i&gt;" in page
    assert "This home has no labelled exposure of this category" in page
    assert page.count('<section class="category"') == 25


def tamper(settings, **columns):
    path = settings.home.table("night_exposures", "2018-05-18")
    write_table(pd.DataFrame(read_table(path)).assign(**columns), path, SCHEMAS["night_exposures"])


@pytest.mark.parametrize("product", ["path", "ood"])
@pytest.mark.parametrize("kind", ["parent", "absolute", "link", "linked folder", "null byte", "folder"])
def test_nothing_outside_of_the_archive_is_ever_read(settings, ann, product, kind, tmp_path):
    inside = tmp_path / "archive"
    secret = tmp_path / "secret"
    secret.mkdir()
    found = next(inside.rglob("*_ooi_*"))
    (secret / "x.fits.fz").write_bytes(found.read_bytes())
    (inside / "link.fits.fz").symlink_to(secret / "x.fits.fz")
    (inside / "linked").symlink_to(secret)
    path = {
        "parent": "../secret/x.fits.fz",
        "absolute": str(secret / "x.fits.fz"),
        "link": "link.fits.fz",
        "linked folder": "linked/x.fits.fz",
        "null byte": "a\x00b",
        "folder": "decam",
    }[kind]
    tamper(settings, **{product: path})
    picture = "ccd/28" if product == "path" else "ccd/28/mask"
    response = ann.get(f"/picture/{FIRST}/{picture}")
    assert response.status_code == 404
    assert re.search("not a file inside the archive|not in the archive", response.json()["error"])


@pytest.mark.parametrize("path", ["..%2f..%2fdesk.py", "%2e%2e/desk.py", "../desk.py", "..\\desk.py", "core.js%00"])
def test_static_files_are_those_of_the_app_only(client, path):
    response = client.get(f"/static/{path}")
    assert response.status_code in (401, 404)
    assert "AppState" not in response.text


def test_a_request_that_is_cancelled_as_the_server_stops_is_answered_and_raises_nothing(app, ann, monkeypatch):
    decoding, stopped, sent = threading.Event(), threading.Event(), []

    def decode(*_):
        decoding.set()
        assert stopped.wait(LONGEST_WAIT)
        return b"", "image/jpeg"

    async def send(message):
        sent.append(message)

    async def receive():
        return {"type": "http.request"}

    async def stop_while_decoding():
        cookie = f"badexp_session={ann.cookies['badexp_session']}".encode()
        scope = {"type": "http", "method": "GET", "path": f"/picture/{FIRST}/ccd/{CCD}", "root_path": ""}
        scope |= {"query_string": b"", "headers": [(b"host", b"127.0.0.1"), (b"cookie", cookie)]}
        request = asyncio.create_task(app(scope, receive, send))
        assert await asyncio.to_thread(decoding.wait, LONGEST_WAIT)
        request.cancel()
        await request
        stopped.set()

    monkeypatch.setattr("badexp_assets.review.app.pictures.Pictures.ccd", decode)
    asyncio.run(stop_while_decoding())
    assert [message.get("status") for message in sent] == [503, None]
    assert json.loads(sent[1]["body"]) == {"error": "the server is being stopped"}


def test_exposures_of_a_queue_come_after_the_candidates_if_they_are_none(ann, app, settings):
    first = ann.get(f"/api/candidates?expnums={OTHER},{FIRST},{OTHER},9999999").json()
    rows = first["candidates"]
    assert len(rows) == N + 1
    assert first["progress"]["candidates"] == N
    assert rows[-1] | {"beside": True, "expnum": OTHER, "why": "", "mine": None, "open": True, "rank": None} == rows[-1]
    assert (rows[-1]["plver"], rows[-1]["night"], rows[-1]["p_bad"]) == ("V5.6S", "2018-05-17", pytest.approx(0.8))
    assert not any(row.get("beside") for row in rows[:-1])
    send(ann, one(expnum=OTHER))
    again = ann.get(f"/api/candidates?expnums={OTHER}&scores=hidden").json()["candidates"][-1]
    assert (again["mine"], again["open"], again["p_bad"]) == ("bad", False, pytest.approx(0.8))
    hidden = log_in(app, settings, "ben").get(f"/api/candidates?expnums={OTHER}&scores=hidden").json()["candidates"][-1]
    assert (hidden["mine"], hidden["p_bad"], hidden["category"]) == (None, None, None)


@pytest.mark.parametrize("numbers", ["", "1,x", "-1", ",".join(["1"] * 301), "1" * 17])
def test_a_wrong_queue_is_refused(ann, numbers):
    assert ann.get(f"/api/candidates?expnums={numbers}").status_code == 422


def test_half_a_character_in_a_comment_keeps_no_answer_from_being_stored(ann):
    sent = json.dumps({"answers": [one(comment="cut \ud83d", model="\udfff")]})
    response = ann.post("/api/answers", content=sent, headers={"content-type": "application/json"})
    assert response.status_code == 201
    assert ann.get("/api/answers").json()["answers"][0]["comment"] == "cut ?"


def test_a_retraction_tells_what_is_the_answer_then(ann, settings):
    ids = [
        *send(ann, one(), one(key="key-00000002", expnum=OTHER, verdict="unsure")).json()["ids"].values(),
        *send(ann, one(key="key-00000003", verdict="fine", category=None)).json()["ids"].values(),
        *send(ann, one(key="key-00000004", plver="V1")).json()["ids"].values(),  # of another version
    ]
    assert ann.post("/api/retractions", json={"ids": ids[3:]}).json() == {"mine": {str(FIRST): "fine"}}
    assert ann.post("/api/retractions", json={"ids": [ids[2]]}).json() == {"mine": {str(FIRST): "bad"}}
    assert ann.post("/api/retractions", json={"ids": ids[:2]}).json() == {"mine": {str(FIRST): None, str(OTHER): None}}


def test_a_request_that_is_cut_off_when_its_page_is_left_is_no_error_of_the_server():
    async def receive():
        return {"type": "http.disconnect"}

    with pytest.raises(HTTPException, match="cut off"):
        asyncio.run(read_body(Request({"type": "http", "method": "POST", "headers": []}, receive), 100))
