"""Consensus of reviewers: outcomes of exposures and CCDs by a stated rule, and the reject list."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Hashable
from pathlib import Path
from typing import Any, cast

import pandas as pd

from badexp_assets.config.review_options import ConsensusRule
from badexp_assets.errors import InputError, LabelFileError
from badexp_assets.io.schemas import SCHEMAS
from badexp_assets.labels.bad_expid import read_expnum
from badexp_assets.labels.sheets import read_sheets, whole_number
from badexp_assets.review.reliability import Reliability, estimate_reliability
from badexp_assets.review.verdicts import KEY, VERDICTS, category_of_most, latest_verdict_per_reviewer
from badexp_assets.survey.cameras import Camera
from badexp_assets.survey.cp_files import version_key

_WHOLE = -1
_WEIGHED = ", weighed by the skill of reviewers on known cases"


def decide_outcome(
    verdicts: pd.DataFrame,
    rule: ConsensusRule | None = None,
    exempt: Collection[tuple[int, int | None]] = (),
    skill: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Return the `review_outcomes` that follow from `review_verdicts` by `rule`, a row per exposure or CCD.

    Answers on a CCD and on its whole exposure are counted separately, and so are those on different CP versions
    (plver); an answer without a version counts for all versions. A version is rejected by the rule. It is cleared if
    more reviewers say fine than bad and at least as many as a rejection needs. The newest version that is rejected or
    cleared decides: the outcome is `rejected` or `fine`, or `withdrawn` if an older version was rejected
    (`withdrawn_plver`) and this one is fine. If no version decides, it is `undecided`. Pairs of expnum and ccdnum
    (None: the whole exposure and each of its CCDs) in `exempt` are `exempt` whatever was answered.

    Counts, category and plver are those of the version that decides, or else of the newest. tie: as many say bad as
    fine. single_reviewer: only one reviewer answered. p_bad: P(bad) from all answers, weighted by the reliability of
    reviewers (`estimate_reliability`). category: named by most of those who say bad (ties: first in the alphabet),
    `unknown` if nobody names one. simulated: simulated reviewers answered, which the rule mentions too.

    `skill` (review_skill): answers to known cases, by which answers are weighed: they enter the reliability of
    reviewers, also by the category that most name. `majority` then asks which side weighs more instead of which has
    more reviewers, where everybody who answered has a skill; as many as before must say bad or fine.
    """
    rule = rule or ConsensusRule()
    answers = latest_verdict_per_reviewer(verdicts)
    reliability = estimate_reliability(answers, skill)
    spared = set(exempt)
    rows = []
    for key, group in answers.assign(ccdnum=answers["ccdnum"].fillna(_WHOLE)).groupby(KEY, sort=True):
        expnum, ccdnum = (int(part) for part in cast("tuple[int, int]", key))
        place = (expnum, None if ccdnum == _WHOLE else ccdnum)
        row = _outcome(group.to_dict("records"), rule, reliability)
        if spared.intersection([place, (expnum, None)]):
            row["outcome"] = "exempt"
        rows.append({"expnum": place[0], "ccdnum": place[1]} | row)
    table = pd.DataFrame(rows, columns=SCHEMAS["review_outcomes"].column_names)
    types: dict[Hashable, Any] = {"expnum": "int64", "ccdnum": "Int16", "p_bad": "float64"}
    types |= dict.fromkeys([f"n_{v}" for v in VERDICTS], "int16")
    types |= dict.fromkeys(["tie", "single_reviewer", "simulated"], "bool")
    types |= dict.fromkeys(["outcome", "category", "plver", "withdrawn_plver", "rule"], "str")
    return table.astype(types).sort_values(KEY, na_position="first").reset_index(drop=True)


def reject_list(outcomes: pd.DataFrame) -> pd.DataFrame:
    """Return the `reviewed_reject_list`: the rows of `review_outcomes` that are `rejected`."""
    rejected = outcomes[outcomes["outcome"] == "rejected"]
    return rejected[SCHEMAS["reviewed_reject_list"].column_names].reset_index(drop=True)


def fine_exposures(outcomes: pd.DataFrame) -> set[int]:
    """Return exposures that reviewers call fine as a whole and of which they call no CCD bad.

    A single answer is enough, because these exposures are examples for training and not a verdict.
    """
    whole = outcomes[outcomes["ccdnum"].isna() & (outcomes["n_fine"] > 0) & (outcomes["n_bad"] == 0)]
    spoilt = outcomes.loc[outcomes["n_bad"] > 0, "expnum"]
    return {int(e) for e in whole.loc[~whole["expnum"].isin(spoilt), "expnum"]}


def exposures_called_bad(outcomes: pd.DataFrame) -> set[int]:
    """Return exposures that a reviewer calls bad, as a whole or one of their CCDs, if that is not fine or withdrawn.

    A single answer is enough, with or without a category, because these exposures are no examples of good images.
    """
    bad = (outcomes["n_bad"] > 0) & ~outcomes["outcome"].isin(["fine", "withdrawn"])
    return {int(e) for e in outcomes.loc[bad, "expnum"]}


def undecided_exposures(answers: pd.DataFrame, rule: ConsensusRule, reliability: Reliability) -> set[int]:
    """Return exposures on which `rule` decides nothing: neither they nor a CCD are rejected, and they are not fine.

    `answers`: expnum, ccdnum, reviewer, verdict and category; of each reviewer one on an exposure and on each CCD.
    """
    places: dict[tuple[int, int], list[dict[Hashable, Any]]] = {}
    for answer in answers.assign(ccdnum=answers["ccdnum"].fillna(_WHOLE)).to_dict("records"):
        places.setdefault((int(answer["expnum"]), int(answer["ccdnum"])), []).append(answer)
    states = {place: _state(given, rule, reliability) for place, given in places.items()}
    decided = {e for (e, ccd), state in states.items() if state == "rejected" or (state == "fine" and ccd == _WHOLE)}
    return {expnum for expnum, _ in states} - decided


