"""Applies a taxonomy, which maps the reasons in label files to categories (see taxonomy.toml)."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field

from badexp_assets.labels.text_lines import quote

SOURCES = ("decals", "des", "delve", "review")
GOOD = "good"
UNKNOWN = "unknown"  # category of a candidate or reject without a known kind of bad; in no taxonomy


@dataclass(frozen=True)
class Match:
    """Result for a line: status `label` (with a category), `ignored` or `unmatched`, and why.

    `paper`: a rule of Luo et al. 2025 (arXiv:2507.12784) gave the category.
    """

    status: str
    category: str | None
    why: str
    paper: bool = False


@dataclass(frozen=True)
class Entry:
    """One rule, which applies to a line if source, flag and pattern match.

    `flags`: None for any; 0 in it stands for a line without a flag. `below`: the number in the pattern's group `value`
    must be lower. `category`: None to ignore the line.
    """

    sources: tuple[str, ...]
    flags: tuple[int, ...] | None
    pattern: re.Pattern[str] | None
    below: float | None
    category: str | None
    why: str
    paper: bool

    def applies(self, source: str, reason: str, flag: int | None) -> bool:
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
    """Trained categories, other (`extra`) categories, precedence of the sources, and the rules in order.

    `name`: the files it was read from; `sha256`: hash of their text.
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
        """All categories: trained ones, then the others."""
        return self.categories + self.extra

    def classify(self, source: str, reason: str, flag: int | None = None) -> Match:
        """Return the result of the first rule that applies to a line; `flag`: of a line in a bad_expid file."""
        reason = " ".join(reason.split())  # patterns are slow on many blanks
        key = (source, reason, flag)
        if key not in self._known:
            self._known[key] = self._classify(source, reason, flag)
        return self._known[key]

    def _classify(self, source: str, reason: str, flag: int | None) -> Match:
        for entry in self.entries:
            if entry.applies(source, reason, flag):
                status = "label" if entry.category else "ignored"
                return Match(status, entry.category, entry.why, entry.paper)
        found = quote(reason, 80) + (f" with flag {flag}" if flag else "")
        return Match("unmatched", None, f"no entry of the taxonomy matches {found}")


def _number(text: str | None) -> float:
    try:
        return float(text or "")
    except ValueError:
        return math.inf
