"""What a run left behind, in a few lines."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from badexp_assets.commands.asset_text import FILES, load
from badexp_assets.config.settings import Home
from badexp_assets.io.models import current_version
from badexp_assets.io.parquet_reading import scan_nights
from badexp_assets.pixels.night_outcome import STATUSES

_MOST_REASONS = 5


def summary_lines(home: Home, skipped: Sequence[str] = (), notes: Sequence[str] = ()) -> list[str]:
    """Exposures by status, candidates, rejects and where the files are, from the tables of `home`.

    `skipped` and `notes` of the run (see Outcome) come last, a line each.
    """
    exposures = load(home, "night_exposures")
    n = exposures["status"].value_counts()
    lines = [
        f"exposures   {len(exposures)} in {exposures['night'].nunique()} nights: "
        + ", ".join(f"{n.get(status, 0)} {status}" for status in STATUSES)
    ]
    left_out = exposures[exposures["status"] != "scored"]
    reasons = left_out["status_reason"].value_counts()
    lines += [f"              {count} x {reason}" for reason, count in reasons.head(_MOST_REASONS).items()]
    if len(reasons) > _MOST_REASONS:
        lines.append(f"              and {len(reasons) - _MOST_REASONS} more reasons (badexp show night_exposures)")
    ccds = load(home, "night_ccds")
    failed = int((ccds["status"] == "failed").sum())
    lines.append(f"CCD images  {len(ccds)} wanted, {failed} could not be read")
    lines += _model_lines(home)
    candidates = load(home, "review_candidates")
    lines.append(f"candidates  {len(candidates)} exposures to review (badexp show review_candidates)")
    if (page := home.reports / "candidates.html").exists():
        lines.append(f"            and why: {page}")
    rejects = load(home, "reviewed_reject_list")
    lines.append(f"reject list {len(rejects)} entries: {home.export / FILES['bad_expid_file']}")
    lines.append(f"            the same as FITS: {home.export / FILES['exclude_table']}")
    lines += [f"NOT DONE    {line}" for line in skipped]
    lines += [f"note        {line}" for line in notes]
    return lines


def _model_lines(home: Home) -> list[str]:
    """Which classifier scored how many nights: a night keeps what it was scored with until it is scored again."""
    folder = home.tables / "night_exposure_predictions"
    nights: Counter[str] = Counter()
    for _, table in scan_nights(folder, ["model"]):
        nights.update(set(table["model"]))
    current = current_version(home.models / "fitted_classifier")
    lines = [
        f"{n} night(s) scored by {version}{' (in use)' if version == current else ' (an earlier one)'}"
        for version, n in nights.most_common()
    ]
    if home.report.exists():
        lines.append(f"report: {home.report}")
    return [f"{'classifier' if i == 0 else '':<12}{line}" for i, line in enumerate(lines)]
