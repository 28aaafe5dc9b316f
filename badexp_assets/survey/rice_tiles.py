"""Decoding of images in tiles of RICE_1 without CFITSIO, several times as fast and without its lock.

CFITSIO stays the reference: an image is decoded here only if its header and all its tiles are as fpack and CFITSIO
write them, and its pixels are then the same to the last bit. Everything else, damaged files included, is left to
CFITSIO: other compressions and tiles, tiles that were not quantised, values that are scaled once more, tiles that end
early. The dithers are those of the FITS standard 4.0, section 10.2.
"""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from badexp_assets.io.transient_errors import is_transient
from badexp_assets.survey.tile_layout import TileLayout, parse_layout

_ZERO = -(2**31) + 2  # stands for 0 where the dither keeps zeros (SUBTRACTIVE_DITHER_2)
_NEVER = 2**40  # no pixel of 32 bits
_RANDOM = 10_000  # numbers of the dithers
# Elsewhere compilers may multiply and add in one operation, which rounds once instead of twice.
_ROUNDS_ALIKE = platform.machine() in ("x86_64", "AMD64")
_FIRST_WITH_NAN = (1, 3)  # version of fitsio; earlier ones do not return NaN for undefined pixels


class RiceTiles:
    """The tile-compressed images of a local file; `close` it. Several threads can `read` at once.

    file: its open descriptor, which `close` closes.
    """

    def __init__(self, file: int) -> None:
        self._layouts: dict[int, TileLayout | None] = {}
        self._file: int | None = file

    def header(self, info: Mapping[str, Any]) -> bytes:
        """Return the header of an extension as it is in the file; empty once it is closed. Raises OSError."""
        if self._file is None:
            return b""
        return os.pread(self._file, info["data_start"] - info["header_start"], info["header_start"])

    def read(
        self, info: Mapping[str, Any], codes: npt.NDArray[np.uint8] | None = None, step: int = 1
    ) -> npt.NDArray[Any] | None:
        """Return the pixels (rows, columns) of an extension; None for one that is left to CFITSIO.

        info: fitsio's description of the extension. codes: what pixels of an image of integers become (see
        `pixel_kernels.replace_by_codes`), None to keep them. step: only every step-th row is read, from the first on.
        Raises OSError for a transient error.
        """
        if self._file is None or sys.byteorder != "little" or not info["is_compressed_image"]:
            return None
        try:
            return self._read(self._file, info, codes, step)
        except OSError as error:
            if is_transient(error):
                raise
            return None

    def close(self) -> None:
        """Close the file."""
        file, self._file = self._file, None
        if file is not None:
            os.close(file)

    def _read(
        self, file: int, info: Mapping[str, Any], codes: npt.NDArray[np.uint8] | None, step: int
    ) -> npt.NDArray[Any] | None:
        start, end = info["header_start"], info["data_start"]
        if start not in self._layouts:
            header = self.header(info)
            self._layouts[start] = parse_layout(header) if len(header) == end - start else None
        layout = self._layouts[start]
        if layout is None or [layout.rows, layout.columns] != list(info["dims"]):
            return None
        table_bytes = layout.rows * layout.row_bytes
        size = table_bytes + layout.heap_bytes
        if not size <= info["data_end"] - end or info["data_end"] > os.fstat(file).st_size:
            return None
        whole = _read_pieces(file, [(end, size if step == 1 else table_bytes)])
        tiles = None if whole is None else _tiles(whole[:table_bytes], layout, step)
        if whole is None or tiles is None:
            return None
        if step == 1:
            return _decode(whole, tiles, layout, codes, step)
        data = _read_pieces(
            file, [(end + place, length) for place, length in zip(tiles.places, tiles.lengths, strict=True)]
        )
        gathered = tiles._replace(places=np.cumsum(tiles.lengths) - tiles.lengths)
        return None if data is None else _decode(data, gathered, layout, codes, step)


class _Tiles(NamedTuple):
    """First byte and bytes of the tiles of an image's rows (int64), and their scales and zeros (float64)."""

    places: npt.NDArray[np.int64]
    lengths: npt.NDArray[np.int64]
    scales: npt.NDArray[np.float64]
    zeros: npt.NDArray[np.float64]


