"""Random keys and clicks of two reviewers: what is stored is what was on screen and selected when it was answered."""

import os
import random
import time
from dataclasses import dataclass, field

import pytest

from badexp_assets.review.store import VerdictStore
from badexp_assets_tests.waiting import LONGEST_WAIT

pytestmark = pytest.mark.slow

STEPS = int(os.environ.get("BADEXP_RANDOM_KEYS", "120"))  # keys and clicks
KEYS = [
    *"bbbffuuzz",
    *"nnpps",
    *"hjklwvo?ygraexxi",
    *"12357-=[]mt0q",
    " ",
    " ",
    "Enter",
    "Enter",
    "Escape",
    "Escape",
    "Escape",
]
KEYS += ["ArrowLeft", "ArrowRight", "ArrowDown", "Shift+ArrowRight", "Escape", "c"]
CLICKS = [
    "#rerank",
    "footer [data-verdict=fine]",
    "footer [data-verdict=bad]",
    "#undo",
    "#next",
    "#previous",
    "#skip",
    "#worst",
]
CLICKS += [
    ".menu .kinds button >> nth=3",
    ".toast button",
    ".tick >> nth=2",
    "[data-ccdnum='32']",
    "[data-ccdnum='35']",
]
COLUMNS = ["expnum", "ccdnum", "verdict", "category", "comment"]

# Notes in each tab what its elements show when a key or click comes, before the page handles it.
RECORD = """
const TEXT = node => node?.textContent ?? "";
let ready = false; // the page's scripts have run: they handle keys from now on
addEventListener("DOMContentLoaded", () => { ready = true; });
function note(event) {
  const all = (query, value) => [...document.querySelectorAll(query)].map(value);
  const target = event.target instanceof Element ? event.target : document.body;
  const button = target.closest("button");
  const dialogs = all("dialog[open]", d => d.className.split(" ")[0]);
  const seen = {
    ready, type: event.type, key: event.key ?? null, typed: target.matches("input, textarea, select"),
    onButton: target.matches("button, a, summary"), dialogs, loading: document.body.classList.contains("loading"),
    shown: [...all("#facts h1", TEXT), ...all("#plane img", i => i.alt.split(" ").at(-1)),
      ...all("dialog.zoom .tools b", b => TEXT(b).split(" ").at(-1))].map(Number),
    ccds: all("#plane g.selected", g => Number(g.dataset.ccdnum)),
    comparing: document.querySelector(".comparing") !== null,
    comment: document.querySelector("#comment")?.value ?? "",
    cells: all(".cell.selected", c => Number(c.dataset.expnum)),
    cursor: all(".cell.cursor", c => Number(c.dataset.expnum)),
    suggested: TEXT(document.querySelector(".menu .suggested span")) || null,
    kinds: all(".menu .kinds button", b => ["kbd", "span"].map(part => TEXT(b.querySelector(part)))),
    verdict: button?.dataset.verdict ?? null,
    kind: button?.closest(".menu .kinds") ? TEXT(button.querySelector("span")) : null,
    none: Boolean(button?.matches(".menu > .quiet")), undo: Boolean(button?.matches("#undo, .toast button")),
  };
  const kept = JSON.parse(sessionStorage.getItem("test.seen") ?? "[]");
  sessionStorage.setItem("test.seen", JSON.stringify([...kept, seen]));
}
for (const type of ["keydown", "click"]) window.addEventListener(type, note, {capture: true});
"""
TAKE = """() => {
  const seen = JSON.parse(sessionStorage.getItem("test.seen") ?? "[]");
  sessionStorage.removeItem("test.seen");
  return seen;
}"""
NOTHING_WAITS = "() => !Object.keys(localStorage).some(name => name.startsWith('badexp.outbox.'))"


@pytest.fixture
def settings(settings):
    """The home, with candidates that are ranked again all the time."""
    path = settings.home.root / "settings.toml"
    path.write_text(path.read_text() + '[review]\norder = "learned"\nrefit_after = 3\n')
    return settings


