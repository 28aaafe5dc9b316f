"""Reads `settings.toml` of a home, and changes single values in it."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from badexp_assets.config.options import Options
from badexp_assets.errors import InputError
from badexp_assets.io.parquet import atomic_path

_HEADER = (
    "# Settings of this home. Command-line options and environment variables (BADEXP_ARCHIVE, ...) take precedence."
)


def read_settings_file(path: Path, values: tuple[str, ...]) -> dict[str, Any]:
    """Return what the file holds; nothing if there is none. `values`: names that may stand outside of sections.

    Raises InputError for a file that can't be read or is not TOML, and for unknown names and sections.
    """
    try:
        found = tomllib.loads(_read(path) or "")
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not a TOML file: {error}") from error
    known = (*values, *Options.model_fields)
    unknown = sorted(set(found) - set(known))
    if unknown:
        raise InputError(f"{path}: unknown name(s) {', '.join(unknown)}; allowed: {', '.join(known)}")
    return found


def update_settings_file(
    path: Path, values: Mapping[str, str | list[str] | None], sections: Mapping[str, Mapping[str, Any]]
) -> None:
    """Set `values` (None: removed) and the options of `sections`. Everything else in the file stays as it is, comments
    and what is unknown included. A file without a change is not written; a change is written atomically.

    Raises InputError for a value that can't be stored, and for a file that can't be read or changed without damage.
    """
    stored = _read(path)
    text = f"{_HEADER}\n" if stored is None else stored
    changed = _changed(text, values, sections)
    try:
        content = changed.encode()
    except UnicodeEncodeError as error:  # of a file name that is not UTF-8
        raise InputError(f"{path}: {error.object[error.start]!r} can't be stored; only Unicode can") from error
    if changed != text and not _is_changed_as_wanted(text, changed, values, sections):
        raise InputError(f"{path}: can't be changed; write each of its sections once, below its name in [ ]")
    if changed != stored:
        with atomic_path(path) as temporary:
            temporary.write_bytes(content)


def _read(path: Path) -> str | None:
    """Return the text of the file, None if there is none. Raises InputError if it can't be read."""
    try:
        return path.read_bytes().decode()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise InputError(f"{path}: can't be read ({error.strerror})") from error


def _changed(text: str, values: Mapping[str, Any], sections: Mapping[str, Mapping[str, Any]]) -> str:
    import tomlkit

    first = re.search(r"^([ \t]*#.*\n)*[ \t]*\[", text, re.MULTILINE)  # comments and the first section
    start = first.start() if first else len(text)
    lines = text[:start].rstrip("\r\n")
    try:  # apart, because tomlkit would add a value between those comments and the section
        head, rest = tomlkit.parse(lines), tomlkit.parse(text[start:])
        split = not set(head) & set(rest)  # else a section is continued: training.seed = 3, then [training.thin]
    except tomlkit.exceptions.ParseError:  # the line that begins with [ is inside a value
        split = False
    if not split:
        head = rest = tomlkit.parse(text)
    _set(head, values)
    for name, options in sections.items():
        part = head if name in head else rest  # head: training.seed = 3, or training = { seed = 3 }
        if name not in part:
            part[name] = tomlkit.table()
        _set(part[name], options)
    before, after = tomlkit.dumps(head).rstrip("\r\n"), tomlkit.dumps(rest)
    if head is rest:
        return after
    if lines and (first or not after):
        return before + text[len(lines) : start] + after
    return before + ("\n\n" if before and after else "\n" if before else "") + after


def _is_changed_as_wanted(
    text: str, changed: str, values: Mapping[str, Any], sections: Mapping[str, Mapping[str, Any]]
) -> bool:
    """Whether `changed` is TOML that differs from `text` by the `values` and options of `sections` alone."""
    wanted = tomllib.loads(text)
    _set(wanted, values)
    for name, options in sections.items():
        _set(wanted.setdefault(name, {}), options)
    try:
        return tomllib.loads(changed) == wanted
    except tomllib.TOMLDecodeError:
        return False


def _set(table: Any, values: Mapping[str, Any]) -> None:
    for name, value in values.items():
        given = list(value) if isinstance(value, tuple) else value
        same = (given, *given) if isinstance(given, list) and len(given) == 1 else (given,)  # labels = "/one/folder"
        if given is None:
            table.pop(name, None)
        elif name not in table or table[name] not in same:
            table[name] = given
