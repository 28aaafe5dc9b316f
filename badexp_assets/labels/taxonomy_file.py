"""Reading taxonomy files: the packaged one, and those of users that replace or extend it."""

from __future__ import annotations

import hashlib
import re
import tomllib
from functools import cache
from importlib import resources
from pathlib import Path
from re import _constants, _parser  # type: ignore[attr-defined]  # the library's own syntax tree of a pattern
from typing import Any

from badexp_assets.errors import InputError
from badexp_assets.labels.taxonomy import GOOD, SOURCES, UNKNOWN, Entry, Taxonomy

PACKAGED = "packaged"
_ENTRY_KEYS = ("source", "flag", "pattern", "below", "category", "ignore", "why", "paper")
_TOP_KEYS = ("extends", "precedence", "categories", "extra", "entry")
_FLAGS = (0, 1, 2, 3)
_ENTRY = re.compile(r"\s*\[\[\s*entry\s*\]\]")


def load_taxonomy(path: str | Path | None = None) -> Taxonomy:
    """Read a taxonomy file; the one of the package when `path` is None.

    A file with `extends = "packaged"` goes before the packaged taxonomy: its entries are tried first, its `categories`
    and `extra` are added (a name that is in the other list of the packaged taxonomy moves), its `precedence` replaces
    the packaged one. Any other file stands alone.

    Raises InputError that names the file and the line, what was found and what is allowed.
    """
    if path is None:
        return _packaged()
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"taxonomy {path}: can't be read ({error})") from error
    return _File(text, str(path)).taxonomy()


@cache
def _packaged() -> Taxonomy:
    text = resources.files(__package__).joinpath("taxonomy.toml").read_text(encoding="utf-8")
    return _File(text, PACKAGED).taxonomy()


