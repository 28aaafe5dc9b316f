"""Known outcomes of exposures, independent of the methods: from a truth file, or from verdicts and labels."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from badexp_assets.errors import InputError

COLUMNS = ("expnum", "bad", "prominent", "source")
_TRUE, _FALSE = {"true", "1", "1.0", "yes"}, {"false", "0", "0.0", "no"}


def read_truth(path: Path, prominent_severity: float) -> pd.DataFrame:
    """Read a CSV file with columns expnum, bad and optionally severity; return expnum, bad, prominent, source.

    prominent: severity of at least `prominent_severity`; null without a severity, False for good exposures. Raises
    InputError if the file cannot be read, lacks `expnum` or `bad`, lists an exposure twice, or has other values of
    `bad` than true and false.
    """
    try:
        table = pd.read_csv(path)
    except (OSError, ValueError) as error:
        raise InputError(f"comparison.truth: {path} can't be read ({error})") from error
    lost = [name for name in ("expnum", "bad") if name not in table]
    if lost:
        raise InputError(f"comparison.truth: {path} has no column {', '.join(lost)}; found {', '.join(table.columns)}")
    if table["expnum"].duplicated().any():
        twice = table.loc[table["expnum"].duplicated(), "expnum"].iloc[0]
        raise InputError(f"comparison.truth: {path} names exposure {twice} twice; one row each is allowed")
    words = table["bad"].astype(str).str.strip().str.lower()
    odd = ~words.isin(_TRUE | _FALSE)
    if odd.any():
        raise InputError(f"comparison.truth: {path}: bad is {table.loc[odd, 'bad'].iloc[0]!r}; true or false is needed")
    found = pd.DataFrame({"expnum": table["expnum"].astype("int64"), "bad": words.isin(_TRUE)})
    if "severity" in table:
        severity = pd.to_numeric(table["severity"], errors="coerce")
        prominent = (severity >= prominent_severity).astype("boolean").mask(severity.isna())
        found["prominent"] = prominent.mask(~found["bad"], False)
    else:
        found["prominent"] = pd.array([None] * len(found), dtype="boolean")
    return found.assign(source="truth file")[list(COLUMNS)]


def known_outcomes(verdicts: pd.DataFrame, rejects: pd.DataFrame, listed: set[int]) -> pd.DataFrame:
    """Return expnum, bad, prominent, source of exposures that were reviewed or that a label list calls bad (`listed`).

    `verdicts`, `rejects`: tables review_verdicts and reviewed_reject_list, without their rows of single CCDs. A
    rejected exposure is bad, and prominent if nobody called it fine or was unsure. A reviewed exposure that is not
    rejected is fine if more reviewers say fine than bad, and otherwise left out. Verdicts take precedence over label
    lists. prominent is null for exposures from label lists.
    """
    rejected = rejects[rejects["ccdnum"].isna()]
    bad = pd.DataFrame(
        {
            "expnum": rejected["expnum"].astype("int64"),
            "bad": True,
            "prominent": ((rejected["n_fine"] == 0) & (rejected["n_unsure"] == 0)).astype("boolean"),
            "source": "verdicts",
        }
    )
    answers = verdicts[verdicts["ccdnum"].isna() & ~verdicts["expnum"].isin(bad["expnum"])]
    votes = pd.crosstab(answers["expnum"], answers["verdict"]).reindex(columns=["bad", "fine"], fill_value=0)
    fine = votes.index[votes["fine"] > votes["bad"]]
    good = pd.DataFrame({"expnum": fine.astype("int64"), "bad": False, "prominent": False, "source": "verdicts"})
    rest = sorted(listed - set(bad["expnum"]) - set(answers["expnum"].astype(int)))
    lists = pd.DataFrame({"expnum": rest, "bad": True, "prominent": None, "source": "label lists"})
    parts = [part.astype({"expnum": "int64", "bad": "bool", "prominent": "boolean"}) for part in (bad, good, lists)]
    return pd.concat(parts, ignore_index=True).sort_values("expnum", ignore_index=True)[list(COLUMNS)]
