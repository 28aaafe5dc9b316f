"""A look at a FITS file's headers before CFITSIO gets it: what would kill the process there is an error here.

CFITSIO (4.6) divides by the axes of a compressed image as soon as it moves to its extension, and dies of an empty one.
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
    """A file that headers are read from."""

    def read(self, size: int, /) -> bytes:
        """Return the next `size` bytes."""

    def seek(self, offset: int, /) -> int:
        """Go to a place."""


class Hdu(NamedTuple):
    """A header and its data in a file: the header as it stands there, from byte `start` to `data`, where the data begin
    that end at `end` (padded to full blocks, as the header says; the file may be shorter).
    """

    start: int
    data: int
    end: int
    header: bytes


def check_headers(path: Path, where: Place | None = None) -> None:
    """Raise UnreadableImageError for a file that can't be opened, or has a compressed image without pixels.

    Anything else that is wrong is left for CFITSIO to find. Files packed as a whole (`.gz`) are not looked into.
    Messages name `where` (`path` unless given).
    """
    where = where or path
    if where.suffix == ".gz":
        return
    try:
        with open(path, "rb") as file:
            for _ in walk_headers(file, where):
                pass
    except OSError as error:
        raise UnreadableImageError(f"{where}: can't be opened ({error.strerror})") from error


def walk_headers(file: SupportsHeaders, where: Place) -> Iterator[Hdu]:
    """Yield the HDUs of a file, from its beginning to its end or to what is no header; only headers are read.

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
    """Read one header up to its END: its bytes, and its integers that matter; None at the end of the file."""
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
    """Bytes of data after a header; None when the header does not tell."""
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
