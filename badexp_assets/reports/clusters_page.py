"""The page with the map of embeddings in 2-D and 3-D, coloured by label or cluster; a click shows the exposure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from pathlib import Path

import numpy as np
import pandas as pd

from badexp_assets.io.parquet import atomic_path
from badexp_assets.reports.page import small_previews, write_page
from badexp_assets.survey.cameras import Camera

_DECIMALS = 3
# Glasbey-like order of matplotlib's tab10 and Set2, darkest first: neighbours in the legend differ
_COLOURS = (
    "#1f77b4", "#ff7f0e", "#2ca02c", "#d62728", "#9467bd", "#8c564b", "#e377c2", "#bcbd22", "#17becf", "#3b3eac",
    "#0099c6", "#dd4477", "#66aa00", "#b82e2e", "#316395", "#994499",
)  # fmt: skip


def write_clusters_page(
    path: Path,
    table: pd.DataFrame,
    previews: Callable[[Collection[str]], Iterable[tuple[str, pd.DataFrame]]],
    max_previews: int,
    camera: Camera,
) -> int:
    """Write the page of `table` (embedding_clusters) to `path`, and `previews/<expnum>.jpg` beside it.

    `previews`: returns (night, night_previews table) pairs for a set of nights. At most `max_previews` exposures get a
    preview: labelled ones first, then those in clusters, then others, in order of expnum. CCDs have the names of
    `camera`. The page contains everything else, including Plotly's JavaScript, so it needs no internet. Returns the
    number of previews.
    """
    from plotly.offline import get_plotlyjs

    wanted = _chosen(table, max_previews)
    nights = set(table.loc[table["expnum"].isin(wanted), "night"])
    written = set()
    for expnum, jpeg in small_previews(previews(nights), wanted):
        with atomic_path(path.parent / "previews" / f"{expnum}.jpg") as temporary:
            temporary.write_bytes(jpeg)
        written.add(expnum)
    points = {name: table[name].tolist() for name in ("expnum", "night", "category", "cluster")}
    names = {ccdnum: ccd.ccdname for ccdnum, ccd in camera.by_number.items()}
    points["ccd"] = [names.get(ccdnum, f"CCD {ccdnum}") for ccdnum in table["ccdnum"].tolist()]
    points |= {"x": _numbers(table["tsne_x"]), "y": _numbers(table["tsne_y"])}
    points |= {f"{axis}3": _numbers(table[f"tsne3_{axis}"]) for axis in "xyz"}
    points["preview"] = table["expnum"].isin(written).tolist()
    values = {
        "plotly": get_plotlyjs(),
        "points": points,
        "colours": _COLOURS,
        "n": len(table),
        "n3": int(table["tsne3_x"].notna().sum()),
        "n_clusters": int(table.loc[table["cluster"] >= 0, "cluster"].nunique()),
        "n_alone": int((table["cluster"] < 0).sum()),
        "n_exposures": int(table["expnum"].nunique()),
        "n_previews": len(written),
    }
    write_page("clusters.html.j2", path, values)
    return len(written)


def _chosen(table: pd.DataFrame, n: int) -> set[int]:
    from badexp_assets.classify.embedding_clusters import UNLABELLED

    order = table.assign(unlabelled=table["category"] == UNLABELLED, alone=table["cluster"] < 0)
    order = order.sort_values(["unlabelled", "alone", "expnum"]).drop_duplicates("expnum")
    return set(order["expnum"].head(n).astype(int))


def _numbers(values: pd.Series) -> list[float | None]:
    """Return rounded numbers, with None for NaN, which JSON lacks."""
    rounded = np.round(values.to_numpy(np.float64), _DECIMALS)
    return [None if np.isnan(value) else value for value in rounded.tolist()]
