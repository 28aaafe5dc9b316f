"""Categories that a reviewer can choose, with their keys, descriptions and labelled examples."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources

import pandas as pd

from badexp_assets.labels.taxonomy import Taxonomy
from badexp_assets.review.app.home_tables import HomeTables, records
from badexp_assets.review.app.known_exposures import KnownExposures
from badexp_assets.survey.cameras import Camera

KEYS = "1234567890acdeghijklmnopqrstvwxy"
"""keys of categories, without those that answer or undo everywhere: b, f, u, z"""
PER_CATEGORY = 6  # examples


@dataclass(frozen=True)
class Category:
    """A category: its name in the taxonomy, its key, its description, and whether classifiers are trained on it."""

    name: str
    key: str
    words: str
    trained: bool


def describe_categories(taxonomy: Taxonomy) -> tuple[Category, ...]:
    """Return the categories of a taxonomy, trained ones first.

    Descriptions come from `categories.toml` or, for categories added by users, from the reasons (`why`) of their rules.
    """
    text = resources.files(__package__).joinpath("categories.toml").read_text(encoding="utf-8")
    known: dict[str, str] = tomllib.loads(text)
    found = []
    for number, name in enumerate(taxonomy.all_categories):
        whys = dict.fromkeys(entry.why for entry in taxonomy.entries if entry.category == name)
        words = known.get(name) or " ".join(whys)
        key = KEYS[number] if number < len(KEYS) else ""
        found.append(Category(name, key, words, name in taxonomy.categories))
    return tuple(found)


@dataclass(frozen=True)
class Example:
    """A labelled exposure or CCD (ccdnum None: the whole exposure), and the source and reason of its label."""

    expnum: int
    ccdnum: int | None
    name: str
    reason: str

    @property
    def picture(self) -> str:
        """Address of its small picture."""
        return f"/picture/{self.expnum}/{'small' if self.ccdnum is None else f'ccd/{self.ccdnum}/small'}"


class Gallery:
    """Finds examples of categories among the labelled exposures of which the home has a preview.

    Those that are mixed into queues of reviewers, or may be later, are left out.
    """

    def __init__(
        self, tables: HomeTables, categories: tuple[Category, ...], camera: Camera, known: KnownExposures
    ) -> None:
        self._tables, self._categories, self._camera, self._known = tables, categories, camera, known

    def examples(self) -> list[tuple[Category, list[Example]]]:
        """Return every category with up to PER_CATEGORY examples from different exposures, whole exposures first."""
        labels = self._tables.read("bad_ccd_labels")
        if labels is None:
            return [(category, []) for category in self._categories]
        nights = self._tables.nights()
        here = labels[labels["expnum"].isin(set(nights)) & ~labels["expnum"].isin(self._known.reserved())]
        first = here.sort_values("whole_exposure", ascending=False, kind="stable").drop_duplicates("expnum")
        return [(c, self._of(first[first["category"] == c.name], nights)) for c in self._categories]

    def _of(self, labels: pd.DataFrame, nights: Mapping[int, str]) -> list[Example]:
        found = []
        for row in records(labels[["expnum", "ccdnum", "whole_exposure", "source", "reason"]]):
            expnum, ccdnum = row["expnum"], None if row["whole_exposure"] else row["ccdnum"]
            if self._tables.row("night_previews", expnum, nights[expnum], ("expnum",)) is None:
                continue
            name = self._camera.by_number[ccdnum].ccdname if ccdnum in self._camera.by_number else ""
            words = f"{row['source']}: {row['reason']}" if row["reason"] else row["source"]
            found.append(Example(expnum, ccdnum, name, words))
            if len(found) == PER_CATEGORY:
                break
        return found
