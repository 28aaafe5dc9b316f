"""Every file of an archive is an exposure, an older reduction, or named, and one bad record costs only itself."""

import os
import shutil

import pytest

from badexp_assets.io.parquet import to_arrow
from badexp_assets.io.schemas import SCHEMAS
from badexp_assets.survey.archive import OUTSIDE, list_exposures, list_files_outside, list_night_files, list_nights
from badexp_assets.survey.cameras import load_camera
from badexp_assets.survey.cp_files import parse_cp_name
from badexp_assets.survey.file_account import account_for, nights_are_wrong
from badexp_assets_tests.survey.arrivals.conftest import START, Tree, Watch

NIGHT = "2018-05-17"
FOUR = {"N4": 35}
MD5 = "0050b12beda2b1d1b1306a792ef4cdc4"


def listed(archive, night=NIGHT):
    return list_exposures(archive, night, load_camera())


def write(tiny_cp, archive, expnum=747382, **options):
    return tiny_cp.write_cp(archive, expnum, **({"ccds": FOUR, "with_ood": False} | options))


@pytest.mark.parametrize("band", ["N662", "N964", "N419", "M411", "N501", "VR", "Y"])
def test_bands_with_digits_are_read(band):
    name = parse_cp_name(f"c4d_210831_073002_ooi_{band}_v1.fits.fz")
    assert (name.band, name.tag) == (band, "v1")
    assert parse_cp_name(f"{MD5}_c4d_210831_073002_ooi_{band}_v1.fits.fz") == name


def test_an_image_and_its_mask_each_with_its_own_checksum_in_front_are_one_exposure(tiny_cp, tmp_path):
    ooi = write(tiny_cp, tmp_path, with_ood=True)
    ood = ooi.with_name(ooi.name.replace("ooi", "ood"))
    for path, checksum in ((ooi, MD5), (ood, MD5[::-1])):
        path.rename(path.with_name(f"{checksum}_{path.name}"))
    (row,) = listed(tmp_path).to_dict("records")
    assert (row["status"], row["ood"].rpartition("/")[2]) == ("ready", f"{MD5[::-1]}_{ood.name}")
    assert list_night_files(tmp_path, NIGHT, load_camera()).others == {}


@pytest.mark.parametrize("folder", ["CP20180517_r_v2", "CP20180517v2", "CP20180517-rerun", "CP20180517.old"])
def test_a_folder_with_a_suffix_is_a_night(tiny_cp, tmp_path, folder):
    write(tiny_cp, tmp_path, folder=f"decam/{folder}")
    assert list_nights(tmp_path, load_camera()) == [NIGHT]
    assert listed(tmp_path)["status"].tolist() == ["ready"]


def test_a_linked_folder_inside_a_night_is_read_once(tiny_cp, tmp_path):
    archive = tmp_path / "archive"
    write(tiny_cp, tmp_path / "elsewhere", folder="part")
    write(tiny_cp, archive, 747383, time="050000")
    night = archive / tiny_cp.FOLDER
    (night / "more").symlink_to(tmp_path / "elsewhere" / "part")
    (night / "loop").symlink_to(night)
    (night / "again").symlink_to(tmp_path / "elsewhere" / "part")
    assert listed(archive)["expnum"].tolist() == [747382, 747383]


@pytest.mark.parametrize(
    ("link", "to"),
    [
        ("decam/CP/0_latest", "decam/CP/V5.6S/CP20180517"),
        ("0/CP20180518", "decam/CP/V5.6S/CP20180517"),
        ("CP20180518/before", "decam/CP/V5.6S/CP20180517"),
        ("CP20180518/all", ""),
        ("decam/CP/V5.6S/CP20180517/up", ""),
        ("again", "decam/CP/V5.6S/CP20180517/part"),
    ],
)
def test_a_file_that_links_lead_to_twice_is_found_once(tiny_cp, tmp_path, link, to):
    ooi = write(tiny_cp, tmp_path)
    part = ooi.parent / "part"
    part.mkdir()
    write(tiny_cp, tmp_path, 747383, time="050000", folder=part.relative_to(tmp_path))
    (tmp_path / link).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / link).symlink_to(tmp_path / to)
    tables = [listed(tmp_path, night) for night in list_nights(tmp_path, load_camera())]
    assert sorted(path for table in tables for path in table["path"].map(lambda path: path.rpartition("/")[2])) == [
        "c4d_180518_044138_ooi_r_ls9.fits.fz",
        "c4d_180518_050000_ooi_r_ls9.fits.fz",
    ]
    assert sum(table["n_superseded"].sum() for table in tables) == 0
    assert list_files_outside(tmp_path, load_camera()) == {}


