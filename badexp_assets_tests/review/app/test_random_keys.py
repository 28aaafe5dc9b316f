"""Random keys and clicks of two reviewers: what is stored is what was on screen and selected when it was given."""

import contextlib
import os
import random
import time
from collections.abc import Iterator

import numpy as np
import pandas as pd
import pytest

from badexp_assets.io.parquet import write_table
from badexp_assets.io.schemas import SCHEMAS
from badexp_assets.review.store import VerdictStore
from badexp_assets.review.tags import TagStore
from badexp_assets_tests.review.app.conftest import FIRST, NIGHTS, OTHER, N
from badexp_assets_tests.review.app.screen_model import RECORD, TAKE, Expected
from badexp_assets_tests.review.app.test_known_cases_in_queue import BAD, GOOD, add_known_exposures
from badexp_assets_tests.waiting import LONGEST_WAIT

pytestmark = pytest.mark.slow

STEPS = int(os.environ.get("BADEXP_RANDOM_KEYS", "120"))  # keys and clicks
SEED = int(os.environ.get("BADEXP_RANDOM_SEED", "1"))
KEYS = [*"bbbffuuzzzbfuzff", *"nnppsrr", *"hjklwvo?ygraexxi", *"12357-=[]mmt0q,,", *"aA  "]
KEYS += ["Enter", "Enter", *["Escape"] * 16, "c"]  # most keys close dialogs, or else there is always one
KEYS += ["ArrowLeft", "ArrowRight", "ArrowDown", *["Shift+ArrowRight"] * 3, "Shift+ArrowDown"]
CLICKS = [
    *("#rerank", "#undo", "#next", "#previous", "#skip", "#worst", "#similar", "#tag", "#everything", "#clear"),
    *("footer [data-verdict=fine]", "footer [data-verdict=bad]", ".menu .kinds button >> nth=3", ".toast button"),
    *(".tick >> nth=2", ".tick >> nth=7", "[data-ccdnum='32']", "[data-ccdnum='35']", ".chip"),
    *("dialog.tags .tagged", "dialog.tags .tagged >> nth=-1", "dialog.tags .main", "#facts button.tagged"),
]
WORDS = ["discuss", "Satellite?", "for-paper, discuss", "<b>fuz</b>", "z"]
SELECTS = {
    "[name=state]": ["", "", "open", "mine", "none", "bad"],
    "[name=filter]": ["", "", "", "r"],
    "[name=order]": ["learned", "rank", "night", "random", "uncertain"],
}
CONDITIONS = [("tags", "text", "disc"), ("mine", "text", "fine"), ("filter", "text", "g"), ("expnum", "to", "1020")]
COLUMNS = ["expnum", "ccdnum", "verdict", "category", "comment"]
NOTHING_WAITS = "() => !Object.keys(localStorage).some(name => name.startsWith('badexp.outbox.'))"
SOON = 100  # ms in which an element must be ready to be used


@pytest.fixture
def settings(settings):
    """The home with known cases in the queue, whose candidates are ranked again all the time and look alike by kind."""
    add_known_exposures(settings.home)
    for night in NIGHTS:
        expnums = range(FIRST + (NIGHTS.index(night) != FIRST % 2), FIRST + N, 2)
        vectors = [np.eye(8, dtype=np.float32)[e % 5] + np.float32(e % 7) / 50 for e in expnums]
        rows = pd.DataFrame({"expnum": expnums, "n_ccds": 4, "backbone": "b", "recipe": "r", "embedding": vectors})
        path = settings.home.table("night_mosaic_embeddings", night)
        write_table(rows, path, SCHEMAS["night_mosaic_embeddings"])
    path = settings.home.root / "settings.toml"
    path.write_text(path.read_text() + '[review]\norder = "learned"\nrefit_after = 3\ngold_share = 0.15\n')
    return settings


def act(tab, rng: random.Random) -> str:
    """Press a random key, click on something, choose a filter or a queue, or go back; return what it was."""
    kind = rng.random()
    if kind < 0.76:
        return press(tab, rng)
    if kind < 0.93:
        return click(tab, rng.choice(CLICKS))
    if kind < 0.97:
        return explore(tab, rng)
    back = rng.random() < 0.6
    try:
        tab.evaluate("back => back ? history.back() : history.forward()", back)
    except Exception as error:  # Playwright's own: the page is left before it has answered
        if "Execution context was destroyed" not in str(error):
            raise
    return "back" if back else "forward"


def press(tab, rng: random.Random) -> str:
    key = rng.choice(KEYS)
    tab.keyboard.press(key)
    if key in "c,":  # letters that are keys, too, in a comment, a tag or wherever the focus is
        words = rng.choice(["fu ", "half", "b1"] if key == "c" else WORDS)
        tab.keyboard.type(words)
        tab.keyboard.press("Enter")
        return f"{key} {words}"
    return key


