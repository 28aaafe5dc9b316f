"""Audits label files: how each line was read, for the people who maintain the files."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from numbers import Number
from pathlib import Path
from typing import Any, Protocol

import pandas as pd

from badexp_assets.errors import BadExpError
from badexp_assets.labels.label_files import LabelFiles, read_decals, read_delve, read_des
from badexp_assets.labels.luo2025_comparison import LUO2025_EXPOSURES, LUO2025_IMAGES, compare_with_luo2025
from badexp_assets.labels.merge import merge_labels
from badexp_assets.labels.survey_ccds import read_survey
from badexp_assets.labels.taxonomy import Taxonomy
from badexp_assets.labels.text_lines import numbered_lines
from badexp_assets.survey.cameras import Camera

_COUNTS = ("lines", "label", "ignored", "unmatched")
_TEXT_KINDS = ("bad_expid", "exclude_lists")


@dataclass(frozen=True)
class Audit:
    """Results of an audit; every table may be empty.

    `files`: file, kind, and numbers of lines, label, ignored, unmatched (comments and blank lines are not counted; null
    if a kind of file has no such number). `unused`: names of files whose name is not that of a label file. `unmatched`:
    file, line (0: the whole file), text, expected. `ignored`: reason, lines, first (`file:line`). `contradictions`:
    holds and against (category and source of the line that gave a CCD image its label, and of a line with another
    category), exposures, ccds, and a `file:line` for each. `categories`: category, source, exposures, ccds after
    merging. `paper`: comparison of the bad_expid files with Luo et al. 2025 (see `compare_with_luo2025`); empty if they
    list fewer exposures than Luo et al. use, because they are then not the same list. `taxonomy`: name and hash.
    `labels`: the merged labels. `table_2`: bad images for training, in the layout of Table 2 of Luo et al. 2025 (see
    `training.table_2`), and `balance_options`, how they are balanced; empty until `badexp labels` sets them.
    """

    files: pd.DataFrame
    unused: tuple[str, ...]
    unmatched: pd.DataFrame
    ignored: pd.DataFrame
    contradictions: pd.DataFrame
    categories: pd.DataFrame
    paper: pd.DataFrame
    taxonomy: str
    labels: pd.DataFrame
    table_2: pd.DataFrame = field(default_factory=pd.DataFrame)
    balance_options: str = ""

    @property
    def understood(self) -> bool:
        """Whether every line of every file is understood."""
        return self.unmatched.empty

    def as_dict(self) -> dict[str, Any]:
        """Return all results as plain values for JSON; tables are lists of records."""
        tables = ("files", "unmatched", "ignored", "contradictions", "categories", "paper", "table_2")
        found: dict[str, Any] = {"taxonomy": self.taxonomy, "unused": list(self.unused)}
        for name in tables:
            table = getattr(self, name).astype(object)
            found[name] = table.where(table.notna(), None).to_dict("records")
        return found


class VerdictRows(Protocol):
    """Protocol of what `read_verdicts` returns for a verdict file."""

    @property
    def n_rows(self) -> int:
        """Number of rows of the file."""

    @property
    def findings(self) -> list[str]:
        """One text for every cell that is not understood."""


def audit_labels(
    files: LabelFiles,
    camera: Camera,
    taxonomy: Taxonomy,
    read_verdicts: Callable[[Path, Taxonomy], VerdictRows] | None = None,
) -> Audit:
    """Read all label files and return how every line was read.

    `read_verdicts`: reader of verdict files (such as `review.spreadsheets.read_verdict_file`); without it they are only
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
    paper = compare_with_luo2025(tables["bad_expid"], taxonomy)
    counts, unmatched = _count_lines(lines), _unmatched(lines, files)
    for name, found in survey.attrs["counts"].items():
        counts[name] = {"lines": found["rows"], "ignored": found["rows"] - found["kept"], "unmatched": 0}
    for problem in survey.attrs["problems"]:
        name = next(files.names[path] for path in files.survey if problem.startswith(f"{path}:"))
        counts.setdefault(name, {})["unmatched"] = 1
        unmatched.append((name, 0, "", problem))
    if read_verdicts is not None:
        for path in files.verdicts:
            name = files.names[path]
            try:
                verdicts = read_verdicts(path, taxonomy)
                n_rows, findings = verdicts.n_rows, verdicts.findings
            except BadExpError as error:
                n_rows, findings = 0, [str(error)]
            counts[name] = {"lines": n_rows, "unmatched": len(findings)}
            unmatched += [(name, 0, "", finding) for finding in findings]
    empty = dict.fromkeys(_COUNTS, 0)  # for a label file without lines
    listed = [
        {"file": name, "kind": kind} | counts.get(name, empty if kind in tables else {})
        for kind, names in files.listing().items()
        for name in names
    ]
    return Audit(
        files=pd.DataFrame(listed, columns=["file", "kind", *_COUNTS]).astype(dict.fromkeys(_COUNTS, "Int64")),
        unused=files.unused,
        unmatched=pd.DataFrame(unmatched, columns=["file", "line", "text", "expected"]),
        ignored=_ignored(lines),
        contradictions=_contradictions(merged.contradictions),
        categories=_categories(merged.table),
        paper=paper if tables["bad_expid"]["expnum"].nunique() >= LUO2025_EXPOSURES else paper.iloc[:0],
        taxonomy=f"{taxonomy.name} (sha256 {taxonomy.sha256[:16]})",
        labels=merged.table,
    )


