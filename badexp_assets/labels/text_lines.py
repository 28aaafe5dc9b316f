"""Reads label text files of any encoding and line ends as lines; refuses binary files."""

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
_INVISIBLE = dict.fromkeys(map(ord, "\u200b\u200c\u200d\u2060\ufeff\u00ad"))  # from web pages and concatenated files
MAX_LINE = 10_000  # characters; the longest line of the real lists has about 200


def read_bytes(path: Path) -> bytes:
    """Return the content of a file; raises InputError that names it if it can't be read."""
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise InputError(f"{path}: can't be read ({error.strerror or error})") from error


def read_label_text(path: str | Path) -> str:
    """Return the text of a label file with newline line ends, decoded from UTF-8, UTF-16 (with its mark) or Latin-1.

    Raises LabelFileError for a binary file: one with a known magic number, one that is not UTF-8 and has control
    characters, or one in which many bytes are control characters.
    """
    raw = read_bytes(Path(path))
    if raw.startswith(_MAGIC):
        raise LabelFileError(f"{path}: binary content (starts with {raw[:8]!r}); a text file is expected")
    if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) and len(raw) % 2 == 0:
        try:
            return _lines(raw.decode("utf-16"))
        except UnicodeDecodeError:
            pass
    raw = raw.removeprefix(codecs.BOM_UTF8)  # before decoding, because the rest may be Latin-1
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


def numbered_lines(path: str | Path) -> Iterator[tuple[int, str]]:
    """Yield (line number from 1, line) of a label file, comments and blank lines included."""
    yield from enumerate(read_label_text(path).split("\n"), start=1)


def strip_invisible(line: str) -> str:
    """Return the line without invisible characters (byte-order marks, zero-width blanks) and blanks at its ends."""
    return (line if line.isascii() else line.translate(_INVISIBLE)).strip()


def line_problem(line: str) -> str | None:
    """Return why a line can't be used (control character, too long), or None."""
    if len(line) > MAX_LINE:
        return f"a line of {len(line):,} characters; at most {MAX_LINE:,} are expected"
    if found := _CONTROL_IN_LINE.search(line):
        return f"control character {found[0]!r} at character {found.start() + 1} of the line; plain text is expected"
    return None


def quote(text: str, longest: int = 40) -> str:
    """Return the text for an error message: quoted, unprintable characters escaped, cut after `longest` characters."""
    return repr(text if len(text) <= longest else text[: longest - 1] + "…")


def _lines(text: str) -> str:
    # str.splitlines would also split on form feeds and Unicode separators and shift the line numbers
    return text.replace("\r\n", "\n").replace("\r", "\n")
