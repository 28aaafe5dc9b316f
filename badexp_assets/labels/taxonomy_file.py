"""Reads and validates taxonomy files: the packaged one, and files of users that replace or extend it."""

from __future__ import annotations

import hashlib
import re
import tomllib
from functools import cache
from importlib import resources
from pathlib import Path
from re import _constants, _parser  # type: ignore[attr-defined]  # for the syntax tree of a pattern
from typing import Any

from badexp_assets.errors import InputError
from badexp_assets.labels.taxonomy import GOOD, SOURCES, UNKNOWN, Entry, Taxonomy

PACKAGED = "packaged"
_ENTRY_KEYS = ("source", "flag", "pattern", "below", "category", "ignore", "why", "paper")
_TOP_KEYS = ("extends", "precedence", "categories", "extra", "entry")
_FLAGS = (0, 1, 2, 3)
_ENTRY = re.compile(r"\s*\[\[\s*entry\s*\]\]")


def load_taxonomy(path: str | Path | None = None) -> Taxonomy:
    """Read a taxonomy file; the packaged one if `path` is None.

    A file with `extends = "packaged"` is combined with the packaged taxonomy: its entries are tried first, its
    `categories` and `extra` are added (a name in the other packaged list moves), and its `precedence` replaces the
    packaged one. Any other file is used alone.

    Raises InputError that names file and line, what was found and what is allowed.
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
    """A taxonomy file that is being validated: its content and its lines."""

    def __init__(self, text: str, name: str) -> None:
        self.name, self._text = name, text
        self._lines = text.split("\n")
        try:
            self.found = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:  # its message gives line and column
            raise InputError(f"{name}: not a TOML file: {error}") from error
        self._starts = [n for n, line in enumerate(self._lines) if _ENTRY.match(line)]
        entries = self.found.get("entry", [])
        if not isinstance(entries, list) or len(self._starts) != len(entries):  # entries may be written inline
            self._starts = []

    def taxonomy(self) -> Taxonomy:
        """Validate the file and return the taxonomy."""
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
        source, category, why, flags, below = map(found.get, ("source", "category", "why", "flag", "below"))
        ignore, paper = found.get("ignore", False), found.get("paper", False)
        sources = tuple(source) if isinstance(source, list) else (source,)
        number = isinstance(below, int | float) and not isinstance(below, bool)
        for key, valid, expected in (
            ("source", sources and set(sources) <= set(SOURCES), f"allowed: {', '.join(SOURCES)}, or a list of them"),
            ("ignore", ignore is (category is None), "give either a category or ignore = true"),
            ("category", category is None or category in categories, f"allowed: {', '.join(categories)}"),
            ("why", isinstance(why, str) and why.strip(), "a sentence is needed"),
            ("flag", flags is None or _is_flags(flags), "a list of 1, 2, 3 (and 0: no flag) is needed"),
            ("below", below is None or number, "a number is needed"),
            ("paper", isinstance(paper, bool), "true or false is needed"),
        ):
            if not valid:
                raise self._error(key, repr(found.get(key)), expected, i)
        pattern = self._pattern(found.get("pattern"), i)
        if below is not None and (pattern is None or "value" not in pattern.groupindex):
            raise self._error("below", repr(below), "it needs a pattern with a group named value, (?P<value>...)", i)
        return Entry(
            sources, tuple(flags) if flags is not None else None, pattern, below, category, str(why).strip(), paper
        )

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
            expected = "a repeat without limit within another can take hours on one line; limit it, for example {0,20}"
            raise self._error("pattern", repr(pattern), expected, i)
        return compiled

    def _only(self, found: dict[str, Any], allowed: tuple[str, ...], i: int | None) -> None:
        for key in found:
            if key not in allowed:
                raise self._error(key, "not a known name", f"allowed: {', '.join(allowed)}", i)

    def _error(self, key: str, found: str, expected: str, i: int | None = None) -> InputError:
        """Return the error for `key`, at the top level or in entry `i` (from 0), with its line if that is known."""
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


def _is_flags(flags: Any) -> bool:
    return isinstance(flags, list) and all(flag in _FLAGS for flag in flags)


def _nested_repeat(tree: Any, inside: bool = False) -> bool:
    """Return whether a pattern has an unlimited repeat within another, as `(a+)+`: its time can double per letter."""
    for code, argument in tree:
        unlimited = code in (_constants.MAX_REPEAT, _constants.MIN_REPEAT) and argument[1] is _constants.MAXREPEAT
        if unlimited and inside:
            return True
        parts = argument if isinstance(argument, tuple | list) else (argument,)
        flat = [p for part in parts for p in (part if isinstance(part, list) else [part])]
        if any(_nested_repeat(p, inside or unlimited) for p in flat if isinstance(p, _parser.SubPattern)):
            return True
    return False
