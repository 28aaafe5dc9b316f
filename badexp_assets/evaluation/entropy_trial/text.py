"""The trial's result for people."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd


def rate_lines(rates: pd.DataFrame) -> Iterator[str]:
    """Yield lines with a share and its interval for each kind (rows) and score (columns) of `found_rates`."""
    scores = list(rates["score"].unique())
    for is_bad, title in ((True, "anomalies found"), (False, "good exposures in the top")):
        yield f"{title:26s}{'n':>6s}  " + "".join(f"{score:>22s}" for score in scores)
        some = rates[rates["is_bad"] == is_bad]
        for kind, rows in some.groupby("kind", sort=False):
            shares = 100 * rows.set_index("score").loc[scores, ["rate", "low", "high"]].to_numpy(dtype=float)
            cells = [f"{rate:.1f} % ({low:.1f}-{high:.1f})" for rate, low, high in shares]
            yield f"{kind:26s}{rows['n'].iloc[0]:6d}  " + "".join(f"{cell:>22s}" for cell in cells)
