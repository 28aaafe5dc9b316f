"""Reads a folder of focal-plane images in which people marked ghosts, laid out as that of DeepGhostBusters' exposures.

Tanoglidis et al. 2021 (arXiv:2109.08246) show whole DECam focal planes as greyscale quick-looks. A folder contains
`ccd_boxes.csv` (ccdnum, x0, y0, x1, y1: px in the image, upper limits exclusive), `exposures.csv` (expnum, file),
`ccd_labels.csv` (expnum, ccdnum, label: good, bad or unsure) and the files in `images/`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
from PIL import Image, UnidentifiedImageError

from badexp_assets.errors import InputError, UnreadableImageError

_LABELS = {"good": 0, "bad": 1, "unsure": -1}


@dataclass(frozen=True)
class GhostPlanes:
    """Exposures of a folder.

    boxes: (n_ccds, 4) x0, y0, x1, y1, px; ccdnum: (n_ccds,); expnum: (n_exposures,); files: their images;
    labels: (n_exposures, n_ccds) 1 bad, 0 good, -1 unsure or without a label.
    """

    boxes: npt.NDArray[np.float64]
    ccdnum: npt.NDArray[np.int64]
    expnum: npt.NDArray[np.int64]
    files: tuple[Path, ...]
    labels: npt.NDArray[np.int64]


def read_ghost_planes(folder: Path) -> GhostPlanes:
    """Read the tables of a folder. Raises InputError that names the file and the column or the value at fault."""
    boxes = _read(folder / "ccd_boxes.csv", ["ccdnum", "x0", "y0", "x1", "y1"], unique=["ccdnum"])
    exposures = _read(folder / "exposures.csv", ["expnum"], text=["file"], unique=["expnum"])
    path = folder / "ccd_labels.csv"
    table = _read(path, ["expnum", "ccdnum"], text=["label"], unique=["expnum", "ccdnum"])
    for column, known, where in (
        ("expnum", exposures["expnum"], "exposures.csv"),
        ("ccdnum", boxes["ccdnum"], "ccd_boxes.csv"),
    ):
        unknown = table.loc[~table[column].isin(known), column]
        if len(unknown):
            raise InputError(f"{path}: column {column}: {unknown.iloc[0]} found; those of {where} allowed")
    wrong = table.loc[~table["label"].isin(list(_LABELS)), "label"]
    if len(wrong):
        raise InputError(f"{path}: column label: {wrong.iloc[0]!r} found; {', '.join(_LABELS)} allowed")
    labels = np.full((len(exposures), len(boxes)), -1)
    rows = pd.Index(exposures["expnum"]).get_indexer(pd.Index(table["expnum"]))
    columns = pd.Index(boxes["ccdnum"]).get_indexer(pd.Index(table["ccdnum"]))
    labels[rows, columns] = table["label"].map(_LABELS)
    return GhostPlanes(
        boxes[["x0", "y0", "x1", "y1"]].to_numpy(np.float64),
        boxes["ccdnum"].to_numpy(np.int64),
        exposures["expnum"].to_numpy(np.int64),
        tuple(folder / "images" / name for name in exposures["file"]),
        labels,
    )


def read_plane(path: Path) -> npt.NDArray[np.float32]:
    """Return an image as grey levels, (rows, columns), 0 to 1. Raises UnreadableImageError."""
    try:
        with Image.open(path) as image:
            return np.asarray(image.convert("L"), np.float32) / np.float32(255)
    except (OSError, UnidentifiedImageError) as error:
        raise UnreadableImageError(f"{path}: can't be read as an image ({error})") from error


def _read(path: Path, numbers: list[str], unique: list[str], text: list[str] | None = None) -> pd.DataFrame:
    try:
        table = pd.read_csv(path)
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: can't be read as a table ({error})") from error
    for column in [*numbers, *(text or [])]:
        if column not in table:
            raise InputError(f"{path}: no column {column}; found: {', '.join(map(str, table.columns))}")
        if table[column].isna().any():
            raise InputError(f"{path}: column {column}: empty in line {int(table[column].isna().argmax()) + 2}")
    for column in numbers:
        values = pd.to_numeric(table[column], errors="coerce")
        if values.isna().any():
            line = int(values.isna().argmax())
            raise InputError(
                f"{path}: column {column}: {table[column].iloc[line]!r} found in line {line + 2}; a number is needed"
            )
        table[column] = values
    if table.empty:
        raise InputError(f"{path}: no rows")
    if table.duplicated(unique).any():
        line = int(table.duplicated(unique).to_numpy().argmax())
        raise InputError(f"{path}: column {' and '.join(unique)}: line {line + 2} repeats an earlier one")
    return table
