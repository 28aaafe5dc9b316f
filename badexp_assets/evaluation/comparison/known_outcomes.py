"""Known outcomes of exposures, independent of the methods: from a truth file, or from verdicts and labels."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from badexp_assets.config.evaluation_options import ComparisonParams, Unsure
from badexp_assets.errors import BadExpError, InputError
from badexp_assets.labels.bad_expid import read_expnum
from badexp_assets.labels.sheets import read_sheets, whole_number
from badexp_assets.labels.taxonomy import UNKNOWN

COLUMNS = ("expnum", "bad", "prominent", "source", "category", "kind")
_TRUE, _FALSE = {"true", "1", "1.0", "yes"}, {"false", "0", "0.0", "no"}
_DEGREES = {"prominent": True, "dubious": False}
_KINDS = {"source": (True, False), "background": (False, True), "both": (True, True), "neither": (False, False)}


def read_truth(path: Path, prominent_severity: float) -> pd.DataFrame:
    """Read a CSV or XLSX file with the columns expnum and bad (see `read_sheets`); return a table with COLUMNS.

    Optional columns: `degree` (prominent, dubious or empty) or else `severity`; `category`; `kind` (source, background,
    both, neither or empty). prominent: degree, or severity of at least `prominent_severity`; null without either, False
    for good exposures. Raises InputError if the file cannot be read, lacks `expnum` or `bad`, lists an exposure twice,
    or has other values of bad, degree or kind.
    """
    table = _read_table(path)
    if table["expnum"].duplicated().any():
        twice = table.loc[table["expnum"].duplicated(), "expnum"].iloc[0]
        raise InputError(f"comparison.truth: {path} names exposure {twice} twice; one row each is allowed")
    words = table["bad"].astype(str).str.strip().str.lower()
    odd = ~words.isin(_TRUE | _FALSE)
    if odd.any():
        raise InputError(f"comparison.truth: {path}: bad is {table.loc[odd, 'bad'].iloc[0]!r}; true or false is needed")
    found = pd.DataFrame({"expnum": table["expnum"].astype("int64"), "bad": words.isin(_TRUE)})
    prominent = pd.Series(pd.NA, index=table.index, dtype="boolean")
    if "severity" in table:
        severity = pd.to_numeric(table["severity"], errors="coerce")
        prominent = (severity >= prominent_severity).astype("boolean").mask(severity.isna())
    degree = _words(table, "degree", _DEGREES, path)
    prominent = degree.map(_DEGREES).astype("boolean").fillna(prominent)
    found["prominent"] = prominent.mask(~found["bad"], False)
    found["category"] = table["category"].astype(object) if "category" in table else None
    found["kind"] = _words(table, "kind", _KINDS, path)
    return found.assign(source="truth file")[list(COLUMNS)]


def _read_table(path: Path) -> pd.DataFrame:
    """Return the rows of the first sheet with the columns expnum (int64) and bad; text, or null where it is empty."""
    try:
        sheets = read_sheets(path)
    except BadExpError as error:
        raise InputError(f"comparison.truth: {error}") from error
    columns = [[column.lower() for column in sheet.columns] for sheet in sheets]
    place = next((i for i, found in enumerate(columns) if {"expnum", "bad"} <= set(found)), None)
    if place is None:
        lost = [name for name in ("expnum", "bad") if name not in columns[0]]
        found = ", ".join(sheets[0].columns)
        raise InputError(f"comparison.truth: {path} has no column {', '.join(lost)}; found {found}")
    rows = []
    for row in sheets[place].rows:
        expnum = read_expnum(whole_number(row.cells["expnum"]))
        if row.problem is not None or expnum is None:
            problem = row.problem or f"expnum is {row.cells['expnum']!r}; an exposure number is needed"
            raise InputError(f"comparison.truth: {path}:{row.line}: {problem}")
        rows.append({name: value or None for name, value in row.cells.items()} | {"expnum": expnum})
    return pd.DataFrame(rows, columns=columns[place]).astype({"expnum": "int64"})


def _words(table: pd.DataFrame, column: str, allowed: Mapping[str, object], path: Path) -> pd.Series:
    """Return a column of words, null where it is empty or missing."""
    if column not in table:
        return pd.Series(None, index=table.index, dtype=object)
    words = table[column].astype(object).where(table[column].notna(), None)
    words = words.map(lambda word: str(word).strip().lower() or None, na_action="ignore")
    odd = words[words.notna() & ~words.isin(allowed)]
    if len(odd):
        raise InputError(
            f"comparison.truth: {path}: {column} is {odd.iloc[0]!r}; {', '.join(allowed)} or nothing is needed"
        )
    return words


def known_outcomes(
    verdicts: pd.DataFrame,
    outcomes: pd.DataFrame,
    listed: set[int],
    categories: Mapping[int, str] | None = None,
    unsure: Unsure = "unknown",
) -> pd.DataFrame:
    """Return COLUMNS of exposures that were reviewed or that a label list calls bad (`listed`).

    `outcomes`: the table review_outcomes, in which a reviewer counts once for the CP version that decides; rows of
    single CCDs do not count. A rejected exposure is bad, and prominent if nobody called it fine or was unsure. An
    exposure that is not rejected is fine if more reviewers say fine than bad and, with `unsure` = dubious, than bad or
    unsure together. Otherwise it is left out, or with `unsure` = dubious it is bad and not prominent (dubious) if more
    say bad or unsure than fine; its category is that of most answers in `verdicts`, those that hold, which are not
    fine. Outcomes take precedence over label lists, whose exposures have the category of `categories`; their prominent
    is null. kind is null.
    """
    whole = outcomes[outcomes["ccdnum"].isna()].set_index("expnum")
    is_bad = whole["outcome"] == "rejected"
    rejected, others = whole[is_bad], whole[~is_bad]
    bad = pd.DataFrame(
        {
            "expnum": rejected.index,
            "bad": True,
            "prominent": ((rejected["n_fine"] == 0) & (rejected["n_unsure"] == 0)).to_numpy(bool),
            "source": "verdicts",
            "category": rejected["category"].to_numpy(object),
        }
    )
    against = others["n_bad"] + (others["n_unsure"] if unsure == "dubious" else 0)
    fine = others.index[others["n_fine"] > against]
    good = pd.DataFrame({"expnum": fine, "bad": False, "prominent": False, "source": "verdicts"})
    doubted = others.index[(against > others["n_fine"]) & (unsure == "dubious")]
    dubious = pd.DataFrame({"expnum": doubted, "bad": True, "prominent": False, "source": "verdicts"})
    dubious["category"] = [_category_of_most(verdicts, expnum) for expnum in doubted]
    rest = sorted(listed - set(whole.index))
    lists = pd.DataFrame({"expnum": rest, "bad": True, "prominent": None, "source": "label lists"})
    lists["category"] = [(categories or {}).get(expnum) for expnum in rest]
    types: Any = {"expnum": "int64", "bad": "bool", "prominent": "boolean", "category": object, "kind": object}
    parts = [part.reindex(columns=list(COLUMNS)).astype(types) for part in (bad, good, dubious, lists)]
    return pd.concat(parts, ignore_index=True).sort_values("expnum", ignore_index=True)


def _category_of_most(verdicts: pd.DataFrame, expnum: int) -> str:
    """Return the category that most of those who do not call the exposure fine name; `unknown` if none is named."""
    of_exposure = verdicts[(verdicts["expnum"] == expnum) & verdicts["ccdnum"].isna()]
    latest = of_exposure.drop_duplicates("reviewer", keep="last")  # whatever the CP version
    return str(next(iter(latest.loc[latest["verdict"] != "fine", "category"].mode()), UNKNOWN))


def with_kinds(outcomes: pd.DataFrame, params: ComparisonParams) -> pd.DataFrame:
    """Return `outcomes` with the columns of_source and of_background: is it bad by an anomaly of that kind?

    kind decides, or else the category by `source_categories` and `background_categories`. Null for a bad exposure of
    unknown kind; False for a good one.
    """
    category = outcomes["category"].where(outcomes["category"].notna() & (outcomes["category"] != UNKNOWN), None)
    found = outcomes.copy()
    for place, (name, categories) in enumerate(
        (("of_source", params.source_categories), ("of_background", params.background_categories))
    ):
        by_category = category.isin(categories).astype("boolean").mask(category.isna())
        stated = outcomes["kind"].map({kind: flags[place] for kind, flags in _KINDS.items()}).astype("boolean")
        found[name] = stated.fillna(by_category).mask(~outcomes["bad"].astype(bool), False)
    return found
