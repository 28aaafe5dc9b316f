"""Checking the answers that a browser sends and turning them into rows of the verdict store."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from badexp_assets.errors import InputError
from badexp_assets.labels.bad_expid import MAX_EXPNUM
from badexp_assets.labels.taxonomy import Taxonomy
from badexp_assets.review.app.exposures import Exposures
from badexp_assets.review.verdicts import VERDICTS

MAX_ANSWERS = 500  # at once
MAX_COMMENT = 2000  # characters
_MAX_SHOWN = 4000  # characters of JSON
_KEY = re.compile(r"[\w-]{8,80}", re.ASCII)
_FIELDS = {"key", "expnum", "ccdnum", "verdict", "category", "comment", "plver", "model", "shown"}


def read_answers(
    sent: Any, reviewer: str, exposures: Exposures, taxonomy: Taxonomy
) -> tuple[list[dict[str, Any]], list[str]]:
    """Return rows for `VerdictStore.answer` and their keys.

    `sent`: {"answers": [{"key", "expnum", "verdict", and perhaps "ccdnum", "category", "comment", "plver", "model",
    "shown"}]}. Raises InputError (UnknownExposureError) with the number of the wrong answer and the reason.
    """
    found = sent.get("answers") if isinstance(sent, dict) else None
    if not isinstance(found, list) or not 1 <= len(found) <= MAX_ANSWERS:
        raise InputError(f'answers: {{"answers": [...]}} with 1 to {MAX_ANSWERS} answers is needed')
    rows, keys = [], []
    for number, answer in enumerate(found, start=1):
        try:
            row = _row(answer, exposures, taxonomy)
        except InputError as error:
            raise type(error)(f"answer {number} of {len(found)}: {error}") from None
        keys.append(row.pop("key"))
        rows.append(row | {"reviewer": reviewer})
    if len(set(keys)) < len(keys):
        raise InputError("answers: two have the same key")
    return rows, keys


def _row(answer: Any, exposures: Exposures, taxonomy: Taxonomy) -> dict[str, Any]:
    if not isinstance(answer, dict) or (unknown := set(answer) - _FIELDS):
        what = f"unknown name(s) {', '.join(sorted(unknown))}" if isinstance(answer, dict) else "not an object"
        raise InputError(f"{what}; allowed: {', '.join(sorted(_FIELDS))}")
    verdict, category = answer.get("verdict"), answer.get("category")
    key, expnum, night = key_and_exposure(answer, exposures)
    ccdnum = answer.get("ccdnum")
    if ccdnum is not None and whole_number(ccdnum, "ccdnum", 999) not in exposures.ccds(expnum, night):
        raise InputError(f"exposure {expnum} has no CCD {ccdnum}")
    if verdict not in VERDICTS:
        raise InputError(f"verdict is {verdict!r}; allowed: {', '.join(VERDICTS)}")
    if category is not None and category not in taxonomy.all_categories:
        raise InputError(f"category is {category!r}; allowed: {', '.join(taxonomy.all_categories)}")
    if category is not None and verdict == "fine":
        raise InputError("a verdict `fine` has no category")
    texts = {
        "comment": _text(answer, "comment", MAX_COMMENT),
        "plver": _text(answer, "plver", 40),
        "model": _text(answer, "model", 80),
    }
    shown = _shown(answer.get("shown"))
    row = {"key": key, "expnum": expnum, "ccdnum": ccdnum, "verdict": verdict, "category": category}
    return row | texts | {"shown": shown}


def key_and_exposure(sent: Mapping[str, Any], exposures: Exposures) -> tuple[str, int, str]:
    """Return key, expnum and night of what a browser sends about an exposure; raises InputError if one is wrong."""
    key = sent.get("key")
    if not isinstance(key, str) or not _KEY.fullmatch(key):
        raise InputError("key: 8 to 80 letters, digits, _ or - are needed")
    expnum = whole_number(sent.get("expnum"), "expnum", MAX_EXPNUM)
    return key, expnum, exposures.night_of(expnum)


def whole_number(value: Any, name: str, highest: int) -> int:
    """Return `value` if it is a whole number from 1 to `highest`; raises InputError with its `name` for others."""
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= highest:
        raise InputError(f"{name} is {value!r}; a whole number from 1 to {highest} is needed")
    return value


def _text(answer: Mapping[str, Any], name: str, longest: int) -> str | None:
    value = answer.get(name)
    if value is not None and (not isinstance(value, str) or len(value) > longest or "\x00" in value):
        raise InputError(f"{name}: text of at most {longest} characters is needed")
    # half a character, as a browser may cut one off, can't be stored; the answer counts all the same
    return (value or "").encode(errors="replace").decode().strip() or None


def _shown(value: Any) -> str | None:
    if value is None:
        return None
    plain = isinstance(value, dict) and all(v is None or isinstance(v, str | int | float) for v in value.values())
    text = json.dumps(value, sort_keys=True) if plain else ""
    if not 0 < len(text) <= _MAX_SHOWN:
        raise InputError(f"shown: an object of numbers and texts, at most {_MAX_SHOWN} characters, is needed")
    return text
