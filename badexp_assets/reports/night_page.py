"""The report of a night, as an HTML page and as Markdown."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from badexp_assets.config.night_options import RANKING_SCORES, RankBy
from badexp_assets.io.parquet import atomic_path
from badexp_assets.reports.night_summary import NightSummary
from badexp_assets.reports.page import data_uri, write_page

_CANDIDATES = "candidates.html"


def write_night_report(
    page: Path, text: Path, summary: NightSummary, previews: Mapping[int, bytes], trends: bytes | None
) -> str:
    """Write the report to `page` (HTML, which contains its pictures) and `text` (Markdown); return the text.

    `previews`: pictures by expnum; `trends`: `trends_figure` of the summary. Links lead to the page of candidates, in
    the parent of the folder of `page`. Raises StorageError if a file cannot be written.
    """
    values = {
        "summary": summary,
        "total": summary.total,
        "worst": [_card(row, previews, summary.rank_by) for row in summary.worst.to_dict("records")],
        "trends": data_uri(trends) if trends else None,
        "n_nights": summary.trends["night"].nunique(),
        "candidates": _CANDIDATES if (page.parent.parent / _CANDIDATES).exists() else None,
    }
    write_page("night.html.j2", page, values)
    words = night_markdown(summary)
    with atomic_path(text) as temporary:
        temporary.write_text(words, encoding="utf-8")
    return words


def night_markdown(summary: NightSummary) -> str:
    """Return the report as Markdown, without pictures."""
    total = summary.total
    lines = [f"# Night {summary.night}", "", headline(summary), ""]
    lines += [f"- **{finding}**" for finding in summary.findings] + ([""] if summary.findings else [])
    lines += ["## Exposures", "", *_table(summary.counts), ""]
    if len(summary.failures):
        lines += ["## Not scored", "", *_table(summary.failures), ""]
    if len(summary.ccd_failures):
        lines += ["## CCD images that could not be read", "", *_table(summary.ccd_failures), ""]
    lines += ["## Worst exposures", ""]
    worst = [_card(row, {}, summary.rank_by) for row in summary.worst.to_dict("records")]
    columns = ("expnum", "filter", "category", "verdict", "scores", "candidate")
    lines += _table(pd.DataFrame(worst, columns=columns)) if worst else ["none stands out"]
    lines += ["", "## Drift", "", summary.drift.description if summary.drift else "no classifier scored the night", ""]
    if total["n"]:
        own = summary.trends[summary.trends["night"] == summary.night]
        own = own[["filter", "seeing", "sky"]].rename(columns={"seeing": "seeing, arcsec", "sky": "sky, ADU/s"})
        lines += ["## Seeing and sky", "", *_table(own), ""]
    lines += ["## Scored by", "", *(f"- {name}: {version}" for name, version in summary.versions.items())]
    return "\n".join(lines) + "\n"


def headline(summary: NightSummary) -> str:
    """Return the counts of the night in a sentence: scored + failed + excluded = all."""
    total = summary.total
    words = f"{total['n']} exposures: {total['scored']} scored, {total['failed']} failed, {total['excluded']} excluded"
    return f"{words}; {total['bad']} called bad."


def _card(row: Mapping[Any, Any], previews: Mapping[int, bytes], rank_by: RankBy) -> dict[str, Any]:
    """Return what the page shows of one of the worst exposures."""
    verdict = "not classified"
    if not math.isnan(row["p_bad"]):
        verdict = f"P(bad) {row['p_bad']:.2f}, {row['n_bad']:.0f} of {row['n_scored']:.0f} CCDs called bad"
    source, background = RANKING_SCORES[rank_by]
    kind = "KL {:.3f}" if rank_by == "kl" else "z {:.1f}"
    scores = (
        ("sources", kind, row[source]),
        ("background", kind, row[background]),
        ("autoencoder", "z {:.1f}", row["z_mse"]),
    )
    return {
        "expnum": int(row["expnum"]),
        "filter": row["filter"],
        "category": row["category"] if isinstance(row["category"], str) else "unknown",
        "is_bad": bool(row["is_bad"]),
        "verdict": verdict,
        "scores": ", ".join(f"{name} {word.format(x)}" for name, word, x in scores if not math.isnan(x)) or "none",
        "candidate": "" if pd.isna(row["rank"]) else f"number {int(row['rank'])}",
        "preview": data_uri(previews.get(int(row["expnum"]))),
    }


def _table(table: pd.DataFrame) -> list[str]:
    lines = ["| " + " | ".join(map(str, table.columns)) + " |", "|" + " --- |" * len(table.columns)]
    return lines + ["| " + " | ".join(_cell(value) for value in row) + " |" for row in table.itertuples(index=False)]


def _cell(value: Any) -> str:
    text = f"{value:.3g}" if isinstance(value, float) else str(value)
    return text.replace("|", "\\|").replace("\n", " ")