def _count_lines(lines: pd.DataFrame) -> dict[str, dict[str, int]]:
    counts: dict[str, dict[str, int]] = {}
    for name, statuses in lines.groupby("file")["status"]:
        found = {status: int((statuses == status).sum()) for status in _COUNTS[1:]}
        counts[str(name)] = {"lines": len(statuses), **found}
    return counts


def _unmatched(lines: pd.DataFrame, files: LabelFiles) -> list[tuple[str, int, str, str]]:
    """Return (file, line, text, what was expected) of every unmatched line; the text as in the file if it is text."""
    paths = {name: path for path, name in files.names.items()}
    found = []
    for name, group in lines[lines["status"] == "unmatched"].groupby("file", sort=False):
        text: dict[int, str] = {}
        if group["kind"].iloc[0] in _TEXT_KINDS and group["line"].iloc[0] > 0:
            text = dict(numbered_lines(paths[str(name)]))
        reasons = group["reason"].map(lambda reason: reason if isinstance(reason, str) else "")
        for line, reason, expected in zip(group["line"], reasons, group["status_reason"], strict=True):
            found.append((str(name), int(line), text.get(line, reason).strip(), expected))
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
    lines["label"] = lines["category"] + " (" + lines["source"] + ")"
    holds = lines[lines["holds"].astype(bool)]
    pairs = holds.merge(lines[~lines["holds"].astype(bool)], on=["expnum", "ccdnum"], suffixes=("", "_other"))
    pairs = pairs[pairs["category"] != pairs["category_other"]]
    pairs = pairs.drop_duplicates(["expnum", "ccdnum", "label", "label_other"])
    groups = pairs.groupby(["label", "label_other"], as_index=False)
    table = groups.agg(
        exposures=("expnum", "nunique"),
        ccds=("ccdnum", "size"),
        example=("place", "first"),
        example_against=("place_other", "first"),
    ).rename(columns={"label": "holds", "label_other": "against"})
    return table.sort_values(["ccds", "holds", "against"], ascending=[False, True, True])[columns].reset_index(
        drop=True
    )


def _categories(labels: pd.DataFrame) -> pd.DataFrame:
    groups = labels.groupby(["category", "source"], as_index=False)
    return groups.agg(exposures=("expnum", "nunique"), ccds=("ccdnum", "size"))


def format_audit(audit: Audit, form: str) -> str:
    """Return the audit as text in the format `json` or `table` (for people; empty sections are omitted)."""
    if form == "json":
        return json.dumps(audit.as_dict(), indent=1, allow_nan=False)
    return "\n".join(_lines(audit))


def _lines(audit: Audit) -> Iterator[str]:
    files = audit.files
    yield f"taxonomy: {audit.taxonomy}"
    yield f"{len(files)} label files" + (", with the number of lines by status:" if len(files) else " found")
    for kind, group in files.groupby("kind", sort=False):
        yield f"\n{kind}"
        yield _table(group.drop(columns="kind"))
    if audit.unused:
        yield f"\n{len(audit.unused)} files do not have the name of a label file and are not read:"
        yield from (f"  {name}" for name in audit.unused)
    if len(audit.ignored):
        yield "\nignored lines, by reason:"
        yield _table(audit.ignored)
    if len(audit.contradictions):
        yield "\ncontradictions: lines that name different categories for one CCD image"
        yield _table(audit.contradictions)
    if len(audit.categories):
        yield "\nlabels after merging: exposures / CCD images by category and source"
        yield _table(_by_source(audit.categories))
    if len(audit.paper):
        yield "\nbad_expid lists compared with the bad exposures of Luo et al. 2025 (arXiv:2507.12784, DR10.2):"
        yield _table(audit.paper)
    if len(audit.table_2):
        yield "\nTable 2 of Luo et al. 2025: bad CCD images as listed, capped per exposure and thinned, beside theirs"
        yield f"  {audit.balance_options}"
        yield f"  Luo et al. count {LUO2025_IMAGES:,} images in all, some of other categories and some of two"
        yield _table(audit.table_2)
    if audit.understood:
        yield "\nevery line is understood"
        return
    yield f"\n{len(audit.unmatched)} lines are not understood:"
    for name, line, text, expected in audit.unmatched.itertuples(index=False):
        yield f"{name}:{line}: {text}\n    {expected}" if line else f"{name}: {expected}"


def _by_source(categories: pd.DataFrame) -> pd.DataFrame:
    cells = categories["exposures"].astype(str) + " / " + categories["ccds"].astype(str)
    table = categories.assign(cell=cells).pivot(index="category", columns="source", values="cell")
    return table.rename_axis(columns=None).reset_index()


def _table(table: pd.DataFrame) -> str:
    """Return a table as text: texts left, numbers right aligned, missing numbers as a dash."""
    numbers = [name for name in table.columns if all(isinstance(v, Number) for v in table[name].dropna())]
    cells = table.astype(object).where(table.notna(), "-").astype(str)
    rows = [[str(name) for name in cells.columns], *cells.to_numpy().tolist()]
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    right = [name in numbers for name in table.columns]
    lines = (
        "  ".join(f"{c:>{w}}" if r else f"{c:<{w}}" for c, w, r in zip(row, widths, right, strict=True)) for row in rows
    )
    return "\n".join(f"  {line.rstrip()}" for line in lines)