class _File:
    """A taxonomy file while it is checked: what it says, and on which line."""

    def __init__(self, text: str, name: str) -> None:
        self.name, self._text = name, text
        self._lines = text.split("\n")
        try:
            self.found = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:  # its message gives line and column
            raise InputError(f"{name}: not a TOML file: {error}") from error
        self._starts = [n for n, line in enumerate(self._lines) if _ENTRY.match(line)]
        entries = self.found.get("entry", [])
        if not isinstance(entries, list) or len(self._starts) != len(entries):  # entries written inline
            self._starts = []

    def taxonomy(self) -> Taxonomy:
        """Check everything and put it together."""
        self._only(self.found, _TOP_KEYS, None)
        base = None
        if "extends" in self.found:
            if self.found["extends"] != PACKAGED:
                raise self._error("extends", repr(self.found["extends"]), f"allowed: {PACKAGED!r}, or leave it out")
            base = _packaged()
        categories, extra = self._names("categories", base is not None), self._names("extra", base is not None)
        self._different(categories, extra)
        name, sha256 = self.name, hashlib.sha256(self._text.encode())
        precedence = self._precedence(base)
        if base is not None:
            own = (*categories, *extra)
            categories = tuple(c for c in base.categories if c not in own) + categories
            extra = tuple(c for c in base.extra if c not in own) + extra
            name = f"{self.name}, extends {PACKAGED}"
            sha256.update(base.sha256.encode())
        entries = self._entries(categories + extra, base is not None)
        entries += base.entries if base is not None else ()
        return Taxonomy(categories, extra, precedence, entries, name, sha256.hexdigest())

    def _names(self, key: str, optional: bool) -> tuple[str, ...]:
        values = self.found.get(key, [] if optional else None)
        if not isinstance(values, list) or not all(
            isinstance(v, str) and re.fullmatch("[a-z][a-z0-9_]*", v) for v in values
        ):
            raise self._error(key, repr(values), "a list of names in lower case (a-z, 0-9, _) is needed")
        return tuple(values)

    def _different(self, categories: tuple[str, ...], extra: tuple[str, ...]) -> None:
        seen: set[str] = set()
        for key, names in (("categories", categories), ("extra", extra)):
            for name in names:
                if name in (GOOD, UNKNOWN):
                    raise self._error(key, f"a list with {name!r}", f"no name may be {GOOD!r} or {UNKNOWN!r}")
                if name in seen:
                    raise self._error(
                        key, f"a list with {name!r}, named twice", "once is allowed, in categories or in extra"
                    )
                seen.add(name)

    def _precedence(self, base: Taxonomy | None) -> tuple[str, ...]:
        if base is not None and "precedence" not in self.found:
            return base.precedence
        names = self._names("precedence", False)
        if sorted(names) != sorted(SOURCES):
            raise self._error("precedence", repr(list(names)), f"it must order {', '.join(SOURCES)}")
        return names

    def _entries(self, categories: tuple[str, ...], optional: bool) -> tuple[Entry, ...]:
        entries = self.found.get("entry", [])
        if not isinstance(entries, list) or not (entries or optional):
            raise InputError(f"{self.name}: no [[entry]]; at least one is needed")
        return tuple(self._entry(i, found, categories) for i, found in enumerate(entries))

    def _entry(self, i: int, found: Any, categories: tuple[str, ...]) -> Entry:
        if not isinstance(found, dict):
            raise self._error("entry", repr(found), "a table is needed", i)
        self._only(found, _ENTRY_KEYS, i)
        source = found.get("source")
        sources = tuple(source) if isinstance(source, list) else (source,)
        if not sources or any(s not in SOURCES for s in sources):
            raise self._error("source", repr(source), f"allowed: {', '.join(SOURCES)}, or a list of them", i)
        category, ignore = found.get("category"), found.get("ignore", False)
        if not isinstance(ignore, bool) or ignore == (category is not None):
            raise self._error("ignore", repr(ignore), "give either a category or ignore = true", i)
        if category is not None and category not in categories:
            raise self._error("category", repr(category), f"allowed: {', '.join(categories)}", i)
        why = found.get("why")
        if not isinstance(why, str) or not why.strip():
            raise self._error("why", repr(why), "a sentence is needed", i)
        flags = found.get("flag")
        if flags is not None and (not isinstance(flags, list) or any(f not in _FLAGS for f in flags)):
            raise self._error("flag", repr(flags), "a list of 1, 2, 3 (and 0: no flag) is needed", i)
        below = found.get("below")
        if below is not None and (isinstance(below, bool) or not isinstance(below, int | float)):
            raise self._error("below", repr(below), "a number is needed", i)
        paper = found.get("paper", False)
        if not isinstance(paper, bool):
            raise self._error("paper", repr(paper), "true or false is needed", i)
        pattern = self._pattern(found.get("pattern"), i)
        if below is not None and (pattern is None or "value" not in pattern.groupindex):
            raise self._error("below", repr(below), "it needs a pattern with a group named value, (?P<value>...)", i)
        return Entry(sources, tuple(flags) if flags is not None else None, pattern, below, category, why.strip(), paper)

    def _pattern(self, pattern: Any, i: int) -> re.Pattern[str] | None:
        if pattern is None:
            return None
        if not isinstance(pattern, str):
            raise self._error("pattern", repr(pattern), "a regular expression is needed", i)
        try:
            compiled = re.compile(pattern, re.IGNORECASE | re.ASCII)
        except re.error as error:
            raise self._error("pattern", repr(pattern), f"a regular expression is needed ({error})", i) from error
        if _nested_repeat(_parser.parse(pattern)):
            said = "a repeat without limit within another can take hours on one line; give one a limit, such as {0,20}"
            raise self._error("pattern", repr(pattern), said, i)
        return compiled

    def _only(self, found: dict[str, Any], allowed: tuple[str, ...], i: int | None) -> None:
        for key in found:
            if key not in allowed:
                raise self._error(key, "not a known name", f"allowed: {', '.join(allowed)}", i)

    def _error(self, key: str, found: str, expected: str, i: int | None = None) -> InputError:
        """What is wrong with `key`, at the top or in entry `i` (from 0), with the line where it can be told."""
        line = self._line(key, i)
        place = self.name if line is None else f"{self.name}:{line + 1}"
        entry = "" if i is None else f"entry {i + 1}: "
        return InputError(f"{place}: {entry}{key} is {found}; {expected}")

    def _line(self, key: str, i: int | None) -> int | None:
        if i is None:
            first, last = 0, min(self._starts, default=len(self._lines))
        elif i < len(self._starts):
            first, last = self._starts[i], (*self._starts, len(self._lines))[i + 1]
        else:
            return None
        named = re.compile(rf"\s*[\"']?{re.escape(key)}[\"']?\s*=")
        return next((n for n in range(first, last) if named.match(self._lines[n])), None if i is None else first)


def _nested_repeat(tree: Any, inside: bool = False) -> bool:
    """Whether a pattern has a repeat without limit within another, as in `(a+)+`: its time can double per letter."""
    for code, argument in tree:
        unlimited = code in (_constants.MAX_REPEAT, _constants.MIN_REPEAT) and argument[1] is _constants.MAXREPEAT
        if unlimited and inside:
            return True
        parts = argument if isinstance(argument, tuple | list) else (argument,)
        flat = [p for part in parts for p in (part if isinstance(part, list) else [part])]
        if any(_nested_repeat(p, inside or unlimited) for p in flat if isinstance(p, _parser.SubPattern)):
            return True
    return False
