"""Whatever lies in the archive, every exposure and every CCD ends somewhere, with its reason."""

import os
import shutil
import tempfile
from pathlib import Path

import fitsio
import numpy as np
import pandas as pd
import pytest

from badexp_assets.config.night_options import EntropyParams, PassParams
from badexp_assets.io.parquet_reading import read_table
from badexp_assets.pixels.night_pass import run_pass
from badexp_assets.pixels.night_tables import MISSING, PASS_TABLES
from badexp_assets.survey.archive import list_nights
from badexp_assets.survey.cameras import load_camera
from badexp_assets_tests.pixels.stand_in import MeanEmbedder

NIGHT = "2018-05-17"
CAMERA = load_camera()


def run(archive: Path, out: Path, night: str = NIGHT, progress=None):
    places = {name: out / f"{name}-{night}.parquet" for name in PASS_TABLES}
    params = PassParams(preview_height=64, stamps_per_exposure=2)
    summary = run_pass(
        archive, night, CAMERA, MeanEmbedder(), EntropyParams(gradient_points=50), params, places, progress
    )
    found = {name: read_table(path) for name, path in places.items()}
    exposures, ccds = found["night_exposures"], found["night_ccds"]
    assert summary.n_scored + summary.n_failed + summary.n_excluded == summary.n_found == len(exposures)
    assert exposures["status_reason"].isna().equals(exposures["status"] == "scored")
    assert ccds["status_reason"].isna().equals(ccds["status"] == "read")
    assert (summary.n_ccds_read, summary.n_ccds_failed) == tuple(
        (ccds["status"] == s).sum() for s in ("read", "failed")
    )
    read = ccds.loc[ccds["status"] == "read", ["expnum", "ccdnum"]].to_numpy().tolist()
    for name in ("night_embeddings", "night_orientations"):
        assert found[name][["expnum", "ccdnum"]].to_numpy().tolist() == read
    return summary, found


@pytest.mark.slow
def test_a_night_of_damaged_files_is_accounted_for_to_the_last_ccd(tiny_cp, mutations, tmp_path):
    images = {name: tiny_cp.tiny_image(i, (60, 40)) for i, name in enumerate(tiny_cp.CCDS)}
    rng = np.random.default_rng(4)
    for i in range(40):
        ooi = tiny_cp.write_cp(tmp_path / "cp", 100 + i, time=f"04{i:04d}", images=images, packed=i % 3 > 0)
        ood = ooi.with_name(ooi.name.replace("ooi", "ood"))
        for path in (ooi, ood)[: 1 + i % 2]:
            path.write_bytes(mutations.mutate(path.read_bytes(), rng))
    summary, found = run(tmp_path / "cp", tmp_path / "out")
    assert summary.n_found >= 38  # a damaged EXPNUM may be another exposure's
    assert min(summary.n_scored, summary.n_failed, summary.n_ccds_failed) > 3
    exposures = found["night_exposures"].set_index("expnum")
    assert exposures["n_ccds_read"].sum() == summary.n_ccds_read
    in_image = found["night_ccds"]["status"] != MISSING
    assert found["night_ccds"].loc[~in_image, "status_reason"].str.contains("_ood_").all()
    rows = found["night_ccds"][in_image].groupby("expnum").size()
    assert rows.le(exposures["n_ccds"].reindex(rows.index)).all()
    _, again = run(tmp_path / "cp", tmp_path / "again")  # reasons depend on the file, not on what was read before
    for name in ("night_exposures", "night_ccds"):
        first, second = (table[name].replace(r"\(.*?\)", "", regex=True) for table in (found, again))  # CFITSIO's words
        pd.testing.assert_frame_equal(second, first)


def test_files_that_are_being_written_are_left_for_later(tiny_cp, tmp_path):
    ooi = tiny_cp.write_cp(tmp_path / "cp", 1)
    whole = ooi.read_bytes()
    ooi.rename(ooi.with_name(f"{ooi.name}.part"))
    ooi.with_name(f".{ooi.name}").write_bytes(whole)
    assert run(tmp_path / "cp", tmp_path / "out")[0].n_found == 0
    ooi.write_bytes(whole[: 2880 * 3 + 100])
    summary, found = run(tmp_path / "cp", tmp_path / "out")
    assert summary.n_found == 1
    row = found["night_exposures"].iloc[0]
    assert row["status"] == "failed" or "truncated" in row["note"]
    ooi.write_bytes(whole)
    summary, found = run(tmp_path / "cp", tmp_path / "out")
    assert (summary.n_scored, summary.n_ccds_read, found["night_exposures"]["expnum"].tolist()) == (1, 4, [1])