def _read_pieces(file: int, pieces: Sequence[tuple[int, int]]) -> npt.NDArray[np.uint8] | None:
    """Return pieces of a file (start, bytes), one after the other, and what the kernels may read beyond them.

    Returns None if the file is shorter.
    """
    from badexp_assets.survey.rice_kernels import PADDING

    size = sum(length for _, length in pieces)
    data = np.empty(size + PADDING, np.uint8)
    data[size:] = 0
    view, done = data.data, 0
    for start, length in pieces:
        left = length
        while left:
            n = os.preadv(file, [view[done : done + left]], start + length - left)
            if n == 0:
                return None
            done, left = done + n, left - n
    return data


def _tiles(table: npt.NDArray[np.uint8], layout: TileLayout, step: int) -> _Tiles | None:
    """Return the tiles of every step-th row, in bytes from the start of the table on; None if CFITSIO has to judge."""
    rows = table.reshape(layout.rows, layout.row_bytes)[::step]
    lengths, places = (
        _column(rows, layout, "COMPRESSED_DATA", layout.descriptor, i).astype(np.int64) for i in range(2)
    )
    if not (
        (lengths > 0) & (places >= 0) & (lengths <= layout.heap_bytes) & (places <= layout.heap_bytes - lengths)
    ).all():
        return None
    scales = zeros = np.empty(0)
    if layout.dtype.kind == "f":
        scales, zeros = (_column(rows, layout, name, ">f8").astype(np.float64) for name in ("ZSCALE", "ZZERO"))
        if not _ROUNDS_ALIKE or not (np.isfinite(scales) & np.isfinite(zeros)).all():
            return None
    return _Tiles(places + len(table), lengths, scales, zeros)


def _decode(
    data: npt.NDArray[np.uint8], tiles: _Tiles, layout: TileLayout, codes: npt.NDArray[np.uint8] | None, step: int
) -> npt.NDArray[Any] | None:
    """Decode the tiles of every step-th row."""
    from badexp_assets.survey import rice_kernels

    shape = (len(tiles.lengths), layout.columns)
    if layout.dtype.kind != "f":
        image = np.empty(shape, layout.dtype if codes is None else np.uint8)
        row = rice_kernels.decode_integers(data, tiles.places, tiles.lengths, layout.size, layout.block, codes, image)
        return image if row == rice_kernels.ACCEPTED else None
    dither, starts = _dither() if layout.dither else (np.empty(0), np.empty(0, np.int64))
    image = np.empty(shape, layout.dtype)
    row = rice_kernels.decode_floats(
        data,
        tiles.places,
        tiles.lengths,
        layout.block,
        tiles.scales,
        tiles.zeros,
        dither,
        starts,
        layout.seed,
        _ZERO if layout.dither == 2 else _NEVER,
        _NEVER if layout.blank is None else layout.blank,
        _returns_nan(),
        step,
        image,
    )
    return image if row == rice_kernels.ACCEPTED else None


def _column(
    rows: npt.NDArray[np.uint8], layout: TileLayout, name: str, dtype: str, i: int = 0
) -> npt.NDArray[np.generic]:
    """Return the i-th number of a column of `rows` (rows, bytes) of a table."""
    size = np.dtype(dtype).itemsize
    start = layout.places[name] + i * size
    return np.ascontiguousarray(rows[:, start : start + size]).view(dtype)[:, 0]


@lru_cache(maxsize=1)
def _dither() -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    """Return the random numbers of the dithers, and the number from which on a row uses them, by row."""
    factor, modulus = 16_807, 2**31 - 1
    seeds = [factor]
    while len(seeds) < _RANDOM:
        seeds.append(factor * seeds[-1] % modulus)
    numbers = (np.array(seeds, np.float64) / modulus).astype(np.float32)
    return numbers.astype(np.float64), (numbers * np.float32(500)).astype(np.int64)


@lru_cache(maxsize=1)
def _returns_nan() -> bool:
    import fitsio

    version: Sequence[str] = fitsio.__version__.split(".")
    return tuple(int(n) for n in version[:2]) >= _FIRST_WITH_NAN
