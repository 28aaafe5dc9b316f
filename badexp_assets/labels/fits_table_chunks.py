"""Reads chosen columns of a FITS table in chunks of rows; column names in any case, any HDU, also gzip files."""

from __future__ import annotations

import gzip
import math
import warnings
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from badexp_assets.errors import InputError, LabelFileError

_CHUNK_BYTES = 2**24
_LONGEST_ROW = 2**22  # bytes; a header with a longer row is damaged
_BLOCK = 2880  # bytes; size of a FITS block
_GZIP = b"\x1f\x8b"
_UNSIGNED = 2**63  # TZERO of an unsigned 64-bit column


@dataclass(frozen=True)
class _Field:
    """A column: name in the file, whether it is logical, value = zero + scale * stored, stored value for null."""

    name: str
    logical: bool
    scale: float
    zero: float
    null: int | None


@dataclass(frozen=True)
class FitsTable:
    """Position and layout of the wanted columns of a FITS table, from `find_table`; `chunks` reads them.

    `fields`: by lower-case name, in the requested order. `left_out`: a text for each optional column that is in the
    table but can't be used because it does not have one value per row.
    """

    path: Path
    fields: dict[str, _Field]
    left_out: tuple[str, ...]
    n_rows: int
    row: np.dtype[Any]
    offset: int

    def chunks(self) -> Iterator[pd.DataFrame]:
        """Yield tables of some ten thousand rows in order, in bounded memory; the first one is empty.

        Strings are categoricals without padding; logical columns are bool (undefined: False); numbers are scaled and in
        native byte order; integers with undefined values (TNULL) are float64 with NaN. Raises LabelFileError for a
        truncated file or a damaged gzip file.
        """
        yield self._frame(np.empty(0, self.row))
        size, left = self.row.itemsize, self.n_rows
        with _opened(self.path) as file:
            file.seek(self.offset)
            while left:
                n = min(left, max(1, _CHUNK_BYTES // size))
                block = file.read(n * size)
                if len(block) < n * size:
                    found = self.n_rows - left + len(block) // size
                    raise LabelFileError(f"{self.path}: ends after {found} of its {self.n_rows} rows")
                yield self._frame(np.frombuffer(block, self.row))
                left -= n

    def _frame(self, rows: NDArray[Any]) -> pd.DataFrame:
        columns = {key: _values(rows[field.name], field) for key, field in self.fields.items()}
        return pd.DataFrame(columns, copy=False)


def find_table(path: str | Path, required: Sequence[str], optional: Sequence[str] = ()) -> FitsTable:
    """Return the first binary table HDU that has all `required` columns (upper or lower case).

    Reads only headers, of `.fits`, `.fits.gz` and `.kd.fits` files. Raises InputError for a missing file, and
    LabelFileError for a file that is not FITS or has no such table, naming the missing columns.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    needed = [name.lower() for name in required]
    best: list[str] = []
    try:
        for hdu, offset in _table_hdus(path):
            names = {name.lower(): name for name in reversed(hdu.columns.names)}
            if set(needed) <= set(names):
                return _layout(path, hdu, offset, names, needed, [name.lower() for name in optional])
            best = best or list(names)
    except (InputError, LabelFileError):
        raise
    except Exception as error:  # astropy raises many types for damaged headers
        why = " ".join(str(error).split())[:160] or type(error).__name__
        raise LabelFileError(f"{path}: not a readable FITS table ({why})") from error
    missing = [name for name in needed if name not in best]
    found = f"found {', '.join(best)}" if best else "the file has no binary table"
    raise LabelFileError(f"{path}: column(s) {', '.join(missing)} missing; {found}")


def read_columns(path: str | Path, required: Sequence[str], optional: Sequence[str] = ()) -> pd.DataFrame:
    """Return the columns, in lower case, of the first table with all `required` ones; strings as objects.

    Optional columns that are missing are omitted. Raises the errors of `find_table` and `FitsTable.chunks`.
    """
    table = find_table(path, required, optional)
    chunks = list(table.chunks())
    columns = {}
    for name in table.fields:
        parts = [chunk[name] for chunk in chunks if len(chunk)] or [chunks[0][name]]
        columns[name] = pd.concat([p.astype(object) if p.dtype == "category" else p for p in parts], ignore_index=True)
    return pd.DataFrame(columns)


def categorical(codes: NDArray[np.integer], texts: Sequence[str]) -> pd.Categorical:
    """Return the categorical of `texts[codes]`; equal texts become one category, code -1 is null."""
    place, unique = pd.factorize(np.array(texts, dtype=object))
    codes = np.where(codes < 0, -1, place[codes] if len(place) else -1)
    return pd.Categorical.from_codes(codes, pd.Index(unique, dtype="str"))


def _opened(path: Path) -> BinaryIO:
    with open(path, "rb") as file:
        packed = file.read(2) == _GZIP
    return cast(BinaryIO, _Gzip(path)) if packed else open(path, "rb")


class _Gzip(gzip.GzipFile):
    """A gzip file that raises LabelFileError if it is damaged."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._path = path

    def read(self, size: int | None = -1) -> bytes:
        try:
            return super().read(size)
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise LabelFileError(f"{self._path}: damaged gzip file ({error})") from error


def _table_hdus(path: Path) -> Iterator[tuple[Any, int]]:
    """Yield (HDU without data, offset of its data in the uncompressed file) of the binary tables, in order."""
    from astropy.io import fits

    with warnings.catch_warnings(), _opened(path) as file:
        warnings.simplefilter("ignore")  # the values used here are checked by find_table
        offset = 0
        while True:  # header by header: astropy would unpack a whole gzip file to find its size
            file.seek(offset)
            try:
                header = fits.Header.fromfile(file)
            except EOFError:
                return
            offset = file.tell()
            if header.get("XTENSION") == "BINTABLE":
                yield fits.BinTableHDU.fromstring(header.tostring().encode("ascii", "replace")), offset
            offset += -(-_data_bytes(header) // _BLOCK) * _BLOCK


def _data_bytes(header: Any) -> int:
    """Return the size (bytes) of an HDU's data without padding (FITS standard 4.0, equation 2)."""
    axes = [int(header[f"NAXIS{i}"]) for i in range(1, int(header["NAXIS"]) + 1)]
    if header.get("GROUPS") is True and axes and axes[0] == 0:
        axes = axes[1:]
    values = int(header.get("PCOUNT", 0)) + (math.prod(axes) if axes else 0)
    size = abs(int(header["BITPIX"])) // 8 * int(header.get("GCOUNT", 1)) * values
    if size < 0:
        raise ValueError(f"an HDU of {size} bytes")
    return size


def _layout(
    path: Path, hdu: Any, offset: int, names: dict[str, str], required: list[str], optional: list[str]
) -> FitsTable:
    if hdu.header.get("ZTABLE"):
        raise LabelFileError(f"{path}: the table is compressed by fpack; unpack it with funpack")
    row, n_rows = hdu.columns.dtype.newbyteorder(">"), hdu.header["NAXIS2"]
    if row.itemsize != hdu.header["NAXIS1"] or not 0 < row.itemsize <= _LONGEST_ROW or n_rows < 0:
        raise LabelFileError(
            f"{path}: a table of {n_rows} rows of {hdu.header['NAXIS1']} bytes whose columns need {row.itemsize} bytes"
        )
    fields, left_out = {}, []
    for key in [*required, *(o for o in optional if o in names)]:
        column = hdu.columns[names[key]]
        type_ = row[names[key]]
        if type_.shape or type_.kind not in "iufSb" or not type_.itemsize:
            problem = f"{path}: column {names[key]} of format {column.format} does not have one number or text per row"
            if key in required:
                raise LabelFileError(problem)
            left_out.append(f"{problem}; it is left out")
            continue
        scale, zero = float(column.bscale or 1), float(column.bzero or 0)
        null = int(column.null) if isinstance(column.null, int) else None
        fields[key] = _Field(names[key], str(column.format).endswith("L"), scale, zero, null)
    wanted: Any = {
        "names": [field.name for field in fields.values()],
        "formats": [row[field.name] for field in fields.values()],
        "offsets": [row.fields[field.name][1] for field in fields.values()],
        "itemsize": row.itemsize,
    }
    return FitsTable(path, fields, tuple(left_out), int(n_rows), np.dtype(wanted), offset)


def _values(stored: NDArray[Any], field: _Field) -> NDArray[Any] | pd.Categorical:
    if stored.dtype.kind == "S":
        return _texts(stored)
    if field.logical:
        return stored == ord("T")
    values = stored.astype(stored.dtype.newbyteorder("="))
    scaled: NDArray[Any] = values
    whole = values.dtype.kind in "iu" and field.scale == 1 and field.zero == int(field.zero)
    if whole and field.zero == _UNSIGNED:
        scaled = values.astype("int64").view("uint64") ^ np.uint64(_UNSIGNED)
    elif whole and field.zero:
        scaled = values.astype("int64") + int(field.zero)
    elif (field.scale, field.zero) != (1, 0):
        scaled = field.zero + field.scale * values.astype("float64")
    undefined = values == field.null if field.null is not None and values.dtype.kind in "iu" else None
    return scaled if undefined is None or not undefined.any() else np.where(undefined, np.nan, scaled)


def _texts(stored: NDArray[np.bytes_]) -> pd.Categorical:
    """Return fixed-width bytes as a categorical; each distinct string is decoded once."""
    stored = np.ascontiguousarray(stored)
    buffers = [None, pa.py_buffer(stored.view("uint8"))]
    coded = pa.FixedSizeBinaryArray.from_buffers(pa.binary(stored.dtype.itemsize), len(stored), buffers)
    coded = coded.dictionary_encode()
    texts = [v.partition(b"\0")[0].decode("latin-1").strip() for v in coded.dictionary.to_pylist()]
    return categorical(coded.indices.to_numpy(), texts)
