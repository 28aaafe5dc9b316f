"""What label files hold and how far it is understood, for the people who keep them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import pandas as pd

from badexp_assets.errors import BadExpError
from badexp_assets.labels.label_files import KINDS, LabelFiles, read_decals, read_delve, read_des
from badexp_assets.labels.luo2025_rules import PAPER_EXPOSURES, paper_comparison
from badexp_assets.labels.merge import merge_labels
from badexp_assets.labels.survey_ccds import read_survey
from badexp_assets.labels.taxonomy import Taxonomy
from badexp_assets.labels.text_lines import label_lines
from badexp_assets.survey.cameras import Camera

_COUNTS = ("lines", "label", "ignored", "unmatched")
_TEXT_KINDS = ("bad_expid", "exclude_lists")


@dataclass(frozen=True)
class Audit:
    """The findings; every table may be empty.

    `files`: file, kind, lines, label, ignored, unmatched. Rows of a table are its lines; comments and blank lines do
    not count; null where a kind of file has no such number.
    `unused`: names of files that are no label file by their name.
    `unmatched`: file, line, text, expected; line 0 stands for the file as a whole.
    `ignored`: reason, lines, first (`file:line`).
    `contradictions`: holds and against (category and source of the line that gave the label to a CCD image, and of
    another that names it), exposures, ccds, and for each of the two a `file:line`.
    `categories`: category, source, exposures, ccds after merging; a whole exposure has the CCDs of the survey tables,
    else those that the camera had on its night.
    `paper`: the bad_expid files against the paper's number of bad exposures, as `paper_comparison` gives it; empty when
    they list fewer exposures than that, so are not the list the paper read.
    """

    files: pd.DataFrame
    unused: tuple[str, ...]
    unmatched: pd.DataFrame
    ignored: pd.DataFrame
    contradictions: pd.DataFrame
    categories: pd.DataFrame
    paper: pd.DataFrame
    taxonomy: str

    @property
    def understood(self) -> bool:
        """Whether every line is."""
        return self.unmatched.empty

    def as_dict(self) -> dict[str, Any]:
        """All findings as plain values, for JSON; tables are lists of records."""
        tables = ("files", "unmatched", "ignored", "contradictions", "categories", "paper")
        found: dict[str, Any] = {"taxonomy": self.taxonomy, "unused": list(self.unused)}
        for name in tables:
            table = getattr(self, name).astype(object)
            found[name] = table.where(table.notna(), None).to_dict("records")
        return found


class VerdictRows(Protocol):
    """What the audit asks of a verdict file that has been read."""

    @property
    def n_rows(self) -> int:
        """Rows of the file."""

    @property
    def findings(self) -> list[str]:
        """A line of words for every cell that is not understood."""


def audit_labels(
    files: LabelFiles,
    camera: Camera,
    taxonomy: Taxonomy,
    read_verdicts: Callable[[Path, Taxonomy], VerdictRows] | None = None,
) -> Audit:
    """Read all label files and tell what became of every line.

    `read_verdicts` reads a verdict file (as `review.spreadsheets.read_verdict_file` does); without it they are only
    listed.
    """
    tables = {
        "bad_expid": read_decals(files, camera, taxonomy),
        "exclude_tables": read_des(files, camera, taxonomy),
        "exclude_lists": read_delve(files, camera, taxonomy),
    }
    lines = pd.concat([table.assign(kind=kind).astype(object) for kind, table in tables.items()], ignore_index=True)
    survey = read_survey(files, camera)
    merged = merge_labels(
        tables["bad_expid"], tables["exclude_tables"], tables["exclude_lists"], None, survey, camera, taxonomy
    )
    paper = paper_comparison(tables["bad_expid"], taxonomy)
    counts, unmatched = _count(lines), _unmatched(lines, files)
    for name, found in survey.attrs["counts"].items():
        counts[name] = {"lines": found["rows"], "ignored": found["rows"] - found["kept"], "unmatched": 0}
    for problem in survey.attrs["problems"]:
        name = next(files.relative(path) for path in files.survey if problem.startswith(f"{path}:"))
        counts.setdefault(name, {})["unmatched"] = 1
        unmatched.append((name, 0, "", problem))
    for path in files.verdicts if read_verdicts else ():
        rows, findings = _verdicts(path, taxonomy, read_verdicts)
        counts[files.relative(path)] = {"lines": rows, "unmatched": len(findings)}
        unmatched += [(files.relative(path), 0, "", finding) for finding in findings]
    empty = dict.fromkeys(_COUNTS, 0)  # of a label file without lines
    listed = [
        {"file": name, "kind": kind} | counts.get(name, empty if kind in tables else {})
        for kind in KINDS
        for name in files.listing()[kind]
    ]
    return Audit(
        files=pd.DataFrame(listed, columns=["file", "kind", *_COUNTS]).astype(dict.fromkeys(_COUNTS, "Int64")),
        unused=files.unused,
        unmatched=pd.DataFrame(unmatched, columns=["file", "line", "text", "expected"]),
        ignored=_ignored(lines),
        contradictions=_contradictions(merged.contradictions),
        categories=_categories(merged.table),
        paper=paper if tables["bad_expid"]["expnum"].nunique() >= PAPER_EXPOSURES else paper.iloc[:0],
        taxonomy=f"{taxonomy.name} (sha256 {taxonomy.sha256[:16]})",
    )


def _verdicts(path: Path, taxonomy: Taxonomy, read: Any) -> tuple[int, list[str]]:
    try:
        found = read(path, taxonomy)
    except BadExpError as error:
        return 0, [str(error)]
    return found.n_rows, found.findings


def _count(lines: pd.DataFrame) -> dict[str, dict[str, int]]:
    counts: dict[str, dict[str, int]] = {}
    for name, statuses in lines.groupby("file")["status"]:
        found = {status: int((statuses == status).sum()) for status in _COUNTS[1:]}
        counts[str(name)] = {"lines": len(statuses), **found}
    return counts


def _unmatched(lines: pd.DataFrame, files: LabelFiles) -> list[tuple[str, int, str, str]]:
    """(file, line, text, what was expected) of every unmatched line; the text as it stands in the file."""
    paths = {name: path for path, name in files.names.items()}
    found = []
    for name, group in lines[lines["status"] == "unmatched"].groupby("file", sort=False):
        text: dict[int, str] = {}
        if group["kind"].iloc[0] in _TEXT_KINDS and group["line"].iloc[0] > 0:
            text = dict(label_lines(paths[str(name)]))
        for line, reason, expected in zip(group["line"], group["reason"], group["status_reason"], strict=True):
            found.append(
                (str(name), int(line), text.get(line, reason if isinstance(reason, str) else "").strip(), expected)
            )
    return found


def _ignored(lines: pd.DataFrame) -> pd.DataFrame:
    found = lines[lines["status"] == "ignored"]
    place = found["file"] + ":" + found["line"].astype(str)
    groups = found.assign(first=place).groupby("status_reason", sort=False)
    table = groups.agg(lines=("line", "size"), first=("first", "first")).rename_axis("reason").reset_index()
    return table.sort_values(["lines", "reason"], ascending=[False, True]).reset_index(drop=True)


def _contradictions(lines: pd.DataFrame) -> pd.DataFrame:
    columns = ["holds", "against", "exposures", "ccds", "example", "example_against"]
    if lines.empty:
        return pd.DataFrame(columns=columns)
    lines = lines.assign(place=lines["file"] + ":" + lines["line"].astype(str))
    lines["says"] = lines["category"] + " (" + lines["source"] + ")"
    holds = lines[lines["holds"].astype(bool)]
    pairs = holds.merge(lines[~lines["holds"].astype(bool)], on=["expnum", "ccdnum"], suffixes=("", "_other"))
    pairs = pairs[pairs["category"] != pairs["category_other"]]
    pairs = pairs.drop_duplicates(["expnum", "ccdnum", "says", "says_other"])
    groups = pairs.groupby(["says", "says_other"], as_index=False)
    table = groups.agg(
        exposures=("expnum", "nunique"),
        ccds=("ccdnum", "size"),
        example=("place", "first"),
        example_against=("place_other", "first"),
    ).rename(columns={"says": "holds", "says_other": "against"})
    return table.sort_values(["ccds", "holds", "against"], ascending=[False, True, True])[columns].reset_index(
        drop=True
    )


def _categories(labels: pd.DataFrame) -> pd.DataFrame:
    groups = labels.groupby(["category", "source"], as_index=False)
    return groups.agg(exposures=("expnum", "nunique"), ccds=("ccdnum", "size"))