def build_consensus(
    verdicts: pd.DataFrame, rule: ConsensusRule | None = None, skill: pd.DataFrame | None = None
) -> pd.DataFrame:
    """Return the `reviewed_reject_list` of `review_verdicts` by `rule`, weighed by `skill` (see `decide_outcome`)."""
    return reject_list(decide_outcome(verdicts, rule, skill=skill))


def _outcome(answers: list[dict[Hashable, Any]], rule: ConsensusRule, reliability: Reliability) -> dict[str, Any]:
    known = {a["plver"] for a in answers if isinstance(a["plver"], str)}
    versions: list[str | None] = sorted(known, key=version_key, reverse=True) or [None]
    states = {version: _state(_of_version(answers, version), rule, reliability) for version in versions}
    decides = next((version for version in versions if states[version] != "undecided"), None)
    outcome = "undecided" if decides is None and None not in states else states[decides]
    shown = versions[0] if outcome == "undecided" else decides
    older = versions[versions.index(shown) + 1 :]
    withdrawn = next((version for version in older if states[version] == "rejected"), None)
    held = _of_version(answers, shown)
    counts, category = _counts(held), _category(held)
    words = rule.words + (_WEIGHED if _weighs(held, rule, reliability) else "")
    simulated = any(a["simulated"] for a in held)
    return {
        "outcome": "withdrawn" if outcome == "fine" and withdrawn else outcome,
        "category": category,
        "plver": shown,
        "withdrawn_plver": withdrawn if outcome == "fine" else None,
        **{f"n_{v}": counts[v] for v in VERDICTS},
        "tie": counts["bad"] == counts["fine"] > 0,
        "single_reviewer": len({a["reviewer"] for a in held}) == 1,
        "p_bad": reliability.p_bad(_words(held), category),
        "rule": f"{words} (simulated reviewers)" if simulated else words,
        "simulated": simulated,
    }


def _of_version(answers: list[dict[Hashable, Any]], version: str | None) -> list[dict[Hashable, Any]]:
    """Return the answer of each reviewer that counts for a version: the latest, preferably one that names it."""
    held: dict[str, dict[Hashable, Any]] = {}
    for answer in sorted(answers, key=lambda a: a["plver"] == version and version is not None):  # stable: oldest first
        if answer["plver"] == version or not isinstance(answer["plver"], str):
            held[answer["reviewer"]] = answer
    return list(held.values())


def _state(answers: list[dict[Hashable, Any]], rule: ConsensusRule, reliability: Reliability) -> str:
    counts = _counts(answers)
    bad, fine, unsure = (counts[v] for v in VERDICTS)
    category, for_bad = _category(answers), float(bad - fine)
    if _weighs(answers, rule, reliability):
        for_bad = reliability.log_odds(_words(answers), category)
    says = {
        "any": True,
        "majority": for_bad > 0,
        "unanimous": fine == unsure == 0,
        "weighted": reliability.p_bad(_words(answers), category) >= rule.min_probability,
    }[rule.rule]
    if bad >= rule.needed and says:
        return "rejected"
    return "fine" if for_bad < 0 and fine >= rule.needed else "undecided"


def _weighs(answers: list[dict[Hashable, Any]], rule: ConsensusRule, reliability: Reliability) -> bool:
    """Return whether the majority is weighed by skill: where everybody who answered has one."""
    return rule.rule == "majority" and bool(answers) and {a["reviewer"] for a in answers} <= reliability.measured


def _words(answers: list[dict[Hashable, Any]]) -> list[tuple[str, str]]:
    return [(a["reviewer"], a["verdict"]) for a in answers]


def _category(answers: list[dict[Hashable, Any]]) -> str:
    return category_of_most(a["category"] for a in answers if a["verdict"] == "bad" and isinstance(a["category"], str))


def _counts(answers: list[dict[Hashable, Any]]) -> Counter[str]:
    return Counter(a["verdict"] for a in answers)


def read_exempt(path: str | Path, camera: Camera) -> dict[tuple[int, int | None], str]:
    """Read the exempt list: reasons by (expnum, ccdnum), where ccdnum is None for a whole exposure with all its CCDs.

    The CSV file has columns expnum and optionally ccdnum (blank: the whole exposure) and reason. Raises InputError with
    file and line for a missing column or an invalid exposure or CCD number, because a typing error must not lead to the
    rejection of an exempt exposure.
    """
    path = Path(path)
    try:
        (sheet,) = read_sheets(path)
    except (InputError, LabelFileError, ValueError) as error:
        raise InputError(f"{path}: exempt list can't be read ({' '.join(str(error).split())})") from error
    if "expnum" not in (column.lower() for column in sheet.columns):
        raise InputError(f"{path}: column expnum missing; found {', '.join(sheet.columns)}")
    found: dict[tuple[int, int | None], str] = {}
    for line, row, problem in ((found.line, found.cells, found.problem) for found in sheet.rows):
        if problem is not None:
            raise InputError(f"{path}:{line}: {problem}")
        expnum, ccd = read_expnum(whole_number(row["expnum"])), whole_number(row.get("ccdnum", ""))
        if expnum is None:
            raise InputError(f"{path}:{line}: expnum is {row['expnum']!r}; an exposure number is needed")
        if ccd and not (ccd.isascii() and ccd.isdigit() and int(ccd) in camera.by_number):
            raise InputError(f"{path}:{line}: ccdnum is {ccd!r}; 1 to {len(camera.ccds)}, or blank, is needed")
        found[expnum, int(ccd) if ccd else None] = str(row.get("reason", "")).strip()
    return found
