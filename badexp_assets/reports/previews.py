"""Focal-plane previews made small enough for pages."""

from __future__ import annotations

import io
from collections.abc import Collection, Iterable, Iterator

import pandas as pd
from PIL import Image

HEIGHT = 300
_QUALITY = 80


def small_previews(nights: Iterable[tuple[str, pd.DataFrame]], expnums: Collection[int]) -> Iterator[tuple[int, bytes]]:
    """Yield (expnum, JPEG of at most 300 px height) of those of `expnums` that have a preview.

    `nights`: (night, night_previews table), read one after the other.
    """
    for _, table in nights:
        chosen = table[table["expnum"].isin(list(expnums))]
        for expnum, png in zip(chosen["expnum"], chosen["png"], strict=True):
            with Image.open(io.BytesIO(png)) as picture:
                small = picture.convert("RGB")
            small.thumbnail((2 * HEIGHT, HEIGHT), Image.Resampling.LANCZOS)
            stream = io.BytesIO()
            small.save(stream, "JPEG", quality=_QUALITY)
            yield int(expnum), stream.getvalue()
