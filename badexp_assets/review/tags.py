"""Tags: short free words that reviewers attach to exposures, such as `satellite?`. They are no answers."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from badexp_assets.errors import InputError
from badexp_assets.review.append_only import change_state, insert_once, not_retracted, now, retract_rows
from badexp_assets.review.database import TAG_CHANGES, TAG_RETRACTIONS, Database
from badexp_assets.review.spreadsheets import write_text_table
from badexp_assets.review.verdicts import is_reviewer, person

MAX_TAG = 40
"""characters of a tag"""
MAX_TAGS = 20
"""tags of a reviewer on one exposure"""
_MAX_TYPED = 200  # characters before a tag is tidied
_RULE = (
    f"1 to {MAX_TAG} characters without commas, line breaks, control and format characters are allowed, "
    "first a letter or digit"
)
# letters and marks that Unicode says are not shown (Default_Ignorable_Code_Point); static/tags.js has the same
_NOT_SHOWN = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180d\u180f\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)
_SPACES = re.compile("[ \u1680]+")  # NFKC makes spaces of all others
_COLUMNS = ("expnum", "tag", "reviewer", "at")
_HELD = not_retracted(TAG_CHANGES, TAG_RETRACTIONS)


class TagChange(NamedTuple):
    """A tag that is attached to an exposure or removed from it. `key`: a change with the same key is stored once."""

    key: str
    expnum: int
    tag: str
    attached: bool


def tidy_tag(text: Any) -> str:
    """Return a tag in its one spelling: lower case, NFKC, single spaces. Raises InputError for text that is no tag.

    Characters that are not shown, such as variation selectors, are left out, so that tags that look alike are one.
    Commas separate tags; a first letter or digit keeps spreadsheets from reading a tag as a formula. Control, format
    and private characters, halves of characters, and characters that Python's Unicode tables do not know are refused.
    """
    if not isinstance(text, str) or len(text) > _MAX_TYPED:
        raise InputError(f"tag: {_RULE}")
    shown = _NOT_SHOWN.sub("", text)
    tidy = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", shown).lower())
    tidy = " ".join(filter(None, _SPACES.split(tidy)))
    kinds = [unicodedata.category(character) for character in tidy]
    wrong = "," in tidy or any(kind[0] == "C" or kind in ("Zl", "Zp") for kind in kinds)
    if wrong or not 1 <= len(tidy) <= MAX_TAG or kinds[0][0] not in "LN":
        raise InputError(f"tag is {text!r}; {_RULE}")
    return tidy


class TagStore:
    """Tags of reviewers in the review database (`Database`); several processes may use it at once.

    Changes are only added: a tag is on an exposure if the latest change of it by a reviewer, of those that were not
    retracted, attached it. Each reviewer has tags of their own.
    """

    def __init__(self, where: str | Path | Database) -> None:
        self.database = where if isinstance(where, Database) else Database(where)

    def change(self, reviewer: str, changes: Sequence[TagChange]) -> list[int]:
        """Attach and remove tags, all or none, and return the ids of the changes.

        Raises InputError for an invalid tag, and if an exposure gets more than MAX_TAGS of the reviewer's tags.
        """
        tidy = [change._replace(tag=tidy_tag(change.tag)) for change in changes]
        time = now()
        expnums = {change.expnum for change in tidy if change.attached}
        with self.database.write() as connection:
            before = _numbers(connection, reviewer, expnums)
            ids = [
                insert_once(
                    connection,
                    TAG_CHANGES,
                    {**change._asdict(), "attached": int(change.attached), "reviewer": reviewer, "at": time},
                )
                for change in tidy
            ]
            for expnum, n in _numbers(connection, reviewer, expnums).items():
                if n > max(MAX_TAGS, before.get(expnum, 0)):  # undoing the removal of a tag can leave more
                    raise InputError(
                        f"exposure {expnum} would have {n} tags of {reviewer}; at most {MAX_TAGS} are allowed"
                    )
        return ids

    def retract(self, reviewer: str, changes: Sequence[int]) -> int:
        """Retract changes (ids), all or none; return how many of them had not been retracted before.

        Raises InputError for a change that does not exist or belongs to another reviewer.
        """
        with self.database.write() as connection:
            return retract_rows(connection, TAG_CHANGES, TAG_RETRACTIONS, reviewer, changes, "change of a tag")

    def read(self, expnum: int | None = None) -> pd.DataFrame:
        """Return the tags that are on exposures (`expnum`: on this one) as expnum, tag, reviewer, at; oldest first."""
        if not self.database.exists:
            return _held([])
        query = _changes() if expnum is None else _changes().where(TAG_CHANGES.c.expnum == expnum)
        with self.database.read() as connection:
            return _held(connection.execute(query).all())

    def state(self) -> tuple[int, int]:
        """Return (number of changes, number of retractions), which changes whenever the result of `read` does."""
        return change_state(self.database, TAG_CHANGES, TAG_RETRACTIONS)


def export_tags(table: pd.DataFrame, path: str | Path) -> None:
    """Write the tags that `TagStore.read` returns atomically to `.csv` or `.json` (list of objects)."""
    write_text_table(table, Path(path))


def _changes() -> sa.Select[Any]:
    columns = [TAG_CHANGES.c[name] for name in (*_COLUMNS, "attached")]
    return sa.select(*columns).where(_HELD).order_by(TAG_CHANGES.c.id)


def _held(changes: Sequence[Any]) -> pd.DataFrame:
    """Return the tags that are on after the `changes` in their order."""
    on: dict[tuple[int, str, str], tuple[Any, ...]] = {}
    for expnum, tag, reviewer, at, attached in changes:
        key = (expnum, tag, person(reviewer))
        if not attached:
            on.pop(key, None)
        elif key not in on:
            on[key] = (expnum, tag, reviewer, at)
    table = pd.DataFrame(list(on.values()), columns=list(_COLUMNS))
    return table.astype({"expnum": "int64", "tag": "str", "reviewer": "str", "at": "str"})


def _numbers(connection: Connection, reviewer: str, expnums: set[int]) -> dict[int, int]:
    """Return how many tags a reviewer has on each of the exposures that have some."""
    held = _held(connection.execute(_changes().where(TAG_CHANGES.c.expnum.in_(expnums))).all())
    own = held[is_reviewer(held["reviewer"], reviewer)]
    return dict(Counter(own["expnum"].tolist()))