def test_files_of_a_loose_folder_that_a_night_links_to_are_read_and_not_named_as_loose(tiny_cp, tmp_path):
    loose = write(tiny_cp, tmp_path, folder="store/1")
    night = tmp_path / "CP20180517"
    night.mkdir()
    (night / "1").symlink_to(loose.parent)
    account = account_for(tmp_path, load_camera(), [NIGHT], listed(tmp_path))
    assert (account.n_found, account.n_exposures, dict(account.others)) == (1, 1, {})


@pytest.mark.parametrize("size", [0, 100, 2880])
def test_a_damaged_file_that_two_nights_link_to_is_named_in_the_night_of_its_name_only(tiny_cp, tmp_path, size):
    archive = tmp_path / "archive"
    damaged = write(tiny_cp, tmp_path / "elsewhere", folder="part")
    damaged.write_bytes(damaged.read_bytes()[:size])
    for night in ("CP20180516", "CP20180518"):
        (archive / night).mkdir(parents=True)
        (archive / night / "more").symlink_to(damaged.parent)
    assert list_nights(archive, load_camera()) == [NIGHT]
    table = listed(archive)
    account = account_for(archive, load_camera(), [NIGHT], table)
    assert len(table) + len(account.others) == account.n_found == 1


def test_links_of_two_nights_to_the_folder_above_them_name_a_loose_file_once(tiny_cp, tmp_path):
    (tmp_path / "loose").mkdir()
    (tmp_path / "loose" / "a b.fits").write_bytes(b"x")
    for night in ("CP20180516", "CP20180517"):
        (tmp_path / night).mkdir()
        (tmp_path / night / "up").symlink_to(tmp_path)
    tables = [listed(tmp_path, night) for night in list_nights(tmp_path, load_camera())]
    assert sum(map(len, tables)) == 0
    assert list_files_outside(tmp_path, load_camera()) == {"loose/a b.fits": OUTSIDE}


@pytest.mark.parametrize(
    "name",
    ["tu2054134.fits.fz", "c4d_180518_044138_ooi_r_ls9.FITS", "c4d_180518_ooi_r.fits", "c4d_180518_050000_ooi.fit",
     "c4d_180518_044138_ooi_r_ls9.fits.bz2"],
)  # fmt: skip
def test_a_name_that_is_not_understood_is_an_excluded_exposure(tiny_cp, tmp_path, name):
    ooi = write(tiny_cp, tmp_path)
    before = list_night_files(tmp_path, NIGHT, load_camera()).fingerprint
    shutil.copy(ooi, ooi.parent / name)
    table = listed(tmp_path)
    assert sorted(table["status"]) == ["excluded", "ready"]
    (row,) = table[table["status"] == "excluded"].to_dict("records")
    assert name in row["path"]
    assert name in row["status_reason"]
    assert list_night_files(tmp_path, NIGHT, load_camera()).fingerprint != before


def write_not_utf8(path: bytes, content: bytes = b"x" * 2880) -> None:
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(content)
    os.utime(path, (0, 0))


@pytest.mark.parametrize(
    "name",
    [b"notes-\xfc.fits", b"c4d_180518_050000_ooi_r_\xfc.fits.fz", b"c4d_180518_044138_ood_\xfc.fits.fz",
     b"M\xfcller/c4d_180518_050000_ooi_r_ls9.fits.fz"],
)  # fmt: skip
def test_a_name_in_a_night_that_is_not_utf8_is_an_excluded_exposure_with_a_printable_path(tiny_cp, tmp_path, name):
    ooi = write(tiny_cp, tmp_path)
    before = list_night_files(tmp_path, NIGHT, load_camera()).fingerprint
    write_not_utf8(os.fsencode(ooi.parent) + b"/" + name, ooi.read_bytes())
    table = listed(tmp_path)
    assert sorted(table["status"]) == ["excluded", "ready"]
    (row,) = table[table["status"] == "excluded"].to_dict("records")
    assert row["path"] == f"{tiny_cp.FOLDER}/{name.decode(errors='backslashreplace')}"
    assert "not UTF-8" in row["status_reason"]
    shown = to_arrow(table.assign(n_ccds_read=0, n_ccds_failed=0), SCHEMAS["night_exposures"])
    assert row["path"] in shown.column("path").to_pylist()
    assert list_night_files(tmp_path, NIGHT, load_camera()).fingerprint != before
    account = account_for(tmp_path, load_camera(), [NIGHT], table)
    assert (account.n_found, account.n_exposures, account.n_unaccounted) == (2, 2, 0)


