"""Pixels of integer images that have no value: those that equal BLANK, or ZBLANK where tiles are compressed.

Of images of floating-point numbers NaN is undefined, and CFITSIO returns it for the null values of compressed tiles.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import numpy.typing as npt

_CARD = 80
_CARDS = re.compile(rb"(Z?BITPIX|Z?BLANK|BSCALE|BZERO) *= *([-+]?[0-9.]+(?:[EeDd][-+]?[0-9]+)?) *(?:/.*)?", re.DOTALL)


def undefined_value(header: bytes, compressed: bool) -> float | None:
    """Return the value that stands for "undefined" in the pixels of an integer image, scaled as they are, or None.

    `header`: that of its extension; `compressed`: whether that is a table of tiles.
    """
    if b"BLANK" not in header:
        return None
    cards: dict[str, float] = {}
    for start in range(0, len(header), _CARD):
        match = _CARDS.fullmatch(header[start : start + _CARD])
        if match is not None:
            number = match[2].upper().replace(b"D", b"E")
            cards.setdefault(match[1].decode(), float(number))
    bitpix = cards.get("ZBITPIX" if compressed else "BITPIX", 0.0)
    blank = cards.get("ZBLANK", cards.get("BLANK")) if compressed else cards.get("BLANK")
    if bitpix <= 0 or blank is None:
        return None
    return blank * cards.get("BSCALE", 1.0) + cards.get("BZERO", 0.0)


def undefined_where(pixels: npt.NDArray[Any], value: float) -> npt.NDArray[np.bool_]:
    """Return which pixels equal `value`, which has to be possible for their type."""
    if pixels.dtype.kind in "iu":
        limits = np.iinfo(pixels.dtype)
        if not limits.min <= value <= limits.max:
            return np.zeros(pixels.shape, bool)
    return np.asarray(pixels == pixels.dtype.type(value))


def with_nan(pixels: npt.NDArray[Any], value: float) -> npt.NDArray[Any]:
    """Return the pixels as floating-point numbers, NaN where they equal `value`."""
    undefined = undefined_where(pixels, value)
    exact = np.float32 if pixels.dtype.itemsize <= 2 else np.float64
    floats = pixels.astype(pixels.dtype if pixels.dtype.kind == "f" else exact)
    floats[undefined] = np.nan
    return floats
