"""The columns of an exclude list: named by its header line, else inferred from their number."""

from __future__ import annotations

import re
from dataclasses import dataclass

# column: its names in headers, preferred ones first; `ccd` is a focal-plane slot next to `ccdnum`, else the CCD number
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
    """Columns of a list in their order, as `written` and by our names; unknown columns keep their written name."""

    columns: tuple[str, ...]
    written: tuple[str, ...]
    separator: str | None = None

    @property
    def whole_exposures(self) -> bool:
        """Whether rows name whole exposures and no CCDs."""
        return not {"ccdnum", "ccdname"} & set(self.columns)

    def split(self, text: str) -> dict[str, str]:
        """Return {column: word} of a row.

        A reason may contain blanks if it is the last column, or if columns are separated by two blanks or a tab. Raises
        ValueError that says how many columns were found and which are expected.
        """
        n = len(self.columns)
        if self.separator:
            words = [word.strip() for word in text.split(self.separator)]
        else:
            words = _GAP.split(text)
            if len(words) != n:
                words = text.split(None, n - 1) if self.columns[-1] == "reason" else text.split()
        if len(words) != n:
            unclear = f"{self._unclear(words)} can't be identified"
            raise ValueError(f"{len(words)} columns, so {unclear}; {n} are expected: {' '.join(self.written)}")
        return dict(zip(self.columns, words, strict=True))

    def _unclear(self, words: list[str]) -> str:
        """Return the column that matters most among those that a row with these words lacks."""
        beyond = self.columns[len(words) :]
        wanted = [c for c in beyond if c in ("expnum", "ccdnum", "ccdname", "reason")]
        return wanted[-1] if wanted else "ccdnum" if not self.whole_exposures else "a column"


def _layout(columns: str, written: str = "") -> Layout:
    return Layout(tuple(columns.split()), tuple((written or columns).split()))


PROBLEMS = _layout("nite expnum reason", "nite exposure problem")
CCDS = _layout("nite expnum ccd ccdname ccdnum", "date expnum ccd id ccdnum")
PAIRS = _layout("expnum ccdnum")
PSFEX = _layout("run expnum ccdnum flag", "run exposure ccdnum flag")


def read_header(text: str) -> Layout | None:
    """Return the columns that a header line (with or without `#`) names; None for any other line.

    A header names the exposure column and at least one other known column, and fewer unknown columns than known ones.
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
    """Return the columns of a row of a list without header; `problems`: the list is a problem list (whole exposures).

    Two words are exposure and CCD, unless the first is a date: then three of five columns are missing.
    """
    if problems:
        return PROBLEMS
    if len(words) == len(PSFEX.columns) and re.match("DECam_", words[1], re.IGNORECASE):
        return PSFEX
    if len(words) == 2 and not re.fullmatch("(19|20)[0-9]{2}-?[01][0-9]-?[0-3][0-9]", words[0]):
        return PAIRS
    return CCDS