def test_a_name_beside_the_nights_that_is_not_utf8_is_named_with_a_printable_path(tiny_cp, tmp_path):
    write(tiny_cp, tmp_path)
    write_not_utf8(os.fsencode(tmp_path) + b"/M\xfcller/a.fits")
    account = account_for(tmp_path, load_camera(), [NIGHT], listed(tmp_path))
    assert list(account.others) == ["M\\xfcller/a.fits"]
    assert rb"M\xfcller/a.fits" in "\n".join(account.lines()).encode()


def test_arrivals_request_a_night_with_a_name_that_is_not_utf8_and_no_other_one(tiny_cp, tmp_path):
    watch = Watch(Tree(tmp_path / "archive"), tmp_path / "state")
    watch.now = START + 1e9
    ooi = write(tiny_cp, watch.tree.root, folder="CP20180517")
    write(tiny_cp, watch.tree.root, 747383, folder="CP20180518", header={"DTCALDAT": "2018-05-18", "MJD-OBS": 58257.2})
    watch.look()
    write_not_utf8(os.fsencode(ooi.parent) + b"/M\xfcller/\xfc.fits")
    for _ in range(4):
        watch.look()
    assert watch.requested == [(NIGHT, list_night_files(watch.tree.root, NIGHT, load_camera()).fingerprint)]
    os.utime(os.fsencode(ooi.parent) + b"/M\xfcller/\xfc.fits", (watch.now, watch.now))
    assert watch.look(1).writing == {NIGHT: [r"CP20180517/M\xfcller/\xfc.fits"]}


@pytest.mark.parametrize("place", ["", "decam/CP/V5.6S", "decam/CP20181301", "loose"])
def test_a_file_in_no_folder_of_a_night_is_named(tiny_cp, tmp_path, place):
    ooi = write(tiny_cp, tmp_path)
    (tmp_path / place).mkdir(parents=True, exist_ok=True)
    path = tmp_path / place / ooi.name
    shutil.copy(ooi, path)
    assert list(list_files_outside(tmp_path, load_camera())) == [str(path.relative_to(tmp_path))]
    account = account_for(tmp_path, load_camera(), [NIGHT], listed(tmp_path))
    assert (account.n_found, account.n_exposures, len(account.others), account.n_unaccounted) == (2, 1, 1, 0)
    assert "CP<YYYYMMDD>" in "".join(account.lines())


@pytest.mark.parametrize(
    ("header", "n_older", "n_exposures"),
    [
        ({"MJD-OBS": 58256.19 + 150 / 86400}, 0, 2),
        ({"FILTER": "g DECam SDSS c0001 4720.0 1520.0"}, 0, 2),
        ({"MJD-OBS": 58256.19 - 40 / 86400, "PLVER": "V9.0"}, 0, 2),
        ({"MJD-OBS": 58256.19 + 1 / 86400, "PLVER": "V9.0"}, 1, 1),
        ({"MJD-OBS": None, "PLVER": "V9.0"}, 1, 1),
        ({"PLVER": "V4.8"}, 1, 1),
    ],
)
def test_an_exposure_is_known_by_number_time_and_band(tiny_cp, tmp_path, header, n_older, n_exposures):
    write(tiny_cp, tmp_path)
    write(tiny_cp, tmp_path, time="050000", header=header)
    table = listed(tmp_path)
    assert (len(table), table["n_superseded"].sum()) == (n_exposures, n_older)
    assert (table["expnum"] == 747382).sum() == 1
    assert (table["status"] == "ready").sum() == 1
    other = table[table["status"] == "excluded"]
    assert other["status_reason"].str.contains("EXPNUM 747382 is also that of another exposure").all()
    assert account_for(tmp_path, load_camera(), [NIGHT], table).n_unaccounted == 0


@pytest.mark.parametrize(
    ("band", "card", "filter_", "contradicts"),
    [
        ("N964", "r DECam SDSS c0002 6415.0 1480.0", "r", True),
        ("g", "z DECam SDSS c0004 9260.0 1520.0", "z", True),
        ("r", "VR DECam c0007 6300.0 2600.0", "VR", True),
        ("N662", "N662 DECam c0009 6620.0 160.0", "N662", False),
        ("Y", "y", "y", False),
        ("r", "bokr", "bokr", True),
        ("i", "i.MP9702", "i", False),
        ("N501", None, "N501", False),
    ],
)
def test_a_name_with_another_band_than_filter_is_noted(tiny_cp, tmp_path, band, card, filter_, contradicts):
    for path in (write(tiny_cp, tmp_path, header={"FILTER": card}, with_ood=True).parent).iterdir():
        path.rename(path.with_name(path.name.replace("_r_", f"_{band}_")))
    (row,) = listed(tmp_path).to_dict("records")
    assert (row["status"], row["filter"]) == ("ready", filter_)
    assert (f"the name says band {band}, FILTER says {filter_}" in str(row["note"])) == contradicts


