"""Damage to a FITS file as disks, networks and crashed writers make it, from a seed."""

from __future__ import annotations

import numpy as np

BLOCK, CARD = 2880, 80
_VALUES = (b"0", b"-1", b"1", b"2147483648", b"9" * 18, b"'text'", b"T", b"1.5E300", b"", b"NaN", b"-32", b"8", b"16")


def mutate(content: bytes, rng: np.random.Generator) -> bytes:
    """Return `content` with one to three kinds of damage."""
    damaged = bytearray(content)
    for _ in range(rng.integers(1, 4)):
        _KINDS[rng.integers(len(_KINDS))](damaged, rng)
    return bytes(damaged)


def _flip_bytes(content: bytearray, rng: np.random.Generator) -> None:
    for place in rng.integers(0, len(content), rng.integers(1, 30)) if content else ():
        content[place] = rng.integers(256)


def _truncate(content: bytearray, rng: np.random.Generator) -> None:
    del content[rng.integers(len(content) + 1) :]


def _remove_blocks(content: bytearray, rng: np.random.Generator) -> None:
    start = BLOCK * rng.integers(len(content) // BLOCK + 1)
    del content[start : start + BLOCK * rng.integers(1, 4)]


def _zero_blocks(content: bytearray, rng: np.random.Generator) -> None:
    start = BLOCK * rng.integers(len(content) // BLOCK + 1)
    end = min(len(content), start + BLOCK)
    content[start:end] = bytes(end - start)


def _swap_blocks(content: bytearray, rng: np.random.Generator) -> None:
    n = len(content) // BLOCK
    if n > 1:
        a, b = (slice(BLOCK * i, BLOCK * (i + 1)) for i in rng.integers(0, n, 2))
        content[a], content[b] = content[b], content[a]


def _mangle_card(content: bytearray, rng: np.random.Generator) -> None:
    """Give a card of a header another value, or another name."""
    cards = [i for i in range(0, len(content) - CARD + 1, CARD) if content[i + 8 : i + 10] == b"= "]
    if not cards:
        return
    place = cards[rng.integers(len(cards))]
    if rng.random() < 0.2:
        content[place : place + 8] = b"%-8d" % rng.integers(10**6)
    else:
        value = _VALUES[rng.integers(len(_VALUES))]
        content[place + 10 : place + CARD] = value.rjust(20).ljust(CARD - 10)


_KINDS = (_flip_bytes, _truncate, _remove_blocks, _zero_blocks, _swap_blocks, _mangle_card, _mangle_card, _mangle_card)
