"""The page of review candidates: scores, votes, pictures and explanations."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from badexp_assets.classify.classifier import kind_in_words
from badexp_assets.pixels.ccd_picture import HEAT_TOP
from badexp_assets.pixels.focal_plane_svg import HIGHEST_DIFFERENCE, colour_of, plane_svg
from badexp_assets.reports.page import data_uri, write_page
from badexp_assets.survey.cameras import Camera

_SCORES = {  # column of review_candidates, name, and format
    "p_bad": ("P(bad) of the exposure", "{:.2f}"),
    "z_source": ("entropy of sources, z", "{:.1f}"),
    "kl_source": ("entropy of sources, KL (nats)", "{:.3f}"),
    "z_background": ("entropy of the background, z", "{:.1f}"),
    "kl_background": ("entropy of the background, KL (nats)", "{:.3f}"),
    "z_mse": ("autoencoder error, z", "{:.1f}"),
}


def write_candidates_page(
    path: Path,
    candidates: pd.DataFrame,
    explanations: pd.DataFrame,
    votes: pd.DataFrame,
    previews: Mapping[int, bytes],
    thumbnails: Mapping[tuple[int, int], bytes],
    camera: Camera,
    n_candidates: int,
) -> None:
    """Write the page of `candidates` (rows of review_candidates) as one HTML file that contains its pictures.

    `explanations`: candidate_explanations; `votes`: night_predictions of these exposures; `previews`: pictures by
    expnum; `thumbnails`: pictures by (expnum, ccdnum); `n_candidates`: number of all candidates.
    """
    by_exposure = dict(tuple(explanations.groupby("expnum")))
    votes_of = dict(tuple(votes.groupby("expnum")))
    names = {ccd.ccdnum: ccd.ccdname for ccd in camera.ccds}
    rows = candidates.sort_values("rank").to_dict("records")
    cards = (
        _card(
            row,
            by_exposure.get(row["expnum"], explanations.iloc[:0]),
            votes_of.get(row["expnum"]),
            previews.get(int(row["expnum"])),
            thumbnails,
            camera,
            names,
        )
        for row in rows
    )
    columns = {"category": "category", "night": "night", "band": "filter"}
    choices = {name: sorted({str(row[column]) for row in rows}) for name, column in columns.items()}
    values = {"cards": cards, "n_shown": len(candidates), "n_candidates": n_candidates, "colour_of": colour_of}
    values |= {"index": [_index_row(row) for row in rows], "choices": choices, "north_up": bool(camera.x_towards)}
    values |= {"heat_top": f"{HEAT_TOP:g}", "highest_difference": f"{HIGHEST_DIFFERENCE:g}"}
    write_page("candidates.html.j2", path, values)


def _index_row(row: dict[Any, Any]) -> dict[str, Any]:
    p_bad = row.get("p_bad")
    known = {name: row[name] for name in ("rank", "expnum", "category", "night", "filter", "why")}
    return known | {"p_bad": "" if p_bad is None or pd.isna(p_bad) else f"{p_bad:.2f}"}


def _card(
    row: dict[Any, Any],
    explained: pd.DataFrame,
    votes: pd.DataFrame | None,
    preview: bytes | None,
    thumbnails: Mapping[tuple[int, int], bytes],
    camera: Camera,
    names: Mapping[int, str],
) -> dict[str, Any]:
    scores = [
        (name, form.format(row[column]))
        for column, (name, form) in _SCORES.items()
        if column in row and row[column] is not None and not pd.isna(row[column])
    ]
    ccds = [_ccd(r, thumbnails, names) for r in explained.sort_values("place").to_dict("records")]
    return {
        "rank": int(row["rank"]),
        "expnum": int(row["expnum"]),
        "night": row["night"],
        "filter": row["filter"],
        "category": row["category"],
        "why": row["why"],
        "scores": scores,
        "preview": data_uri(preview),
        "votes": None if votes is None or votes.empty else plane_svg(camera, _votes(votes)),
        "differences": plane_svg(camera, differences) if (differences := _differences(votes)) else None,
        "ccds": ccds,
    }


def _votes(votes: pd.DataFrame) -> dict[int, tuple[float, str]]:
    rows = zip(votes["ccdnum"], votes["category"], votes["p_bad"], strict=True)
    return {int(n): (float(p), f"{kind_in_words(category, p)}, P(bad) {p:.2f}") for n, category, p in rows}


def _differences(votes: pd.DataFrame | None) -> dict[int, tuple[float, str]]:
    if votes is None or "focal_plane_difference" not in votes:
        return {}
    known = votes[votes["focal_plane_difference"].notna()]
    rows = zip(known["ccdnum"], known["focal_plane_difference"], strict=True)
    return {int(n): (float(d) / HIGHEST_DIFFERENCE, f"differs from good CCDs by {d:.2f}") for n, d in rows}


def _ccd(row: dict[Any, Any], thumbnails: Mapping[tuple[int, int], bytes], names: Mapping[int, str]) -> dict[str, Any]:
    found = json.loads(row["examples"])
    return {
        "name": names.get(int(row["ccdnum"]), f"CCD {int(row['ccdnum'])}"),
        "category": kind_in_words(row["category"], row["p_bad"]) if isinstance(row["category"], str) else None,
        "p_bad": None if pd.isna(row["p_bad"]) else float(row["p_bad"]),
        "anomaly": None if math.isnan(row["anomaly"]) else float(row["anomaly"]),
        "place": None if pd.isna(row["anomaly_x"]) else (int(row["anomaly_x"]), int(row["anomaly_y"])),
        "map": data_uri(row["map_png"]) if isinstance(row["map_png"], bytes) else None,
        "reason": row["reason"] if isinstance(row["reason"], str) else None,
        "examples": [
            e
            | {
                "name": names.get(e["ccdnum"], e["ccdnum"]),
                "picture": data_uri(thumbnails.get((e["expnum"], e["ccdnum"]))),
            }
            for e in found
        ],
    }