def click(tab, query: str) -> str:
    found, box = tab.locator(query).first, None
    with where_it_is_there():
        box = found.bounding_box(timeout=SOON) if found.count() else None
    if box is not None:
        tab.keyboard.down("Shift") if "ccdnum" in query else None
        tab.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        tab.keyboard.up("Shift") if "ccdnum" in query else None
    return f"click {query}"


def explore(tab, rng: random.Random) -> str:
    """Choose what the list shows; nothing happens where the page has no such element, or a dialog is over it."""
    kind = rng.choice(["select", "select", "condition", "save", "saved", "queue"])
    if kind == "queue":
        exposures = [*rng.sample(range(FIRST, FIRST + N), 4), OTHER, BAD[3], GOOD[5]]
        tab.goto(f"/#queue={','.join(map(str, exposures))}")
        tab.reload()
        return kind
    with where_it_is_there():
        if kind == "select":
            query = rng.choice(list(SELECTS))
            tab.select_option(query, rng.choice(SELECTS[query]), timeout=SOON)
        elif kind == "condition":
            column, name, value = rng.choice(CONDITIONS)
            tab.click("#condition", timeout=SOON)
            tab.select_option("dialog.conditions [name=column]", column, timeout=SOON)
            tab.fill(f"dialog.conditions [name={name}]", value, timeout=SOON)
            tab.click("dialog.conditions .main", timeout=SOON)
        elif kind == "save":
            tab.click("#save", timeout=SOON)
            tab.fill("dialog.saving [name=name]", rng.choice(["one", "two"]), timeout=SOON)
            tab.keyboard.press("Enter")
        else:
            tab.select_option("#more select", rng.choice(["one", "two"]), timeout=SOON)
        return kind
    return f"no {kind}"


@contextlib.contextmanager
def where_it_is_there() -> Iterator[None]:
    """End the block, without an error, at an element that the page does not have."""
    try:
        yield
    except Exception as error:  # Playwright's own, which can't be imported where it is not installed
        if "Timeout" not in type(error).__name__:
            raise


def ask(tab, script: str):
    """Evaluate a script, again if the page was left meanwhile."""
    deadline = time.monotonic() + LONGEST_WAIT
    while True:
        try:
            return tab.evaluate(script)
        except Exception:
            assert time.monotonic() < deadline
            tab.wait_for_load_state()


def answers_of(store: VerdictStore, reviewer: str) -> list[tuple]:
    rows = store.read_with_ids(reviewer, known=True)[COLUMNS].astype(object)
    return sorted(rows.where(rows.notna(), None).itertuples(index=False, name=None), key=repr)


def tags_of(store: TagStore, reviewer: str) -> list[tuple]:
    table = store.read()
    own = table[table["reviewer"] == reviewer]
    return sorted(own[["expnum", "tag"]].itertuples(index=False, name=None))


def test_random_keys_and_clicks_store_what_was_on_screen_and_selected(open_page, server):
    rng, store = random.Random(SEED), VerdictStore(server.settings.verdicts)
    tags = TagStore(server.settings.verdicts)
    tabs, expected, done = {}, {name: Expected() for name in ("ann", "bob")}, []
    for name in expected:
        tabs[name] = open_page(name, viewport={"width": 1280, "height": 2800})  # all candidates are in the grid
        tabs[name].add_init_script(RECORD)
        tabs[name].goto(f"/exposure/{FIRST}")
        tabs[name].wait_for_selector(f"body[data-shown='{FIRST}']")
    for step in range(STEPS):
        name = rng.choice(list(tabs))
        tab, own = tabs[name], expected[name]
        if "/exposure/" not in tab.url and tab.url.rstrip("/") != server.url:  # examples, or the login
            tab.goto(f"/exposure/{FIRST + rng.randrange(N)}")
        before = (store.state(), tags.state(), len(own.groups))
        done.append((name, act(tab, rng)))
        deadline = time.monotonic() + LONGEST_WAIT
        for seen in ask(tab, TAKE):
            own.note(seen)
        while not ask(tab, NOTHING_WAITS):
            assert time.monotonic() < deadline, "answers wait, and the server is there"
            tab.wait_for_timeout(5)
        if before != (store.state(), tags.state(), len(own.groups)):
            assert answers_of(store, name) == own.answers, f"step {step}, after {done[-12:]}"
            assert tags_of(tags, name) == own.tags, f"step {step}, after {done[-12:]}"
        if step % 500 == 499:
            print(f"{step + 1} keys and clicks", flush=True)
    for name, own in expected.items():
        assert answers_of(store, name) == own.answers
        assert tags_of(tags, name) == own.tags
        print(
            f"{name}: {own.given} answers, {own.tagged} changes of tags, at most {own.most} at once, "
            f"{own.undone} of them taken back"
        )
    stored = store.read_with_ids(known=True)
    assert (stored.groupby("expnum")["known"].nunique(dropna=False) == 1).all()
    assert stored.loc[stored["known"].notna(), "expnum"].isin([*BAD, *GOOD]).all()
    print(f"{stored['known'].notna().sum()} answers to known cases")
    assert STEPS < 100 or min(own.given for own in expected.values()) > 0
