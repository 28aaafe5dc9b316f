"""The taxonomy: which reason of which source is which category. Data, in TOML files; this applies it."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field

from badexp_assets.labels.text_lines import quote

SOURCES = ("decals", "des", "delve", "review")
GOOD = "good"
UNKNOWN = "unknown"  # of a candidate or a reject that nobody named a kind of bad for; never a category of a taxonomy


@dataclass(frozen=True)
class Match:
    """What the taxonomy says about a line: `label` with a category, `ignored`, or `unmatched`; and why."""

    status: str
    category: str | None
    why: str
    paper: bool = False


@dataclass(frozen=True)
class Entry:
    """One rule. It holds when the source, the flag, the pattern and (where given) the number below the limit agree.

    `flag` None: any; 0 in it stands for a line without a flag. `below` compares the pattern's group `value`.
    """

    sources: tuple[str, ...]
    flags: tuple[int, ...] | None
    pattern: re.Pattern[str] | None
    below: float | None
    category: str | None
    why: str
    paper: bool

    def holds(self, source: str, reason: str, flag: int | None) -> bool:
        """Return whether the rule applies to a line."""
        if source not in self.sources or (self.flags is not None and (flag or 0) not in self.flags):
            return False
        if self.pattern is None:
            return True
        if self.below is None:
            return self.pattern.search(reason) is not None
        return any(_number(m["value"]) < self.below for m in self.pattern.finditer(reason))


@dataclass(frozen=True)
class Taxonomy:
    """Categories that are trained, categories that are only kept, the order of the sources, and the rules in order.

    `name` says which files it comes from, `sha256` is the hash of their text.
    """

    categories: tuple[str, ...]
    extra: tuple[str, ...]
    precedence: tuple[str, ...]
    entries: tuple[Entry, ...]
    name: str = ""
    sha256: str = ""
    _known: dict[tuple[str, str, int | None], Match] = field(default_factory=dict, repr=False, compare=False)

    @property
    def all_categories(self) -> tuple[str, ...]:
        """Every kind of bad: trained ones, then the others."""
        return self.categories + self.extra

    def classify(self, source: str, reason: str, flag: int | None = None) -> Match:
        """Return what the first rule that holds says about a line with this reason (and flag, in bad_expid files)."""
        reason = " ".join(reason.split())  # many blanks would make the patterns slow
        key = (source, reason, flag)
        if key not in self._known:
            self._known[key] = self._classify(source, reason, flag)
        return self._known[key]

    def _classify(self, source: str, reason: str, flag: int | None) -> Match:
        for entry in self.entries:
            if entry.holds(source, reason, flag):
                status = "label" if entry.category else "ignored"
                return Match(status, entry.category, entry.why, entry.paper)
        words = quote(reason, 80) + (f" with flag {flag}" if flag else "")
        return Match("unmatched", None, f"no entry of the taxonomy matches {words}")


def _number(text: str | None) -> float:
    try:
        return float(text or "")
    except ValueError:
        return math.inf
