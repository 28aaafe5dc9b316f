"""Whatever happens to an archive: files found = exposures + older reductions + named others.

`BADEXP_ARCHIVE_EXAMPLES` sets the number of histories (of up to 12 steps each).
"""

import os
import tempfile
from pathlib import Path

import hypothesis.strategies as st
import pytest
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from badexp_assets.survey.archive import list_exposures, list_night_files, list_nights
from badexp_assets.survey.archive_tree import is_fits_name
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


class AnyArchive(RuleBasedStateMachine):
    """Files come, go, are copied, linked, damaged and contradict each other."""

    def __init__(self) -> None:
        super().__init__()
        self._folder = tempfile.TemporaryDirectory()
        self.root = Path(self._folder.name) / "archive"
        self.root.mkdir()

    @property
    def files(self) -> list[Path]:
        return sorted(path for path in self.root.rglob("*") if path.is_file())

    @rule(folder=FOLDERS, prefix=PREFIXES, time=TIMES, product=PRODUCTS, band=BANDS, ending=ENDINGS, header=HEADERS)
    def write(self, folder, prefix, time, product, band, ending, header):
        place = self.root / folder
        place.mkdir(parents=True, exist_ok=True)
        (place / f"{prefix}c4d_{time}_{product}_{band}_v1{ending}").write_bytes(fits_bytes(header))

    @rule(folder=FOLDERS, name=st.sampled_from(["tu1.fits.fz", "notes.txt", ".hidden.fits", "x.fits.part", "a b.fits"]))
    def write_other(self, folder, name):
        place = self.root / folder
        place.mkdir(parents=True, exist_ok=True)
        (place / name).write_bytes(b"x")

    @precondition(lambda self: self.files)
    @rule(data=st.data(), size=st.sampled_from([0, 100, 2880, 3000]))
    def damage(self, data, size):
        path = data.draw(st.sampled_from(self.files))
        path.write_bytes(path.read_bytes()[:size])

    @precondition(lambda self: self.files)
    @rule(data=st.data(), folder=FOLDERS)
    def copy(self, data, folder):
        path = data.draw(st.sampled_from(self.files))
        (self.root / folder).mkdir(parents=True, exist_ok=True)
        (self.root / folder / path.name).write_bytes(path.read_bytes())

    @precondition(lambda self: self.files)
    @rule(data=st.data())
    def remove(self, data):
        data.draw(st.sampled_from(self.files)).unlink()

    @rule(folder=FOLDERS, to=st.sampled_from(["CP20180517", "", "outside"]))
    def link(self, folder, to):
        place = self.root / folder
        place.mkdir(parents=True, exist_ok=True)
        if to == "outside":
            outside = self.root.parent / "outside"
            outside.mkdir(exist_ok=True)
            (outside / "c4d_180518_010000_ooi_r_v1.fits").write_bytes(fits_bytes({"EXPNUM": "9"}))
        if not (place / "linked").is_symlink():
            (place / "linked").symlink_to(self.root.parent / "outside" if to == "outside" else self.root / to)

    @invariant()
    def every_file_is_an_exposure_or_an_older_reduction_or_named(self):
        nights = list_nights(self.root)
        named: list[str] = []
        for night in nights:
            files = list_night_files(self.root, night)
            table = list_exposures(self.root, night, CAMERA, files)
            account = account_for(self.root, [night], table)
            assert account.n_unaccounted == 0
            assert table["expnum"].is_unique
            assert table["status"].isin(["ready", "failed", "excluded"]).all()
            assert (table["status_reason"].notna() == (table["status"] != "ready")).all()
            for exposure in files.exposures:
                named += [path for path in (exposure.ooi, exposure.ood, exposure.oow) if path]
            named += files.others
        everything = account_for(self.root, [], list_exposures(self.root, "1999-01-01", CAMERA))
        named += everything.others
        assert len(named) == len(set(named))
        real = {os.path.realpath(self.root / path) for path in named}
        assert {str(path) for path in self._fits()} <= real

    def _fits(self) -> list[Path]:
        found = (path for path in self.root.rglob("*") if is_fits_name(path.name) and not path.is_dir())
        return [path.resolve() for path in found]

    def teardown(self) -> None:
        self._folder.cleanup()


AnyArchive.TestCase.settings = settings(
    max_examples=int(os.environ.get("BADEXP_ARCHIVE_EXAMPLES", "15")), stateful_step_count=12, deadline=None
)
test_nothing_vanishes_whatever_happens_to_an_archive = pytest.mark.slow(AnyArchive.TestCase)
