"""Validation of a FITS file's headers before CFITSIO opens it, because damage can kill the process there.

CFITSIO (4.6) divides by the axes of a compressed image when it moves to its extension, and crashes if one is 0.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import NamedTuple, Protocol

from badexp_assets.errors import UnreadableImageError
from badexp_assets.io.place import Place

BLOCK = 2880
_CARD = 80
_MAX_BLOCKS = 1000  # of one header; real ones have fewer than 20
_CARD_OF_INTEREST = re.compile(rb"(BITPIX|NAXIS\d?|PCOUNT|GCOUNT|ZNAXIS\d|ZTILE\d) *=([^/]*)")
_NOT_A_NUMBER = -1
_FIRST_LETTERS = b"BNPGZ"


class SupportsHeaders(Protocol):
    """A file from which headers can be read."""

    def read(self, size: int, /) -> bytes:
        """Return the next `size` bytes."""

    def seek(self, offset: int, /) -> int:
        """Set the position."""


class Hdu(NamedTuple):
    """A header and the place of its data: the raw header is at bytes `start` to `data`, the data at `data` to `end`.

    `end` includes the padding to full blocks and comes from the header; the file may be shorter.
    """

    start: int
    data: int
    end: int
    header: bytes


def is_gzipped(name: str) -> bool:
    """Whether a file is compressed as a whole by gzip, which its name tells: `.gz`, in capitals or not."""
    return name.lower().endswith(".gz")


def check_headers(path: Path, where: Place | None = None) -> None:
    """Raise UnreadableImageError for a file that can't be opened, or has a compressed image without pixels.

    All other damage is left to CFITSIO. Files compressed as a whole (`.gz`) are not checked. Messages name `where`
    (by default `path`).
    """
    where = where or path
    if is_gzipped(where.name):
        return
    try:
        with open(path, "rb") as file:
            for _ in walk_headers(file, where):
                pass
    except OSError as error:
        raise UnreadableImageError(f"{where}: can't be opened ({error.strerror})") from error


def walk_headers(file: SupportsHeaders, where: Place) -> Iterator[Hdu]:
    """Yield the HDUs of a file up to its end or the first invalid header; only headers are read.

    Raises UnreadableImageError as `check_headers` does.
    """
    start = 0
    for extension in count():
        found = _read_header(file)
        if found is None:
            return
        header, numbers = found
        for key, value in numbers.items():
            if key.startswith(("ZNAXIS", "ZTILE")) and value <= 0:
                raise UnreadableImageError(f"{where}[{extension}]: {key} is not a whole number above 0")
        size = _data_size(numbers)
        if size is None:
            return
        data = start + len(header)
        end = data + -(-size // BLOCK) * BLOCK
        yield Hdu(start, data, end, header)
        file.seek(end)
        start = end


def _read_header(file: SupportsHeaders) -> tuple[bytes, dict[str, int]] | None:
    """Read one header up to its END; return its bytes and the integers needed here, None at the end of the file."""
    numbers: dict[str, int] = {}
    blocks: list[bytes] = []
    for _ in range(_MAX_BLOCKS):
        block = file.read(BLOCK)
        if len(block) < BLOCK:
            return None
        blocks.append(block)
        for start in range(0, BLOCK, _CARD):
            if block[start] in _FIRST_LETTERS:
                match = _CARD_OF_INTEREST.match(block[start : start + _CARD])
                if match:
                    value = match[2].strip()
                    numbers[match[1].decode()] = _integer(value)
            elif block[start : start + 8] == b"END     ":
                return b"".join(blocks), numbers
    return None


def _integer(value: bytes) -> int:
    return int(value) if re.fullmatch(rb"[+-]?\d+", value) else _NOT_A_NUMBER


def _data_size(numbers: dict[str, int]) -> int | None:
    """Return the number of bytes of data after a header; None when it can't be computed."""
    axes = numbers.get("NAXIS")
    bits = numbers.get("BITPIX")
    if axes is None or bits is None or not 0 <= axes <= 9:
        return None
    pixels = 1 if axes else 0
    for n in range(1, axes + 1):
        length = numbers.get(f"NAXIS{n}", -1)
        if length < 0:
            return None
        pixels *= length
    size = abs(bits) // 8 * numbers.get("GCOUNT", 1) * (numbers.get("PCOUNT", 0) + pixels)
    return size if 0 <= size < 2**50 else None
