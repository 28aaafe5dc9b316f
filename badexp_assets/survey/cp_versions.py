"""Versions of the Community Pipeline, in the order in which they were made."""

from __future__ import annotations

import re

VersionKey = tuple[tuple[int, int, str], ...]


def version_key(plver: str | None) -> VersionKey:
    """Return a key that sorts PLVER naturally: V5.10 > V5.6S > V5.6 > V4.8.2a > V4.8.2 > DES1.0 > none.

    Numbers compare as numbers; a number that follows comes after a letter that follows, and both after nothing.
    Versions of the DES system (`DES...`) are older than all of the CP's, as legacypipe has it.
    """
    if not plver or not plver.strip():
        return ()
    text = plver.strip().upper()
    text = "0." + text[3:] if text.startswith("DES") else text.lstrip("V")
    parts = re.findall(r"\d+|[A-Z]+", text)
    return tuple((1, int(p), "") if p.isdigit() else (0, 0, p) for p in parts)


def process_key(plprocid: str | None) -> tuple[int, str]:
    """Return a key that sorts PLPROCID, a hexadecimal number that grows with time; other text comes before those."""
    text = (plprocid or "").strip().lower()
    return (int(text, 16), text) if re.fullmatch(r"[0-9a-f]+", text) else (-1, text)
