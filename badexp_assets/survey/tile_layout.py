"""The header of a tile-compressed image that `rice_tiles` decodes (FITS standard 4.0, section 10).

Only headers as fpack and CFITSIO write them are accepted. CFITSIO accepts many others, such as repeated cards, lower
case and values in other columns; what these mean is left to CFITSIO.
"""

from __future__ import annotations

import re
from typing import NamedTuple

import numpy as np

_CARD = 80
_KEYS = re.compile(
    rb"XTENSION|BITPIX|NAXIS\d*|[PG]COUNT|TFIELDS|THEAP|T(TYPE|FORM|SCAL|ZERO|NULL)\d+|BSCALE|BZERO|BLANK"
    rb"|ZIMAGE|ZBITPIX|ZNAXIS\d*|ZTILE\d+|Z(NAME|VAL)\d+|ZCMPTYPE|ZQUANTIZ|ZDITHER0|ZBLANK|ZSCALE|ZZERO"
)
_VALUE = re.compile(rb" *(?:'([^']*)'|([^' /][^ /]*)) *(?:/.*)?")
_COLUMN = re.compile(r"1?(?:([BIJKED])|([PQ])([BIJKED])(?:\(\d+\))?)")
_BYTES = {"B": 1, "I": 2, "J": 4, "K": 8, "E": 4, "D": 8, "P": 8, "Q": 16}
_PIXELS = {-32: (np.float32, 4), 8: (np.uint8, 1), 16: (np.int16, 2), 32: (np.int32, 4)}
_DITHERED = {None: 0, "NO_DITHER": 0, "SUBTRACTIVE_DITHER_1": 1, "SUBTRACTIVE_DITHER_2": 2}
_FIXED = {
    "XTENSION": ("BINTABLE",),
    "BITPIX": ("8",),
    "NAXIS": ("2",),
    "GCOUNT": ("1",),
    "ZIMAGE": ("T",),
    "ZNAXIS": ("2",),
    "ZTILE2": ("1", None),
    "ZCMPTYPE": ("RICE_1", "RICE_ONE"),
    "ZNAME1": ("BLOCKSIZE",),
    "ZVAL1": ("16", "32"),
    "ZNAME2": ("BYTEPIX",),
    "BSCALE": ("1", "1.", "1.0", None),
    "BZERO": ("0", "0.", "0.0", None),
    "BLANK": (None,),
    "ZSCALE": (None,),
    "ZZERO": (None,),
    "ZQUANTIZ": tuple(_DITHERED),
}
"""values that keywords must have; None: absent. Some versions of CFITSIO write RICE_ONE with the second dither."""


class TileLayout(NamedTuple):
    """How the tiles of an image (rows, columns) lie in a binary table with one row per row of the image.

    dtype: of the pixels; size: bytes of a pixel before compression; block: pixels that are coded together. row_bytes:
    length of a row of the table, which is followed by `heap_bytes` of tiles. places: byte in a row of each column.
    descriptor: type of the two numbers, length and place in the heap, of a tile. dither: 0 (none), 1 or 2, from the
    random number `seed` (0-based) on. blank: integer that stands for NaN, None if there is none.
    """

    rows: int
    columns: int
    dtype: np.dtype[np.generic]
    size: int
    block: int
    row_bytes: int
    heap_bytes: int
    places: dict[str, int]
    descriptor: str
    dither: int
    seed: int
    blank: int | None


def parse_layout(header: bytes) -> TileLayout | None:
    """Return the layout of the image whose header, up to its data, is given; None for one that is not accepted."""
    try:
        return _layout(_cards(header))
    except (_UnusualError, KeyError, ValueError):
        return None


class _UnusualError(Exception):
    """A header that is left to CFITSIO."""


def _cards(header: bytes) -> dict[str, str]:
    """Return the values of the keywords that say how an image is compressed."""
    if re.fullmatch(rb"[ -~]*", header) is None:
        raise _UnusualError
    cards: dict[str, str] = {}
    for start in range(0, len(header), _CARD):
        card = header[start : start + _CARD]
        if card.startswith(b"END "):
            if header[start + 3 :].strip():
                raise _UnusualError
            return cards
        words = card.replace(b"=", b" ").split(b" ")
        name = words[0]
        if name == b"HIERARCH":
            name = next(filter(None, words[1:]), b"")
        if _KEYS.fullmatch(name.upper()) is None:
            continue
        value = _VALUE.fullmatch(card[10:])
        if value is None or card[:10] != name.ljust(8) + b"= " or not name.isupper() or name.decode() in cards:
            raise _UnusualError
        cards[name.decode()] = (value[2] if value[1] is None else value[1].rstrip()).decode()
    raise _UnusualError


def _layout(cards: dict[str, str]) -> TileLayout:
    number = {name: int(value) for name, value in cards.items() if re.fullmatch(r"[+-]?\d+", value)}
    if any(cards.get(name) not in values for name, values in _FIXED.items()):
        raise _UnusualError
    if any(re.match(r"T(SCAL|ZERO|NULL)", name) for name in cards):
        raise _UnusualError
    rows, columns, row_bytes, heap_bytes = (number[name] for name in ("ZNAXIS2", "ZNAXIS1", "NAXIS1", "PCOUNT"))
    dtype, size = _PIXELS[number["ZBITPIX"]]
    places, descriptor = _columns(cards, number["TFIELDS"], row_bytes)
    quantised = dtype == np.float32
    seed = number["ZDITHER0"] if "ZDITHER0" in cards else 1
    blank = number["ZBLANK"] if "ZBLANK" in cards else None
    if (
        number["ZTILE1"] != columns
        or number["NAXIS2"] != rows
        or number["ZVAL2"] != size
        or min(rows, columns, heap_bytes) < 1
        or ("THEAP" in cards and number["THEAP"] != row_bytes * rows)
        or [name in places for name in ("ZSCALE", "ZZERO")] != [quantised, quantised]
        or not 1 <= seed <= 10_000
        or not -(2**31) <= (blank or 0) < 2**31
    ):
        raise _UnusualError
    return TileLayout(
        rows=rows,
        columns=columns,
        dtype=np.dtype(dtype),
        size=size,
        block=number["ZVAL1"],
        row_bytes=row_bytes,
        heap_bytes=heap_bytes,
        places=places,
        descriptor=descriptor,
        dither=_DITHERED[cards.get("ZQUANTIZ")],
        seed=seed - 1,
        blank=blank,
    )


def _columns(cards: dict[str, str], fields: int, row_bytes: int) -> tuple[dict[str, int], str]:
    """Return the byte in a row at which each column starts, and the type of the descriptors of compressed tiles."""
    places: dict[str, int] = {}
    formats: dict[str, str] = {}
    width = 0
    for i in range(1, fields + 1):
        name, form = cards[f"TTYPE{i}"], cards[f"TFORM{i}"]
        match = _COLUMN.fullmatch(form)
        if match is None or name in places:
            raise _UnusualError
        places[name], formats[name] = width, (match[1] or match[2] + match[3])
        width += _BYTES[match[1] or match[2]]
    if width != row_bytes or not set(places) <= {
        "COMPRESSED_DATA",
        "UNCOMPRESSED_DATA",
        "GZIP_COMPRESSED_DATA",
        "ZSCALE",
        "ZZERO",
    }:
        raise _UnusualError
    if any(formats.get(name, "D") != "D" for name in ("ZSCALE", "ZZERO")):
        raise _UnusualError
    return places, {"PB": ">u4", "QB": ">i8"}[formats["COMPRESSED_DATA"]]
