"""Label text files as lines, whatever their encoding and line ends; binary files are refused."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from pathlib import Path

from badexp_assets.errors import InputError, LabelFileError

_MAGIC = (b"SIMPLE  =", b"\x1f\x8b", b"PK\x03\x04", b"\x89PNG", b"PAR1", b"%PDF", b"BZh")
_CONTROL = bytes(b for b in range(32) if b not in b"\t\n\r\f\v") + b"\x7f"
_CONTROL_IN_LINE = re.compile(r"[\x00-\x08\x0a\x0d-\x1f\x7f]")
_SMALLEST_BINARY = 32
_INVISIBLE = dict.fromkeys(map(ord, "\u200b\u200c\u200d\u2060\ufeff\u00ad"))  # as web pages and joined files leave them
MAX_LINE = 10_000  # characters; the longest real line has about 200


def read_bytes(path: Path) -> bytes:
    """Content of a file; InputError naming it when it can't be read."""
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise InputError(f"{path}: can't be read ({error.strerror or error})") from error


def read_label_text(path: str | Path) -> str:
    """Text of a label file with `\\n` line ends: UTF-8 (without its byte-order mark), UTF-16 with one, else Latin-1.

    Raises LabelFileError for a binary file: a known magic number, control characters in what is not UTF-8, or a file
    made mostly of control characters.
    """
    raw = read_bytes(Path(path))
    if raw.startswith(_MAGIC):
        raise LabelFileError(f"{path}: binary content (starts with {raw[:8]!r}); a text file is expected")
    if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) and len(raw) % 2 == 0:
        try:
            return _lines(raw.decode("utf-16"))
        except UnicodeDecodeError:
            pass
    raw = raw.removeprefix(codecs.BOM_UTF8)  # before decoding: a file may have it and be Latin-1 further down
    n_control = len(raw) - len(raw.translate(None, _CONTROL))
    try:
        text = raw.decode("utf-8")
        binary = len(raw) >= _SMALLEST_BINARY and n_control > 0.3 * len(raw)
    except UnicodeDecodeError:
        text = raw.decode("latin-1")
        binary = n_control > 0.02 * len(raw)
    if binary:
        raise LabelFileError(
            f"{path}: binary content ({n_control} of {len(raw)} bytes are control characters); a text file is expected"
        )
    return _lines(text)


def label_lines(path: str | Path) -> Iterator[tuple[int, str]]:
    """Yield (line number from 1, line) of a label file, comments and blank lines included."""
    yield from enumerate(read_label_text(path).split("\n"), start=1)


def plain(line: str) -> str:
    """The line without invisible characters (a byte-order mark amid joined files) and without blanks at its ends."""
    return (line if line.isascii() else line.translate(_INVISIBLE)).strip()


def line_fault(line: str) -> str | None:
    """What makes a line unusable whatever it says: a control character in it, or its length; else None."""
    if len(line) > MAX_LINE:
        return f"a line of {len(line):,} characters; at most {MAX_LINE:,} are expected"
    found = _CONTROL_IN_LINE.search(line)
    if found:
        place = f"control character {found[0]!r} at character {found.start() + 1} of the line"
        return f"{place}; plain text is expected"
    return None


def quote(text: str, longest: int = 40) -> str:
    """The text as a finding names it: quoted, unprintable characters escaped, cut where it is long."""
    return repr(text if len(text) <= longest else text[: longest - 1] + "…")


def _lines(text: str) -> str:
    # str.splitlines would also split on form feeds and Unicode separators and shift the line numbers
    return text.replace("\r\n", "\n").replace("\r", "\n")
