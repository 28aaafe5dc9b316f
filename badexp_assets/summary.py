"""What a run left behind, in a few lines."""

from __future__ import annotations

from badexp_assets.settings import Home
from badexp_assets.show import FILES, load

STATUSES = ("scored", "failed", "excluded")


def summary_lines(home: Home) -> list[str]:
    """Exposures by status, candidates, rejects and where the files are, from the tables of `home`."""
    exposures = load(home, "night_exposures")
    n = exposures["status"].value_counts()
    lines = [
        f"exposures   {len(exposures)} in {exposures['night'].nunique()} nights: "
        + ", ".join(f"{n.get(status, 0)} {status}" for status in STATUSES)
    ]
    left_out = exposures[exposures["status"] != "scored"]
    for reason, count in left_out["status_reason"].value_counts().head(5).items():
        lines.append(f"              {count} x {reason}")
    ccds = load(home, "night_ccds")
    failed = int((ccds["status"] == "failed").sum())
    lines.append(f"CCD images  {len(ccds)} wanted, {failed} could not be read")
    candidates = load(home, "review_candidates")
    lines.append(f"candidates  {len(candidates)} exposures to review (badexp show review_candidates)")
    rejects = load(home, "reviewed_reject_list")
    lines.append(f"reject list {len(rejects)} entries: {home.export / FILES['bad_expid_file']}")
    lines.append(f"            the same as FITS: {home.export / FILES['exclude_table']}")
    return lines
