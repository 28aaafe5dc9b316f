"""What the columns of a text list are: by its header line where it has one, else by how many there are."""

from __future__ import annotations

import re
from dataclasses import dataclass

# column → its names in headers, the surest first; `ccd` beside `ccdnum` is a focal-plane slot, alone it is the number
_NAMES = {
    "expnum": ("expnum", "expid", "exposure", "exp"),
    "ccdnum": ("ccdnum", "ccd_num", "ccd"),
    "ccdname": ("ccdname", "detpos", "extname", "id"),
    "nite": ("nite", "night", "date"),
    "reason": ("problem", "reason", "comment", "comments"),
    "flag": ("flag", "flags"),
    "analyst": ("analyst",),
    **{name: (name,) for name in ("seeing", "efftime", "exptime", "filter", "airmass", "mjd_obs", "pass")},
}
_GAP = re.compile(r"\t+|\s{2,}")


@dataclass(frozen=True)
class Layout:
    """Columns of a list in the order they stand; names that mean nothing here are kept as written."""

    columns: tuple[str, ...]
    written: tuple[str, ...]
    separator: str | None = None

    @property
    def whole_exposures(self) -> bool:
        """Whether a row names no CCD."""
        return not {"ccdnum", "ccdname"} & set(self.columns)

    def split(self, text: str) -> dict[str, str]:
        """Return column → word of a row; ValueError says how many columns were found and which are expected.

        A reason in the last column may hold blanks; elsewhere it may when two blanks or a tab part the columns.
        """
        n = len(self.columns)
        if self.separator:
            words = [word.strip() for word in text.split(self.separator)]
        else:
            words = _GAP.split(text)
            if len(words) != n:
                words = text.split(None, n - 1) if self.columns[-1] == "reason" else text.split()
        if len(words) != n:
            raise ValueError(
                f"{len(words)} columns, so no {self._missing(words)} can be told; {n} are expected: "
                f"{' '.join(self.written)}"
            )
        return dict(zip(self.columns, words, strict=True))

    def _missing(self, words: list[str]) -> str:
        beyond = self.columns[len(words) :]
        wanted = [c for c in beyond if c in ("expnum", "ccdnum", "ccdname", "reason")]
        return wanted[-1] if wanted else "ccdnum" if not self.whole_exposures else "column"


def _layout(columns: str, written: str = "") -> Layout:
    return Layout(tuple(columns.split()), tuple((written or columns).split()))


PROBLEMS = _layout("nite expnum reason", "nite exposure problem")
CCDS = _layout("nite expnum ccd ccdname ccdnum", "date expnum ccd id ccdnum")
PAIRS = _layout("expnum ccdnum")
PSFEX = _layout("run expnum ccdnum flag", "run exposure ccdnum flag")


def read_header(text: str) -> Layout | None:
    """Return the columns that a header line (commented or not) names; None for any other line.

    A header names the exposure column and one more known column, and fewer unknown columns than known ones.
    """
    text = text.lstrip("#").strip().lower()
    separator = "," if "," in text else None
    words = tuple(word.strip(" \"'") for word in (text.split(separator) if separator else text.split()))
    if len(words) > 20 or len(set(words)) != len(words):
        return None
    known = {}
    for column, names in _NAMES.items():
        word = next((name for name in names if name in words), None)
        if word is not None:
            known[word] = column
    if "expnum" not in known.values() or len(known) < 2 or len(words) >= 2 * len(known):
        return None
    return Layout(tuple(known.get(word, word) for word in words), words, separator)


def layout_by_count(words: list[str], *, problems: bool) -> Layout:
    """Return the columns of a row of a list without header: `problems` say exposure and problem, the others name CCDs.

    Two words are exposure and CCD, unless the first is a date (then the row of five is short of three).
    """
    if problems:
        return PROBLEMS
    if len(words) == len(PSFEX.columns) and re.match("DECam_", words[1], re.IGNORECASE):
        return PSFEX
    if len(words) == 2 and not re.fullmatch("(19|20)[0-9]{2}-?[01][0-9]-?[0-3][0-9]", words[0]):
        return PAIRS
    return CCDS
