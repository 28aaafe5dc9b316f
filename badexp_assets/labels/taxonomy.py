"""The taxonomy: which reason of which source is which category. Data, in `taxonomy.toml`; this reads and applies it."""

from __future__ import annotations

import math
import re
import tomllib
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from badexp_assets.errors import InputError
from badexp_assets.labels.text import quote

SOURCES = ("decals", "des", "delve", "review")
GOOD = "good"
UNKNOWN = "unknown"  # of a candidate or a reject that nobody named a kind of bad for; never a category of a taxonomy
_ENTRY_KEYS = {"source", "flag", "pattern", "below", "category", "ignore", "why", "paper"}
_TOP_KEYS = {"precedence", "categories", "extra", "entry"}
_FLAGS = (1, 2, 3)


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
    """Categories that are trained, categories that are only kept, the order of the sources, and the rules in order."""

    categories: tuple[str, ...]
    extra: tuple[str, ...]
    precedence: tuple[str, ...]
    entries: tuple[Entry, ...]
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


def load_taxonomy(path: str | Path | None = None) -> Taxonomy:
    """Read a taxonomy file; the one of the package when `path` is None.

    Raises InputError that names the file, the line or entry, what was found and what is allowed.
    """
    if path is None:
        return _packaged()
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: can't be read as a taxonomy ({error})") from error
    return _parse(text, str(path))


@cache
def _packaged() -> Taxonomy:
    return _parse(resources.files(__package__).joinpath("taxonomy.toml").read_text(encoding="utf-8"), "taxonomy.toml")


def _parse(text: str, name: str) -> Taxonomy:
    try:
        found = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:  # its message gives line and column
        raise InputError(f"{name}: not a TOML file: {error}") from error
    _only(found, _TOP_KEYS, name)
    categories, extra, precedence = (_names(found, key, name) for key in ("categories", "extra", "precedence"))
    if {GOOD, UNKNOWN} & {*categories, *extra} or len(set(categories + extra)) < len(categories + extra):
        raise InputError(
            f"{name}: categories and extra must be different names, and none of them {GOOD!r} or {UNKNOWN!r}"
        )
    if sorted(precedence) != sorted(SOURCES):
        raise InputError(f"{name}: precedence is {list(precedence)}; it must order {', '.join(SOURCES)}")
    entries = found.get("entry", [])
    if not isinstance(entries, list) or not entries:
        raise InputError(f"{name}: no [[entry]]; at least one is needed")
    lines = [n for n, line in enumerate(text.split("\n"), start=1) if re.match(r"\s*\[\[\s*entry\s*\]\]", line)]
    where = [f"{name}:{line}: entry {i}" for i, line in enumerate(lines, start=1)]
    if len(where) != len(entries):  # entries written inline
        where = [f"{name}: entry {i}" for i in range(1, len(entries) + 1)]
    rules = tuple(_entry(e, w, categories + extra) for e, w in zip(entries, where, strict=True))
    return Taxonomy(categories, extra, precedence, rules)


def _only(found: dict[str, Any], allowed: set[str], where: str) -> None:
    unknown = sorted(set(found) - allowed)
    if unknown:
        raise InputError(f"{where}: unknown name(s) {', '.join(unknown)}; allowed: {', '.join(sorted(allowed))}")


def _names(found: dict[str, Any], key: str, name: str) -> tuple[str, ...]:
    values = found.get(key)
    if not isinstance(values, list) or not all(
        isinstance(v, str) and re.fullmatch("[a-z][a-z0-9_]*", v) for v in values
    ):
        raise InputError(f"{name}: {key} is {values!r}; a list of names in lower case (a-z, 0-9, _) is needed")
    return tuple(values)


def _entry(found: Any, where: str, categories: tuple[str, ...]) -> Entry:
    if not isinstance(found, dict):
        raise InputError(f"{where}: found {found!r}; a table is needed")
    _only(found, _ENTRY_KEYS, where)
    source = found.get("source")
    sources = tuple(source) if isinstance(source, list) else (source,)
    if not sources or any(s not in SOURCES for s in sources):
        raise InputError(f"{where}: source is {source!r}; allowed: {', '.join(SOURCES)}, or a list of them")
    category, ignore = found.get("category"), found.get("ignore", False)
    if not isinstance(ignore, bool) or ignore == (category is not None):
        raise InputError(f"{where}: give either a category or ignore = true")
    if category is not None and category not in categories:
        raise InputError(f"{where}: category is {category!r}; allowed: {', '.join(categories)}")
    why = found.get("why")
    if not isinstance(why, str) or not why.strip():
        raise InputError(f"{where}: why is {why!r}; a sentence is needed")
    flags = found.get("flag")
    if flags is not None and (not isinstance(flags, list) or any(f not in (0, *_FLAGS) for f in flags)):
        raise InputError(f"{where}: flag is {flags!r}; a list of 1, 2, 3 (and 0: no flag) is needed")
    below = found.get("below")
    if below is not None and (isinstance(below, bool) or not isinstance(below, int | float)):
        raise InputError(f"{where}: below is {below!r}; a number is needed")
    paper = found.get("paper", False)
    if not isinstance(paper, bool):
        raise InputError(f"{where}: paper is {paper!r}; true or false is needed")
    pattern = _pattern(found.get("pattern"), where)
    if below is not None and (pattern is None or "value" not in pattern.groupindex):
        raise InputError(f"{where}: below needs a pattern with a group named value, (?P<value>...)")
    return Entry(sources, tuple(flags) if flags is not None else None, pattern, below, category, why.strip(), paper)


def _pattern(pattern: Any, where: str) -> re.Pattern[str] | None:
    if pattern is None:
        return None
    if not isinstance(pattern, str):
        raise InputError(f"{where}: pattern is {pattern!r}; a regular expression is needed")
    try:
        return re.compile(pattern, re.IGNORECASE | re.ASCII)
    except re.error as error:
        raise InputError(f"{where}: pattern {pattern!r} is no regular expression: {error}") from error
