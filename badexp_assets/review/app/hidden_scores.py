"""Leaves out what the methods say of candidates that a reviewer has not answered, because it anchors the answer."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

_ROW = ("category", "p_bad", "z_source", "z_background", "z_mse", "n_methods", "score", "rank")
_FACTS = ("rank", "why", "category", "n_bad", "n_scored")
_CCD = ("p_bad", "called_bad", "category", "colour", "difference", "difference_colour")


def without_scores_of_row(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row of the list of candidates without scores, categories and the reason."""
    return {**row, **dict.fromkeys(_ROW), "why": ""}


def without_scores(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return the facts of an exposure without scores, categories, votes and cuts of CCDs, labels and examples.

    `hidden` says so. The cuts of legacypipe are left out because one of them says that a list calls the exposure bad.
    """
    ccds = [ccd | dict.fromkeys(_CCD) | {"cuts": [], "hidden": True} for ccd in facts["plane"]["ccds"]]
    survey = None if facts["survey"] is None else {**facts["survey"], "cuts": None}
    return {
        **facts,
        **dict.fromkeys(_FACTS),
        "scores": dict.fromkeys(facts["scores"]),
        "plane": {**facts["plane"], "ccds": ccds},
        "survey": survey,
        "explanations": [],
        "labels": [],
        "hidden": True,
    }


def without_p_bad(surroundings: Mapping[str, Any], answered: Collection[int]) -> dict[str, Any]:
    """Return what surrounds an exposure without P(bad) of the exposures that are not among those `answered`."""
    night = [row if row["expnum"] in answered else {**row, "p_bad": None} for row in surroundings["night"]]
    return {**surroundings, "night": night}
