"""Whatever happens to an archive: files planted = exposures + older reductions + named others.

The files that must be there are those that the test has planted, not those that a listing finds.
`BADEXP_ARCHIVE_EXAMPLES` sets the number of histories (of up to 12 steps each).
"""

import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import hypothesis.strategies as st
import pandas as pd
import pytest
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from badexp_assets.survey.archive import list_exposures, list_nights
from badexp_assets.survey.cameras import load_camera
from badexp_assets.survey.file_account import account_for

CAMERA = load_camera()
FOLDERS = st.sampled_from(
    [
        "CP20180517",
        "decam/CP20180517_r_v2",
        "V5/CP20180518",
        "CP20180501v2",
        "loose",
        "",
        "CP20181301",
        "CP20180516/more",
    ]
)
TIMES = st.sampled_from(["180518_044138", "180518_050000", "180518_233000", "180517_020000"])
BANDS = st.sampled_from(["r", "N662", "VR"])
PREFIXES = st.sampled_from(["", "0050b12beda2b1d1b1306a792ef4cdc4_"])
ENDINGS = st.sampled_from([".fits", ".fits.fz", ".fits.gz", ".FITS", ".fits.bz2", ".fit"])
HEADERS = st.fixed_dictionaries(
    {
        "EXPNUM": st.sampled_from(["747382", "747383", "'747382'", "0", "'x'"]),
        "MJD-OBS": st.sampled_from(["58256.19", "58256.20", "58255.1", "'NaN'"]),
        "DTCALDAT": st.sampled_from(["'2018-05-17'", "'2018-05-16'", "'2018-05-18'", "'soon'"]),
        "FILTER": st.sampled_from(["'r DECam'", "'g DECam'"]),
        "PLVER": st.sampled_from(["'V5.6'", "'V4.8.2a'"]),
    }
)
PRODUCTS = st.sampled_from(["ooi", "ooi", "ood", "oow", "opi"])
OTHERS = {"tu1.fits.fz": True, "a b.fits": True, "notes.txt": False, ".hidden.fits": False, "x.fits.part": False}
"""names, and whether they are of FITS files that are complete"""
OUTSIDE = {"EXPNUM": "9", "MJD-OBS": "58256.05", "DTCALDAT": "'2018-05-17'", "FILTER": "'r DECam'", "PLVER": "'V1'"}


def fits_bytes(cards: dict[str, str]) -> bytes:
    """A primary header and one empty image extension."""
    fixed = {"EXPTIME": "90.0", "PROCTYPE": "'InstCal '", "WCSCAL": "'Successful'"}
    primary = {"SIMPLE": "T", "BITPIX": "8", "NAXIS": "0", "EXTEND": "T"} | fixed | cards
    image = {"XTENSION": "'IMAGE   '", "BITPIX": "8", "NAXIS": "0", "PCOUNT": "0", "GCOUNT": "1", "EXTNAME": "'N4'"}
    blocks = b""
    for header in (primary, image):
        text = "".join(f"{key:8}= {value:<20}".ljust(80) for key, value in header.items()) + "END".ljust(80)
        blocks += text.encode().ljust(2880)
    return blocks


@dataclass
class Planted:
    """A FITS file; `cards` of its header while it is whole, `product` in its name."""

    product: str | None
    cards: dict[str, str] | None


