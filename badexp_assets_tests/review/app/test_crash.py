"""A server that is killed while many reviewers answer."""

import http.client
import json
import os
import re
import signal
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from http.cookiejar import CookieJar

import pytest

from badexp_assets.review.store import VerdictStore
from badexp_assets_tests.waiting import LONGEST_WAIT

pytestmark = pytest.mark.slow

FIRST, N = 1001, 34
REVIEWERS = 20
ANSWERS = int(os.environ.get("BADEXP_CRASH_ANSWERS", "60"))  # of each reviewer


class Reviewer(threading.Thread):
    """Posts answers one after the other, each until it is acknowledged, as the page does."""

    def __init__(self, server, name: str) -> None:
        super().__init__(name=name, daemon=True)
        self.url, self.acknowledged, self.retries = server.url, {}, 0
        self.opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(CookieJar()))
        form = urllib.parse.urlencode({"token": server.token(name)}).encode()
        with self.opener.open(f"{self.url}/login", form, timeout=LONGEST_WAIT) as page:
            self.csrf = re.search(r'name="csrf" content="([^"]+)"', page.read().decode())[1]

    def run(self) -> None:
        for n in range(ANSWERS):
            key = f"{self.name}-{n:06}"
            answer = {
                "key": key,
                "expnum": FIRST + n % N,
                "verdict": ("bad", "fine", "unsure")[n % 3],
                "plver": "V5.6S",
            }
            body = json.dumps({"answers": [answer]}).encode()
            headers = {"content-type": "application/json", "x-csrf-token": self.csrf}
            while key not in self.acknowledged:
                try:
                    request = urllib.request.Request(f"{self.url}/api/answers", body, headers)
                    with self.opener.open(request, timeout=LONGEST_WAIT) as response:
                        self.acknowledged[key] = json.load(response)["ids"][key]
                except urllib.error.HTTPError:
                    raise
                except (
                    OSError,
                    http.client.HTTPException,
                ):  # the server is gone; also when it dies between storing and saying so
                    self.retries += 1
                    time.sleep(0.05)


def test_every_acknowledged_answer_is_there_once_after_the_server_was_killed_twice(server):
    reviewers = [Reviewer(server, f"reviewer{n:02}") for n in range(REVIEWERS)]
    started = time.monotonic()
    for reviewer in reviewers:
        reviewer.start()
    for share in (0.3, 0.6):
        while sum(len(r.acknowledged) for r in reviewers) < share * REVIEWERS * ANSWERS:
            assert any(r.is_alive() for r in reviewers)
            time.sleep(0.01)
        server.kill(signal.SIGKILL)
        server.start()
    for reviewer in reviewers:
        reviewer.join(timeout=600)
    retries = sum(r.retries for r in reviewers)
    print(f"{REVIEWERS} x {ANSWERS} answers in {time.monotonic() - started:.1f} s, {retries} retries")
    assert retries > 0
    found = VerdictStore(server.settings.verdicts).read_with_ids()
    assert len(found) == REVIEWERS * ANSWERS
    counts = found.groupby("reviewer").size()
    assert (counts == ANSWERS).all()
    for reviewer in reviewers:
        own = found[found["reviewer"] == reviewer.name]
        assert sorted(own["id"]) == sorted(reviewer.acknowledged.values())