@pytest.mark.parametrize(
    ("folder", "header", "nights", "said"),
    [
        ("CP20180518", {}, [NIGHT], "folder says night 2018-05-18"),
        ("CP20180510_g_v2", {}, [NIGHT], "folder says night 2018-05-10"),
        ("CP20180517", {"DTCALDAT": "2018-05-16"}, [NIGHT], "DTCALDAT says night 2018-05-16"),
        ("CP20180517", {"MJD-OBS": 58250.19}, [NIGHT], "MJD-OBS says night 2018-05-11"),
        ("CP20180518", {"DTCALDAT": None}, [NIGHT], "folder says night 2018-05-18"),
        ("CP20180518", {"DTCALDAT": "2018-05-10"}, [NIGHT], "DTCALDAT says night 2018-05-10"),
        ("CP20180518", {"DTCALDAT": "2018-05-18", "MJD-OBS": 58257.19}, ["2018-05-18"], None),
        ("CP20180517", {}, [NIGHT], None),
        ("CP20180518", {"MJD-OBS": None, "DATE-OBS": "2018-05-18T04:33:36"}, [NIGHT], "folder says night 2018-05-18"),
        ("CP20180518", {"DTCALDAT": "17/05/2018"}, [NIGHT], "folder says night 2018-05-18"),
        ("CP20180517", {"MJD-OBS": 0.0}, [NIGHT], "MJD-OBS says night 1858-11-16"),
    ],
)
def test_of_folder_and_header_the_two_that_agree_give_the_night(tiny_cp, tmp_path, folder, header, nights, said):
    write(tiny_cp, tmp_path, folder=f"decam/{folder}", header=header)
    assert list_nights(tmp_path, load_camera()) == nights
    (row,) = listed(tmp_path, nights[0]).to_dict("records")
    assert (row["status"], row["night"]) == ("ready", nights[0])
    assert (said or "") in str(row["note"])


def test_an_exposure_whose_night_is_undecided_is_excluded_with_all_that_is_known(tiny_cp, tmp_path):
    write(tiny_cp, tmp_path, folder="CP20180601", header={"DTCALDAT": "2018-05-10", "MJD-OBS": 58240.2})
    (night,) = list_nights(tmp_path, load_camera())
    table = listed(tmp_path, night)
    assert table["status"].tolist() == ["excluded"]
    assert table["status_reason"].str.contains("2018-06-01.*2018-05-10.*2018-05-01").all()
    assert nights_are_wrong(table)


def test_a_folder_of_two_nights_gives_each_its_exposures(tiny_cp, tmp_path):
    write(tiny_cp, tmp_path, folder="CP20180517")
    other = write(tiny_cp, tmp_path, 747400, folder="CP20180517", header={"DTCALDAT": "2018-05-16", "MJD-OBS": 58255.2})
    other.rename(other.with_name("c4d_180517_044138_ooi_r_ls9.fits.fz"))
    write(tiny_cp, tmp_path, folder="CP20180517")
    assert list_nights(tmp_path, load_camera()) == ["2018-05-16", NIGHT]
    assert [listed(tmp_path, night)["expnum"].tolist() for night in list_nights(tmp_path, load_camera())] == [
        [747400],
        [747382],
    ]


def test_an_image_that_is_damaged_where_it_lies_stays_in_a_night(tiny_cp, tmp_path):
    ooi = write(tiny_cp, tmp_path, folder="CP20180518")
    os.utime(ooi.parent, (0, 0))  # long before it is listed
    assert list_nights(tmp_path, load_camera()) == [NIGHT]
    ooi.write_bytes(b"")
    assert list_nights(tmp_path, load_camera()) == ["2018-05-18"]
    assert listed(tmp_path, "2018-05-18")["status"].tolist() == ["failed"]


def test_arrivals_find_the_nights_of_a_folder_named_by_another_date(tiny_cp, tmp_path):
    watch = Watch(Tree(tmp_path / "archive"), tmp_path / "state")
    watch.now = START + 1e9
    watch.look()
    write(tiny_cp, watch.tree.root, folder="CP20180518")
    watch.now += 1e6
    for _ in range(4):
        watch.look()
    assert watch.requested == [(NIGHT, list_night_files(watch.tree.root, NIGHT, load_camera()).fingerprint)]
    write(tiny_cp, watch.tree.root, 747383, time="050000", folder="CP20180518")
    for _ in range(4):
        watch.look(5000)
    assert watch.requested[1:] == [(NIGHT, list_night_files(watch.tree.root, NIGHT, load_camera()).fingerprint)]
