"""Labelled exposures of the home as examples of every category."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from badexp_assets.review.app.categories import Category
from badexp_assets.review.app.home_tables import HomeTables, records
from badexp_assets.survey.cameras import Camera

PER_CATEGORY = 6


@dataclass(frozen=True)
class Example:
    """A labelled exposure, or CCD of one (ccdnum None: the whole exposure), and where the label is from."""

    expnum: int
    ccdnum: int | None
    name: str
    reason: str


class Gallery:
    """Finds examples among the label lists' exposures that the home has a picture of."""

    def __init__(self, tables: HomeTables, categories: tuple[Category, ...], camera: Camera) -> None:
        self._tables, self._categories, self._camera = tables, categories, camera

    def examples(self) -> list[tuple[Category, list[Example]]]:
        """Return every category with at most PER_CATEGORY examples, each of another exposure, whole exposures first."""
        labels = self._tables.read("bad_ccd_labels")
        if labels is None:
            return [(category, []) for category in self._categories]
        nights = self._tables.nights()
        here = labels[labels["expnum"].isin(set(nights))]
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
