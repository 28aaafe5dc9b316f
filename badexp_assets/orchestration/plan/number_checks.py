"""Checks of numbers that people give."""

from __future__ import annotations

import math
from typing import Any

from badexp_assets.errors import InputError


def need_number(name: str, value: Any, least: float = 0.0, *, above: bool = False, whole: bool = False) -> None:
    """Raise InputError, which names the parameter, unless `value` is a finite number of at least (or above) `least`."""
    kind = int if whole else int | float
    fits = isinstance(value, kind) and not isinstance(value, bool) and math.isfinite(value)
    if not fits or value < least or (above and value == least):
        what = "a whole number" if whole else "a number"
        raise InputError(f"{name}: {value!r}; {what} {'above' if above else 'of at least'} {least:g} is needed")