@pytest.mark.slow
def test_a_file_that_vanishes_while_the_night_is_read_is_a_failed_exposure(tiny_cp, tmp_path):
    for i in range(6):
        last = tiny_cp.write_cp(tmp_path / "cp", 1 + i, time=f"04000{i}")
    summary, found = run(tmp_path / "cp", tmp_path / "out", progress=lambda done, total: last.unlink(missing_ok=True))
    assert (summary.n_scored, summary.n_failed) == (5, 1)
    reason = found["night_exposures"].set_index("expnum").loc[6, "status_reason"]
    assert last.name in reason
    assert "can't be opened" in reason
    assert run(tmp_path / "cp", tmp_path / "out")[0].n_found == 5


@pytest.fixture
def open_folder():
    """A folder that everybody can enter; what is below pytest's is its owner's alone."""
    with tempfile.TemporaryDirectory(prefix="badexp-") as folder:
        Path(folder).chmod(0o777)
        yield Path(folder)


def test_a_file_without_read_permission_is_read_once_it_has_one(tiny_cp, open_folder):
    ooi = tiny_cp.write_cp(open_folder / "cp", 1)
    ooi.chmod(0o000)
    user = os.geteuid()
    if user == 0:  # root may read everything
        os.seteuid(65534)
    try:
        summary, found = run(open_folder / "cp", open_folder / "out")
        os.seteuid(user)
        assert summary.n_failed == 1
        assert "Permission denied" in found["night_exposures"]["status_reason"][0]
        ooi.chmod(0o644)
        assert run(open_folder / "cp", open_folder / "out")[0].n_scored == 1
    finally:
        os.seteuid(user)


def test_a_file_whose_name_is_not_utf8_costs_that_file_only(tiny_cp, tmp_path):
    ooi = tiny_cp.write_cp(tmp_path / "cp", 1)
    shutil.copy(ooi, os.fsencode(ooi.parent) + b"/c4d_180518_050000_ooi_r_\xfc.fits.fz")
    summary, found = run(tmp_path / "cp", tmp_path / "out")
    assert (summary.n_scored, summary.n_excluded) == (1, 1)
    assert found["night_exposures"]["path"].str.endswith(r"ooi_r_\xfc.fits.fz").sum() == 1


def test_a_dangling_link_is_a_failed_exposure(tiny_cp, tmp_path):
    ooi = tiny_cp.write_cp(tmp_path / "cp", 1)
    ooi.unlink()
    ooi.symlink_to(tmp_path / "nowhere")
    summary, found = run(tmp_path / "cp", tmp_path / "out")
    assert summary.n_failed == 1
    assert "No such file" in found["night_exposures"]["status_reason"][0]


def test_of_two_reductions_the_newest_is_read(tiny_cp, tmp_path):
    for i, (plver, plprocid) in enumerate([("V5.6S", "9"), ("V5.10", "1a"), ("V5.10", "9"), ("V4.8.2a", "ff")]):
        image = tiny_cp.tiny_image(i, (50 + i, 40))
        folder = f"decam/CP/{plver}-{plprocid}/CP20180517"
        header = {"PLVER": plver, "PLPROCID": plprocid}
        tiny_cp.write_cp(tmp_path / "cp", 1, folder=folder, header=header, ccds={"N4": 35}, images={"N4": image})
    summary, found = run(tmp_path / "cp", tmp_path / "out")
    row = found["night_exposures"].iloc[0]
    assert (summary.n_found, row["plver"], row["plprocid"], row["n_superseded"]) == (1, "V5.10", "1a", 3)
    assert found["night_ccds"]["height"].tolist() == [51]


def test_pixels_of_every_type_and_shape_are_read_or_counted(tiny_cp, tmp_path):
    sky = tiny_cp.tiny_image(1, (70, 50))
    images = {
        "S4": sky.astype(np.float64),
        "N1": sky.astype(np.int16),
        "N4": np.full((41, 51), np.nan, np.float32),
        "N12": sky[:1, :1],
    }
    ooi = tiny_cp.write_cp(tmp_path / "cp", 1, images=images, packed=False)
    with fitsio.FITS(str(ooi), "rw") as fits:
        fits.write(sky, header={"CCDNUM": 28}, extname="S4")
    _, found = run(tmp_path / "cp", tmp_path / "out")
    ccds = found["night_ccds"].set_index("ccdname")
    assert ccds["status"].to_dict() == {"S4": "read", "N1": "read", "N4": "failed", "N12": "read"}
    assert ccds.loc[["S4", "N1"], "sky"].tolist() == pytest.approx([tiny_cp.SKY] * 2, abs=2)
    assert "no pixel is finite" in ccds.loc["N4", "status_reason"]
    assert "second extension for S4" in found["night_exposures"]["note"][0]
    assert found["night_exposures"]["n_ccds"].tolist() == [4]


def test_all_real_cutouts_pass(shared_data, tmp_path):
    n = 0
    for case in sorted((shared_data / "cutouts").glob("case*")):
        for night in list_nights(case / "images", CAMERA):
            summary, found = run(case / "images", tmp_path / case.name, night)
            assert summary.n_failed == summary.n_excluded == summary.n_ccds_failed == 0
            assert found["night_ccds"]["has_mask"].all()
            n += summary.n_scored
    assert n >= 16
