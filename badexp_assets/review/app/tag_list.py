"""Tags as one reviewer may see them: their own, and others' on exposures that they have answered."""

from __future__ import annotations

import threading
from collections.abc import Collection
from typing import Any

import pandas as pd

from badexp_assets.errors import InputError
from badexp_assets.review.app.answers import key_and_exposure
from badexp_assets.review.app.exposures import Exposures
from badexp_assets.review.tags import TagChange, TagStore, tidy_tag
from badexp_assets.review.verdicts import is_reviewer

MAX_CHANGES = 500  # at once
_SUGGESTED = 60
_FIELDS = ("key", "expnum", "tag", "attached")


class TagList:
    """Tags for the list of candidates and the page of an exposure, read again only if they changed; thread-safe."""

    def __init__(self, store: TagStore) -> None:
        self.store = store
        self._tags: tuple[tuple[int, int], pd.DataFrame] | None = None
        self._lock = threading.Lock()

    def of_exposures(self, reviewer: str, answered: Collection[int]) -> tuple[dict[int, dict[str, Any]], list[str]]:
        """Return `tags` and `tags_of_others` of exposures with visible tags, and visible tags, most frequent first.

        `answered`: exposures that the reviewer has answered; tags of others can give a verdict away, and are seen on
        these only.
        """
        table = _visible(self._read(), reviewer, answered)
        often = table["tag"].value_counts()
        return _by_exposure(table), sorted(often.index, key=lambda tag: (-often[tag], tag))[:_SUGGESTED]

    def on(self, reviewer: str, expnum: int, answered: bool) -> dict[str, Any]:
        """Return `tags` and `tags_of_others` of an exposure, which the reviewer has `answered` or not."""
        table = self._read()
        table = _visible(table[table["expnum"] == expnum], reviewer, {expnum} if answered else ())
        return _by_exposure(table).get(expnum, no_tags())

    def _read(self) -> pd.DataFrame:
        state = self.store.state()
        with self._lock:
            if self._tags is None or self._tags[0] != state:
                self._tags = (state, self.store.read())
            return self._tags[1]


def _visible(table: pd.DataFrame, reviewer: str, answered: Collection[int]) -> pd.DataFrame:
    own = is_reviewer(table["reviewer"], reviewer)
    return table.assign(own=own)[own | table["expnum"].isin(answered)]


def _by_exposure(table: pd.DataFrame) -> dict[int, dict[str, Any]]:
    found: dict[int, dict[str, Any]] = {}
    for expnum, tag, name, own in zip(table["expnum"], table["tag"], table["reviewer"], table["own"], strict=True):
        tags = found.setdefault(int(expnum), no_tags())
        tags["tags"].append(tag) if own else tags["tags_of_others"].append({"tag": tag, "reviewer": name})
    return found


def no_tags() -> dict[str, Any]:
    """Return what `TagList` says of an exposure without visible tags."""
    return {"tags": [], "tags_of_others": []}


def read_tag_changes(sent: Any, exposures: Exposures) -> list[TagChange]:
    """Return the changes that a browser sends: {"changes": [{"key", "expnum", "tag", "attached"}]}.

    Raises InputError (UnknownExposureError) with the number of the wrong change and the reason.
    """
    found = sent.get("changes") if isinstance(sent, dict) else None
    if not isinstance(found, list) or not 1 <= len(found) <= MAX_CHANGES:
        raise InputError(f'tags: {{"changes": [...]}} with 1 to {MAX_CHANGES} changes is needed')
    changes = []
    for number, change in enumerate(found, start=1):
        try:
            changes.append(_change(change, exposures))
        except InputError as error:
            raise type(error)(f"change {number} of {len(found)}: {error}") from None
    if len({change.key for change in changes}) < len(changes):
        raise InputError("tags: two changes have the same key")
    return changes


def _change(change: Any, exposures: Exposures) -> TagChange:
    if not isinstance(change, dict) or set(change) != set(_FIELDS):
        raise InputError(f"an object with {', '.join(_FIELDS)} is needed")
    key, expnum, _ = key_and_exposure(change, exposures)
    attached = change["attached"]
    if not isinstance(attached, bool):
        raise InputError(f"attached is {attached!r}; true or false is needed")
    return TagChange(key, expnum, tidy_tag(change["tag"]), attached)
