"""What a reviewer has stored, by what the screen showed and what the instructions say, not by the page's scripts."""

from __future__ import annotations

from dataclasses import dataclass, field

from badexp_assets.errors import InputError
from badexp_assets.review.tags import MAX_TAGS, tidy_tag

# Notes in each tab what its elements show when a key or click comes, before the page handles it.
RECORD = """
const TEXT = node => node?.textContent ?? "";
const TAG = node => TEXT(node).replace(/ \u00d7$/, "");
let ready = false; // the page's scripts have run: they handle keys from now on
addEventListener("DOMContentLoaded", () => { ready = true; });
function note(event) {
  const all = (query, value, root = document) => [...root.querySelectorAll(query)].map(value);
  const target = event.target instanceof Element ? event.target : document.body;
  const button = target.closest("button");
  const seen = {
    ready, type: event.type, key: event.key ?? null, typed: target.matches("input, textarea, select"),
    dialogs: all("dialog[open]", d => d.className.split(" ")[0]), loading: document.body.classList.contains("loading"),
    shown: [...all("#facts h1", TEXT), ...all("#plane img", i => i.alt.split(" ").at(-1)),
      ...all("dialog.zoom .tools b", b => TEXT(b).split(" ").at(-1))].map(Number),
    of_panel: Number(TEXT(document.querySelector("#facts h1"))),
    ccds: all("#plane g.selected", g => Number(g.dataset.ccdnum)),
    comparing: document.querySelector(".comparing") !== null,
    comment: document.querySelector("#comment")?.value ?? "",
    cells: all(".cell.selected", c => Number(c.dataset.expnum)),
    cursor: all(".cell.cursor", c => Number(c.dataset.expnum)),
    suggested: TEXT(document.querySelector(".menu .suggested span")) || null,
    kinds: all(".menu .kinds button", b => ["kbd", "span"].map(part => TEXT(b.querySelector(part)))),
    verdict: button?.dataset.verdict ?? null,
    kind: button?.closest(".menu .kinds") ? TEXT(button.querySelector("span")) : null,
    none: Boolean(button?.matches(".menu > .quiet")),
    undo: Boolean(button?.matches("#undo, .toast button, dialog.done .undo")),
    title: TEXT(document.querySelector("dialog.tags h2")),
    add: button?.matches("dialog.tags .main") ? document.querySelector("dialog.tags input").value : null,
    chip: button?.matches("dialog.tags .tagged") ? [button.dataset.tag, button.dataset.attached === "true"] : null,
    untag: button?.matches("#facts .tagged") ? TAG(button) : null,
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


@dataclass
class Expected:
    """Answers and changes of tags of a reviewer, in groups that one undo takes back."""

    groups: list[tuple[str, list[tuple]]] = field(default_factory=list)
    chosen: list[int] = field(default_factory=list)
    """selected cells of the list, or the one under the cursor, before a dialog came over it"""
    given: int = 0
    tagged: int = 0
    undone: int = 0
    most: int = 0
    """answers or changes of the largest group"""

    @property
    def answers(self) -> list[tuple]:
        return sorted((answer for kind, group in self.groups if kind == "answers" for answer in group), key=repr)

    @property
    def tags(self) -> list[tuple]:
        held: set[tuple] = set()
        for kind, group in self.groups:
            for expnum, tag, attached in group if kind == "tags" else ():
                (held.add if attached else held.discard)((expnum, tag))
        return sorted(held)

    def note(self, seen: dict) -> None:
        """Follow one key or click."""
        if not seen["ready"]:
            return
        top = seen["dialogs"][-1] if seen["dialogs"] else None
        if top is None:
            self.chosen = seen["cells"] or seen["cursor"]
        verdict, category = self._answer(seen, top)
        if verdict is not None and not seen["loading"] and not seen["comparing"]:
            self._give(seen, verdict, category)
        elif seen["add"] is not None:
            self._tag(self._named(seen), seen["add"].split(","), True)
        elif seen["chip"] is not None:
            self._tag(self._named(seen), seen["chip"][:1], seen["chip"][1])
        elif seen["untag"] is not None:
            self._tag([seen["of_panel"]], [seen["untag"]], False)
        elif seen["undo"] or (
            seen["type"] == "keydown" and seen["key"] == "z" and top in (None, "done") and not seen["typed"]
        ):
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
            answers = [(expnum, None, verdict, category, None) for expnum in self.chosen]
        self.given += len(answers)
        self._push("answers", answers)

    def _named(self, seen: dict) -> list[int]:
        """Return the exposures that the dialog of tags names."""
        number = int(seen["title"].removeprefix("Tags of ").split(" ")[0])
        if not seen["title"].endswith(" exposures"):
            assert number in (seen["shown"] or self.chosen), f"another exposure is named: {seen}"
            return [number]
        assert len(self.chosen) == number, f"other exposures are selected: {seen}, {self.chosen}"
        return self.chosen

    def _tag(self, expnums: list[int], words: list[str], attached: bool) -> None:
        try:
            tags = dict.fromkeys(tidy_tag(word) for word in words if word.strip())
        except InputError:
            return
        held = set(self.tags)  # an exposure that is chosen may have left the grid since
        if attached and any(len({tag for e, tag in held if e == expnum} | {*tags}) > MAX_TAGS for expnum in expnums):
            return
        changes = [(e, tag, attached) for tag in tags for e in expnums if ((e, tag) in held) != attached]
        self.tagged += len(changes)
        self._push("tags", changes)

    def _push(self, kind: str, group: list[tuple]) -> None:
        if group:
            self.groups.append((kind, group))
            self.most = max(self.most, len(group))
