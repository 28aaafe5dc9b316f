"""Compiled decoder of RICE_1 tiles, each a row of an image.

The format is that of the FITS standard 4.0, section 10.4.1, and Pence et al. 2010 (arXiv:1007.1179): the first pixel as
it is, then blocks of differences between neighbouring pixels, mapped to unsigned numbers. A block starts with a code: 0
if all its differences are 0, the highest one if they follow in full, else 1 + the number of low bits of a difference
that are stored as they are; its high bits are the number of zeros before a one.

All functions release the GIL. `data` (uint8) must have `PADDING` bytes after the last tile. A tile is accepted if it
decodes within its bytes, without numbers that CFITSIO's 32-bit arithmetic does not hold.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic
from numpy.typing import NDArray

PADDING = 1024
"""bytes; a damaged tile may be read as far beyond its end as one block is long"""
ACCEPTED = -1

_U1, _U3, _U7, _U8, _U31, _U32, _U56, _U63 = (np.uint64(n) for n in (1, 3, 7, 8, 31, 32, 56, 63))


@intrinsic
def _leading_zeros(context: Any, number: Any) -> Any:
    """Return the number of zero bits before the first one of a uint64; 64 for 0."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.ctlz(arguments[0], cgutils.false_bit)

    return types.uint64(types.uint64), generate


