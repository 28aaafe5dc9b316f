"""Writing report pages from the templates of this folder, and making pictures small enough for them."""

from __future__ import annotations

import base64
from collections.abc import Collection, Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from badexp_assets.io.parquet import atomic_path
from badexp_assets.pixels.ccd_picture import small_jpeg

if TYPE_CHECKING:
    from jinja2 import Environment

PREVIEW_HEIGHT = 300  # px


def write_page(template: str, path: Path, values: Mapping[str, Any]) -> None:
    """Render `template` (of this folder) with `values`, whose text is escaped. The file appears whole or not at all."""
    page = _environment().get_template(template).stream(values)
    with atomic_path(path) as temporary, temporary.open("wb") as stream:
        page.dump(stream, encoding="utf-8")


def data_uri(picture: bytes | None) -> str | None:
    """Return a PNG or JPEG as a data URI; None for None."""
    if picture is None:
        return None
    kind = "jpeg" if picture[:2] == b"\xff\xd8" else "png"
    return f"data:image/{kind};base64,{base64.b64encode(picture).decode()}"


def small_previews(nights: Iterable[tuple[str, pd.DataFrame]], expnums: Collection[int]) -> Iterator[tuple[int, bytes]]:
    """Yield (expnum, JPEG of at most 300 px height) for those of `expnums` that have a preview.

    `nights`: pairs of a night and its night_previews table, read one after the other.
    """
    for _, table in nights:
        chosen = table[table["expnum"].isin(list(expnums))]
        for expnum, png in zip(chosen["expnum"], chosen["png"], strict=True):
            yield int(expnum), small_jpeg(png, PREVIEW_HEIGHT, 80)


@cache
def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    return Environment(
        loader=PackageLoader("badexp_assets", "reports"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
