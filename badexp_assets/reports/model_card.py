"""A model card as names and texts, for a page."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping
from typing import Any

_LEFT_OUT = ("selection", "findings")  # the first is long, the second is listed below the others
_LONGEST = 600  # characters
_MISSING = "–"


def card_rows(card: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return names and texts of a model card in order of the names, then its findings.

    A nested value has a row of its own, such as `pool: penalty`. Numbers have four significant digits; what is missing
    is a dash. Names of categories stay as they are; in others, spaces replace underscores. Long lists are truncated.
    """
    shown = {name: card[name] for name in sorted(card) if name not in _LEFT_OUT}
    rows = [(": ".join(names), text) for names, text in _rows(shown, set(card.get("categories", ())))]
    return [*rows, *(("finding", text) for text in card.get("findings", []))]


def value_text(value: Any) -> str:
    """Return a value as text: four significant digits, yes or no, items with commas, a dash for what is missing."""
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return _MISSING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {value_text(item)}" for name, item in value.items()) or "none"
    if isinstance(value, list | tuple):
        mark = "; " if any(isinstance(item, Mapping | list | tuple) for item in value) else ", "
        return mark.join(map(value_text, value)) or "none"
    return str(value)


def _rows(values: Mapping[str, Any], categories: Collection[str]) -> Iterator[tuple[tuple[str, ...], str]]:
    for name, value in values.items():
        words = name if name in categories else name.replace("_", " ")
        if isinstance(value, Mapping) and value:
            yield from (((words, *names), text) for names, text in _rows(value, categories))
        else:
            text = value_text(value)
            yield (words,), text if len(text) < _LONGEST else f"{text[:_LONGEST]} …"
