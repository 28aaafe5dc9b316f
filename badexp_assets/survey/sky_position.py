"""The boresight of an exposure, from RA and DEC or TELRA and TELDEC of its header, sexagesimal or in degrees."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

_PAIRS = (("RA", "DEC"), ("TELRA", "TELDEC"))
_SEXAGESIMAL = re.compile(r"([+-]?)(\d{1,3})[:\s]+(\d{1,2})(?:[:\s]+(\d{1,2}(?:\.\d*)?))?")
_DECIMAL = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eEdD][+-]?\d{1,2})?")


def sky_position(header: Mapping[str, Any]) -> tuple[float, float] | None:
    """Return (ra, dec) in degrees, ra in [0, 360), from RA and DEC, else from TELRA and TELDEC; None without either.

    Text with colons or blanks is sexagesimal, with right ascension in hours; a plain number is in degrees. A pair with
    a card that is missing, NaN or out of range is skipped.
    """
    for ra_card, dec_card in _PAIRS:
        ra, dec = _degrees(header.get(ra_card), 15.0), _degrees(header.get(dec_card), 1.0)
        if ra is not None and dec is not None and 0 <= ra <= 360 and -90 <= dec <= 90:
            return ra % 360, dec
    return None


def _degrees(value: Any, per_unit: float) -> float | None:
    """Return a card in degrees; sexagesimal units are `per_unit` degrees. None for a card that is no angle."""
    if value is None or isinstance(value, bool):
        return None
    text = str(value).strip()
    if _DECIMAL.fullmatch(text):
        number = float(text.upper().replace("D", "E"))
        return number if math.isfinite(number) else None
    found = _SEXAGESIMAL.fullmatch(text)
    if found is None:
        return None
    units, minutes, seconds = int(found[2]), int(found[3]), float(found[4] or 0)
    if minutes >= 60 or seconds > 60:  # 59.999 may be rounded to 60.00
        return None
    size = per_unit * (units + minutes / 60 + seconds / 3600)
    return -size if found[1] == "-" else size