@intrinsic
def _load(context: Any, data: Any, place: Any) -> Any:
    """Return the 8 bytes of `data` (uint8) from `place` on as a big-endian uint64."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array = context.make_array(signature.args[0])(context, builder, arguments[0])
        number = context.get_value_type(types.uint64).as_pointer()
        pointer = builder.bitcast(builder.gep(array.data, [arguments[1]]), number)
        return builder.bswap(builder.load(pointer, align=1))

    return types.uint64(data, types.int64), generate


@njit(cache=True, nogil=True, inline="always")
def _bits_from(data: NDArray[Any], bit: Any) -> Any:
    """Return at least 57 bits of `data` from `bit` on, from the highest bit of a uint64 on."""
    return _load(data, bit >> 3) << (np.uint64(bit) & _U7)


@njit(cache=True, nogil=True)
def _skip_zeros(data: NDArray[Any], bit: Any, end: Any) -> Any:
    """Return the place of the first one from `bit` on, or a place from `end` on."""
    while bit < end:
        zeros = _leading_zeros(_bits_from(data, bit))
        if zeros <= _U56:
            return bit + np.int64(zeros)
        bit += 56
    return bit


@njit(cache=True, nogil=True, inline="always")
def _value(pixel: Any, size: int, codes: NDArray[Any] | None) -> Any:
    """Return what to store for a pixel, of which only the low `size` bytes count."""
    if codes is None:
        return pixel
    value = pixel & ((_U1 << np.uint64(8 * size)) - _U1)
    return codes[min(value, np.uint64(len(codes) - 1))]


@njit(cache=True, nogil=True)
def _decode_row(
    data: NDArray[Any], place: Any, length: int, size: int, block: int, codes: NDArray[Any] | None, row: NDArray[Any]
) -> Any:
    """Decode the tile of `length` bytes at `place` into `row`; return whether it was accepted."""
    code_bits = np.uint64(5 if size == 4 else 4 if size == 2 else 3)
    full = np.uint64(26 if size == 4 else 15 if size == 2 else 7)
    pixel_bits = np.uint64(8 * size)
    end = np.int64(8) * (place + length)
    columns = len(row)
    pixel = _load(data, place) >> (np.uint64(64) - pixel_bits)
    place += size
    # `bits` holds the next `known` bits of the tile, from the highest one on
    bits = known = np.uint64(0)
    start = filled = 0  # pixels from `filled` on to `start` are equal, and stored when one differs
    while start < columns:
        bits |= _load(data, place) >> known
        place += np.int64((_U63 - known) >> _U3)
        known |= _U56
        code = bits >> (np.uint64(64) - code_bits)
        bits <<= code_bits
        known -= code_bits
        if np.int64(8) * place - np.int64(known) > end:
            return False
        stop = min(start + block, columns)
        if code == 0:
            start = stop
            continue
        if filled < start:
            row[filled:start] = _value(pixel, size, codes)
        if code < full:
            low = code - _U1
            for i in range(start, stop):
                bits |= _load(data, place) >> known
                place += np.int64((_U63 - known) >> _U3)
                known |= _U56
                zeros = _leading_zeros(bits)
                if zeros <= _U31:
                    mapped = (zeros << low) | ((bits << zeros << _U1) >> _U1 >> (_U63 - low))
                    bits <<= zeros + low + _U1
                    known -= zeros + low + _U1
                else:
                    bit = _skip_zeros(data, np.int64(8) * place - np.int64(known), end)
                    zeros = np.uint64(bit - np.int64(8) * place) + known
                    if bit >= end or (zeros << low) >> _U32:
                        return False
                    bit += 1
                    mapped = (zeros << low) | (_bits_from(data, bit) >> _U1 >> (_U63 - low))
                    bit += np.int64(low)
                    place = (bit >> 3) + 1
                    known = _U8 - (np.uint64(bit) & _U7)
                    bits = _bits_from(data, bit)
                pixel += (mapped >> _U1) ^ -(mapped & _U1)
                row[i] = _value(pixel, size, codes)
        elif code == full:
            for i in range(start, stop):
                bits |= _load(data, place) >> known
                place += np.int64((_U63 - known) >> _U3)
                known |= _U56
                mapped = bits >> (np.uint64(64) - pixel_bits)
                bits <<= pixel_bits
                known -= pixel_bits
                pixel += (mapped >> _U1) ^ -(mapped & _U1)
                row[i] = _value(pixel, size, codes)
        else:
            return False
        start = filled = stop
    row[filled:] = _value(pixel, size, codes)
    return np.int64(8) * place - np.int64(known) <= end


@njit(cache=True, nogil=True)
def decode_integers(
    data: NDArray[Any],
    places: NDArray[Any],
    lengths: NDArray[Any],
    size: int,
    block: int,
    codes: NDArray[Any] | None,
    image: NDArray[Any],
) -> int:
    """Decode all rows of `image` (rows, columns), of `size` bytes per pixel in the file.

    places, lengths: first byte in `data` and bytes of each tile. block: pixels per block. codes: None, or what to store
    for pixels of 0, 1, ...; its last element for all others. Returns the first row that is not accepted, or ACCEPTED.
    """
    for i in range(len(image)):
        if not _decode_row(data, places[i], lengths[i], size, block, codes, image[i]):
            return i
    return ACCEPTED


@njit(cache=True, nogil=True)
def decode_floats(
    data: NDArray[Any],
    places: NDArray[Any],
    lengths: NDArray[Any],
    block: int,
    scales: NDArray[Any],
    zeros: NDArray[Any],
    dither: NDArray[Any],
    starts: NDArray[Any],
    seed: int,
    zero_pixel: int,
    null_pixel: int,
    null_is_nan: bool,
    step: int,
    image: NDArray[Any],
) -> int:
    """Decode all rows of `image` (rows, columns, float32), which were quantised as int32.

    scales, zeros: those of each row. dither: numbers (float64, 0 to 1) that were added, none for size 0; row i of the
    file uses them from `starts[(i + seed) % size]` on, and from `starts[(i + seed + 1) % size]` on after the last of
    them, and so on. zero_pixel, null_pixel: integers that stand for 0 and for NaN; if not `null_is_nan`, a row with the
    latter is not accepted. step: `image` has every step-th row of the file. The rest as in `decode_integers`.
    """
    columns = image.shape[1]
    integers = np.empty(columns, np.int32)
    for i in range(len(image)):
        if not _decode_row(data, places[i], lengths[i], 4, block, None, integers):
            return i
        scale, zero, row = scales[i], zeros[i], image[i]
        if len(dither) == 0:
            for j in range(columns):
                row[j] = np.float32(integers[j] * scale + zero)
        else:
            first, turn = 0, i * step + seed
            while first < columns:
                start = starts[turn % len(dither)]
                stop = min(first + len(dither) - start, columns)
                _undither(integers[first:stop], dither[start:], scale, zero, row[first:stop])
                first, turn = stop, turn + 1
        special = 0
        for j in range(columns):
            special += (integers[j] == null_pixel) | (integers[j] == zero_pixel)
        if special and not _set_special(integers, zero_pixel, null_pixel, null_is_nan, row):
            return i
    return ACCEPTED


@njit(cache=True, nogil=True)
def _undither(integers: NDArray[Any], dither: NDArray[Any], scale: float, zero: float, pixels: NDArray[Any]) -> None:
    """Scale integers without the number that was added to each; the order of operations is CFITSIO's."""
    for i in range(len(integers)):
        pixels[i] = np.float32((integers[i] - dither[i] + 0.5) * scale + zero)


@njit(cache=True, nogil=True)
def _set_special(
    integers: NDArray[Any], zero_pixel: int, null_pixel: int, null_is_nan: bool, pixels: NDArray[Any]
) -> bool:
    """Set pixels that are NaN or exactly 0; return whether all are accepted."""
    for i in range(len(integers)):
        if integers[i] == null_pixel:
            if not null_is_nan:
                return False
            pixels[i] = np.nan
        elif integers[i] == zero_pixel:
            pixels[i] = 0
    return True