class AnyArchive(RuleBasedStateMachine):
    """Files come, go, are copied, linked, damaged and contradict each other."""

    def __init__(self) -> None:
        super().__init__()
        self._folder = tempfile.TemporaryDirectory()
        self.top = Path(self._folder.name).resolve()
        self.root = self.top / "archive"
        self.root.mkdir()
        self.planted: dict[Path, Planted] = {}

    @property
    def files(self) -> list[Path]:
        return sorted(self.planted)

    @rule(folder=FOLDERS, prefix=PREFIXES, time=TIMES, product=PRODUCTS, band=BANDS, ending=ENDINGS, header=HEADERS)
    def write(self, folder, prefix, time, product, band, ending, header):
        self._plant(
            self.root / folder / f"{prefix}c4d_{time}_{product}_{band}_v1{ending}",
            fits_bytes(header),
            Planted(product, header),
        )

    @rule(folder=FOLDERS, name=st.sampled_from(sorted(OTHERS)))
    def write_other(self, folder, name):
        self._plant(self.root / folder / name, b"x", Planted(None, None) if OTHERS[name] else None)

    @precondition(lambda self: self.files)
    @rule(data=st.data(), size=st.sampled_from([0, 100, 2880, 3000]))
    def damage(self, data, size):
        path = data.draw(st.sampled_from(self.files))
        path.write_bytes(path.read_bytes()[:size])
        self.planted[path] = Planted(self.planted[path].product, None)

    @precondition(lambda self: self.files)
    @rule(data=st.data(), folder=FOLDERS)
    def copy(self, data, folder):
        path = data.draw(st.sampled_from(self.files))
        known = self.planted[path]
        self._plant(self.root / folder / path.name, path.read_bytes(), Planted(known.product, known.cards))

    @precondition(lambda self: self.files)
    @rule(data=st.data())
    def remove(self, data):
        path = data.draw(st.sampled_from(self.files))
        path.unlink()
        del self.planted[path]

    @rule(folder=FOLDERS, name=st.sampled_from(["linked", "0_link"]), to=st.sampled_from(["CP20180517", "", "outside"]))
    def link(self, folder, name, to):
        place = self.root / folder
        place.mkdir(parents=True, exist_ok=True)
        if to == "outside":
            path = self.top / "outside" / "c4d_180518_010000_ooi_r_v1.fits"
            self._plant(path, fits_bytes(OUTSIDE), Planted("ooi", OUTSIDE))
        if not (place / name).is_symlink():
            (place / name).symlink_to(self.top / "outside" if to == "outside" else self.root / to)

    @invariant()
    def every_file_is_an_exposure_or_an_older_reduction_or_named(self):
        nights = list_nights(self.root, CAMERA)
        tables = [list_exposures(self.root, night, CAMERA) for night in nights]
        for table in tables:
            assert table["expnum"].is_unique
            assert table["status"].isin(["ready", "failed", "excluded"]).all()
            assert (table["status_reason"].notna() == (table["status"] != "ready")).all()
        exposures = pd.concat([*tables, list_exposures(self.root, "1999-01-01", CAMERA)], ignore_index=True)
        account = account_for(self.root, CAMERA, nights, exposures)
        columns = exposures[["ooi", "ood", "oow"]].to_numpy().ravel()
        named = [self._real(path) for path in [*columns[pd.notna(columns)], *account.others]]
        assert len(named) == len(set(named))
        assert set(named) <= self._reachable()
        older = self._reachable() - set(named)
        assert sum(self.planted[path].product == "ooi" for path in older) == account.n_older
        for path in older:
            assert self._is_part_of_an_older_reduction(path, older, exposures), path
        assert account.n_found == account.n_exposures + account.n_older + len(account.others)
        assert account.n_exposures == len(exposures)

    def _is_part_of_an_older_reduction(self, path: Path, older: set[Path], exposures: pd.DataFrame) -> bool:
        """Whether it is an image like one with a row in EXPNUM, time and band, or mask or weight map of such a one.

        The row of an image whose EXPNUM is that of another exposure, too, has another expnum.
        """
        planted = self.planted[path]
        if planted.product in ("ood", "oow"):
            of_image = path.name.replace(f"_{planted.product}_", "_ooi_").partition(".")[0]
            return any(other.parent == path.parent and other.name.partition(".")[0] == of_image for other in older)
        if planted.product != "ooi" or planted.cards is None:
            return False
        read = (self.planted[self._real(image)].cards for image in exposures["ooi"].dropna())
        return any(
            cards is not None
            and cards["EXPNUM"].strip("'") == planted.cards["EXPNUM"].strip("'")
            and cards["FILTER"] == planted.cards["FILTER"]
            and len({*self._times(cards), *self._times(planted.cards)}) <= 1
            for cards in read
        )

    @staticmethod
    def _times(cards: dict[str, str]) -> Iterator[str]:
        if cards["MJD-OBS"] != "'NaN'":
            yield cards["MJD-OBS"]

    def _plant(self, path: Path, content: bytes, planted: Planted | None) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        if planted is not None:
            self.planted[path] = planted

    def _reachable(self) -> set[Path]:
        """Planted files; those outside of the archive only if a link leads there."""
        linked = any(place.resolve() == self.top / "outside" for place in self.root.rglob("*") if place.is_symlink())
        return {path for path in self.planted if linked or self.root in path.parents}

    def _real(self, path: str) -> Path:
        return (self.root / path).resolve()

    def teardown(self) -> None:
        self._folder.cleanup()


AnyArchive.TestCase.settings = settings(
    max_examples=int(os.environ.get("BADEXP_ARCHIVE_EXAMPLES", "15")), stateful_step_count=12, deadline=None
)
test_nothing_vanishes_whatever_happens_to_an_archive = pytest.mark.slow(AnyArchive.TestCase)
