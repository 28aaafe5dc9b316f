"""What a run prints: its progress, and a summary of what is in the home afterwards."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pandas as pd

from badexp_assets.commands.asset_text import load
from badexp_assets.config.home import REJECT_FILES, Home
from badexp_assets.config.settings import Settings
from badexp_assets.defs.resources import Progress
from badexp_assets.errors import InputError
from badexp_assets.io.models import current_version
from badexp_assets.io.parquet_reading import read_table, scan_nights
from badexp_assets.pixels.night_progress import STATUSES
from badexp_assets.pixels.night_tables import MISSING
from badexp_assets.survey.cameras import load_camera
from badexp_assets.survey.file_account import account_for, nights_are_wrong

_MAX_REASONS = 5
_ACCOUNT_COLUMNS = ["status", "n_ccds", "n_ccds_read", "n_ccds_failed", "n_superseded"]
_LINE_SECONDS = 5.0  # between lines of progress where the output is not a terminal


class TerminalProgress(Progress):
    """Shows progress on the terminal instead of the run's log; plain lines if the output is not a terminal."""

    def __init__(self) -> None:
        self._interactive = sys.stdout.isatty()
        self._last = 0.0
        self._started: dict[str, float] = {}

    def report(self, context: Any, what: str, done: int, total: int) -> None:
        """Show `done` of `total`, and the time that the rest takes at the present rate."""
        now = time.monotonic()
        start = self._started.setdefault(what, now)
        left = (now - start) / done * (total - done) if done and now > start else 0.0
        line = f"  {what}: {done} of {total}" + (f", {left:.0f} s left" if left >= 1 else "")
        if self._interactive:
            sys.stdout.write(f"\r\x1b[K{line}" + ("\n" if done == total else ""))
            sys.stdout.flush()
        elif done == total or now - self._last >= _LINE_SECONDS:
            self._last = now
            print(line, flush=True)


def summary_lines(home: Home, skipped: Sequence[str] = (), notes: Sequence[str] = ()) -> list[str]:
    """Return exposures by status, candidates, rejects and paths of files, from the tables of `home`.

    `skipped` and `notes` of the run (see Outcome) follow, one line each.
    """
    exposures = load(home, "night_exposures", columns=["night", "status", "status_reason"])
    n = exposures["status"].value_counts()
    lines = [
        f"exposures   {len(exposures)} in {exposures['night'].nunique()} nights: "
        + ", ".join(f"{n.get(status, 0)} {status}" for status in STATUSES)
    ]
    reasons = exposures.loc[exposures["status"] != "scored", "status_reason"].value_counts()
    lines += [f"              {count} x {reason}" for reason, count in reasons.head(_MAX_REASONS).items()]
    if len(reasons) > _MAX_REASONS:
        lines.append(f"              and {len(reasons) - _MAX_REASONS} more reasons (badexp show night_exposures)")
    ccds: Counter[str] = Counter()
    for _, table in scan_nights(home.tables / "night_ccds", ["status"]):
        ccds.update(table["status"])
    selected = ccds.total() - ccds[MISSING]
    lines.append(f"CCD images  {selected} selected, {ccds['failed']} could not be read")
    lines += _model_lines(home)
    candidates = load(home, "review_candidates")
    lines.append(f"candidates  {len(candidates)} exposures to review (badexp show review_candidates)")
    if (page := home.reports / "candidates.html").exists():
        lines.append(f"            explained in {page}")
    rejects = load(home, "reviewed_reject_list")
    lines.append(f"reject list {len(rejects)} entries: {home.export / REJECT_FILES['bad_expid_file']}")
    lines.append(f"            the same as FITS: {home.export / REJECT_FILES['exclude_table']}")
    lines += [f"NOT DONE    {line}" for line in skipped]
    lines += [f"note        {line}" for line in notes]
    return lines


def account_lines(settings: Settings, nights: Sequence[str]) -> list[str]:
    """Return the account of the files and CCDs of `nights`, from the archive and the tables: nothing vanishes."""
    exposures = _of_nights(settings.home, "night_exposures", nights, _ACCOUNT_COLUMNS)
    files = account_for(settings.archive_folder(), load_camera(settings.camera), nights, exposures)
    ccds = _of_nights(settings.home, "night_ccds", nights, ["status"])["status"].value_counts()
    opened = exposures["n_ccds_read"] + exposures["n_ccds_failed"] > 0
    n_in_files = int(exposures.loc[opened, "n_ccds"].sum())
    read, failed, missing = (int(ccds.get(status, 0)) for status in ("read", "failed", MISSING))
    not_sampled = max(0, n_in_files - read - failed)
    first, *reasons = files.lines()
    return [
        f"files       {first}",
        *(f"            {line}" for line in reasons),
        f"CCDs        {read + failed + missing + not_sampled} expected = {read} read + {failed} failed + "
        f"{missing} missing + {not_sampled} not sampled",
    ]


def refuse_wrong_nights(settings: Settings, nights: Sequence[str]) -> None:
    """Raise InputError if all exposures of `nights` are excluded because folder and header disagree on the night."""
    exposures = _of_nights(settings.home, "night_exposures", nights, ["status", "status_reason"])
    if nights_are_wrong(exposures):
        raise InputError(
            f"archive {settings.archive}: folders CP<YYYYMMDD> are not nights, so all {len(exposures)} exposures are "
            f"excluded; the first: {exposures['status_reason'].iloc[0]}"
        )


def _of_nights(home: Home, asset: str, nights: Sequence[str], columns: list[str]) -> pd.DataFrame:
    """Return `columns` of a nightly asset in those of `nights` that are stored, without the rest of the tables."""
    stored = [read_table(home.table(asset, night), columns) for night in sorted({*nights} & {*home.nights(asset)})]
    return pd.concat([part for part in stored if len(part)] or [pd.DataFrame(columns=columns)], ignore_index=True)


def _model_lines(home: Home) -> list[str]:
    """Return how many nights each classifier scored; a night keeps its scores until it is scored again."""
    nights: Counter[str] = Counter()
    for _, table in scan_nights(home.tables / "night_exposure_predictions", ["model"]):
        nights.update(set(table["model"]))
    current = current_version(home.models / "fitted_classifier")
    lines = [
        f"{n} night(s) scored by {version}{' (in use)' if version == current else ' (an earlier one)'}"
        for version, n in nights.most_common()
    ]
    if home.report.exists():
        lines.append(f"report: {home.report}")
    return [f"{'classifier' if i == 0 else '':<12}{line}" for i, line in enumerate(lines)]