@dataclass
class Expected:
    """The answers of a reviewer by what the screen showed and what the instructions say, not by the page's scripts."""

    groups: list[list[tuple]] = field(default_factory=list)
    given: int = 0
    undone: int = 0

    @property
    def answers(self) -> list[tuple]:
        return sorted((answer for group in self.groups for answer in group), key=repr)

    def note(self, seen: dict) -> None:
        """Follow one key or click."""
        if not seen["ready"]:
            return
        top = seen["dialogs"][-1] if seen["dialogs"] else None
        verdict, category = self._answer(seen, top)
        if verdict is not None and not seen["loading"] and not seen["comparing"]:
            self._give(seen, verdict, category)
        elif seen["undo"] or (seen["type"] == "keydown" and seen["key"] == "z" and top is None and not seen["typed"]):
            self.undone += bool(self.groups)
            self.groups = self.groups[:-1]

    def _answer(self, seen: dict, top: str | None) -> tuple[str | None, str | None]:
        if seen["type"] == "click":
            if seen["kind"] is not None or seen["none"]:
                return "bad", seen["kind"]
            return (seen["verdict"] if seen["verdict"] != "bad" else None), None
        key = seen["key"]
        if seen["typed"]:
            return None, None
        if top == "menu":
            if key in dict(seen["kinds"]):
                return "bad", dict(seen["kinds"])[key]
            return ("bad" if key in ("-", "Enter") else None), (seen["suggested"] if key == "Enter" else None)
        return ({"f": "fine", "u": "unsure"}.get(key) if top in (None, "zoom") else None), None

    def _give(self, seen: dict, verdict: str, category: str | None) -> None:
        comment = seen["comment"].strip() or None
        if seen["shown"]:
            assert len(set(seen["shown"])) == 1, f"two exposures on screen at once: {seen}"
            answers = [(seen["shown"][0], ccd, verdict, category, comment) for ccd in seen["ccds"] or [None]]
        else:
            answers = [(expnum, None, verdict, category, None) for expnum in seen["cells"] or seen["cursor"]]
        if answers:
            self.groups.append(answers)
            self.given += len(answers)


def act(tab, rng: random.Random) -> str:
    """Press a random key, click on something at random, or go back or forward; return what it was."""
    kind = rng.random()
    if kind < 0.8:
        key = rng.choice(KEYS)
        tab.keyboard.press(key)
        if key == "c":  # letters that are keys, too, in a comment or wherever the focus is
            tab.keyboard.type(rng.choice(["fu ", "half", "b1"]))
            tab.keyboard.press("Enter")
        return key
    if kind < 0.97:
        query = rng.choice(CLICKS)
        found = tab.locator(query).first
        box = found.bounding_box() if found.count() else None
        if box is not None:
            tab.keyboard.down("Shift") if "ccdnum" in query else None
            tab.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
            tab.keyboard.up("Shift") if "ccdnum" in query else None
        return f"click {query}"
    back = rng.random() < 0.6
    tab.evaluate("back => back ? history.back() : history.forward()", back)
    return "back" if back else "forward"


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
    rows = store.read(reviewer)[COLUMNS].astype(object)
    return sorted(rows.where(rows.notna(), None).itertuples(index=False, name=None), key=repr)


def test_random_keys_and_clicks_store_what_was_on_screen_and_selected(open_page, server):
    rng, store = random.Random(1), VerdictStore(server.settings.verdicts)
    tabs, expected, done = {}, {name: Expected() for name in ("ann", "bob")}, []
    for name in expected:
        tabs[name] = open_page(name, viewport={"width": 1280, "height": 2400})  # all candidates are in the grid
        tabs[name].add_init_script(RECORD)
        tabs[name].goto("/exposure/1001")
        tabs[name].wait_for_selector("body[data-shown='1001']")
    for step in range(STEPS):
        name = rng.choice(list(tabs))
        tab = tabs[name]
        if "/exposure/" not in tab.url and tab.url.rstrip("/") != server.url:  # examples, or the login
            tab.goto(f"/exposure/{1001 + rng.randrange(34)}")
        done.append((name, act(tab, rng)))
        deadline = time.monotonic() + LONGEST_WAIT
        for seen in ask(tab, TAKE):
            expected[name].note(seen)
        while not ask(tab, NOTHING_WAITS):
            assert time.monotonic() < deadline, "answers wait, and the server is there"
            tab.wait_for_timeout(5)
        assert answers_of(store, name) == expected[name].answers, f"step {step}, after {done[-12:]}"
    for name, own in expected.items():
        assert answers_of(store, name) == own.answers
        print(f"{name}: {own.given} answers, {own.undone} undone")
    assert STEPS < 100 or min(own.given for own in expected.values()) > 0
