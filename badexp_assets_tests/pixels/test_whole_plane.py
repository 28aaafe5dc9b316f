"""CCDs that are not sampled: they are shown on images of the focal plane, at a fraction of the time, and counted."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from badexp_assets.config.night_options import EntropyParams, PassParams
from badexp_assets.errors import UnreadableImageError
from badexp_assets.io.parquet_reading import read_table
from badexp_assets.pixels.measure_ccd import CcdMeasurer, CcdTask
from badexp_assets.pixels.mosaic import MosaicPlan
from badexp_assets.pixels.night_pass import run_pass
from badexp_assets.pixels.night_tables import PASS_TABLES
from badexp_assets.survey.cameras import load_camera
from badexp_assets.survey.exposure import Exposure, open_exposure
from badexp_assets.survey.fits_file import FitsFile
from badexp_assets.survey.seeded_sampling import sample_ccds
from badexp_assets_tests.pixels.stand_in import MeanEmbedder

NIGHT, EXPNUM = "2018-05-17", 11
CAMERA = load_camera()
PARAMS = PassParams(n_draw=2, stamps_per_exposure=3, preview_height=128, workers=0)
ROWS = 1600  # of which every fourth is read: 400 are at least 384


def tall(seed: int, rows: int = ROWS) -> np.ndarray:
    """Noise on a gradient along the rows."""
    noise = np.random.default_rng(seed).normal(200, 5, (rows, 60))
    return (noise + np.linspace(0, 50, rows)[:, None]).astype(np.float32)


def go(archive: Path, out: Path, **options) -> dict:
    places = {name: out / name / f"{NIGHT}.parquet" for name in PASS_TABLES}
    params = replace(PARAMS, **options)
    run_pass(archive, NIGHT, CAMERA, MeanEmbedder(), EntropyParams(gradient_points=200), params, places)
    return {name: read_table(path) for name, path in places.items()}


@pytest.fixture
def written(tiny_cp, tmp_path):
    """Writes the exposure with CCDs of ROWS rows, and returns the archive."""

    def write(images=None, **options) -> Path:
        whole = {name: tall(number) for name, number in tiny_cp.CCDS.items()} | (images or {})
        tiny_cp.write_cp(tmp_path / "cp", EXPNUM, images=whole, **options)
        return tmp_path / "cp"

    return write


@pytest.fixture
def sampled(tiny_cp) -> set[str]:
    """Names of the sampled CCDs."""
    drawn = sample_ccds(EXPNUM, tiny_cp.CCDS.values(), PARAMS.n_draw)
    return {name for name, number in tiny_cp.CCDS.items() if number in drawn}


@pytest.fixture
def others(tiny_cp, sampled) -> list[str]:
    """Names of the CCDs that are not sampled."""
    return sorted(tiny_cp.CCDS.keys() - sampled)


def test_every_ccd_is_shown_and_has_a_token_and_each_is_read_once(tiny_cp, written, others, monkeypatch, tmp_path):
    archive = written()
    steps, pixels = Counter(), FitsFile.pixels

    def count(self, extension, where, codes=None, step=1):
        steps[where.rpartition("[")[2].rstrip("]"), "mask" if codes is not None else "image"] += step
        return pixels(self, extension, where, codes, step)

    monkeypatch.setattr(FitsFile, "pixels", count)
    found = go(archive, tmp_path / "out")
    assert steps == {
        (name, what): 4 if name in others else 1 for name in ("S4", "N1", "N4", "N12") for what in ("image", "mask")
    }
    assert found["night_mosaic_embeddings"]["n_ccds"].tolist() == [4]
    assert len(found["night_ccds"]) == len(found["night_embeddings"]) == 2
    tokens = found["night_focal_planes"]
    assert tokens["ccdnum"].tolist() == sorted(tiny_cp.CCDS.values())
    assert {token.dtype for token in tokens["token"]} == {np.dtype(np.float16)}
    assert np.isfinite(np.stack(tokens["token"].to_list())).all()
    shown = go(archive, tmp_path / "all", all_ccds=True)
    assert shown["night_mosaic_embeddings"]["embedding"][0] == pytest.approx(
        found["night_mosaic_embeddings"]["embedding"][0]
    )


def test_a_mosaic_shows_sampled_ccds_and_others_alike(written):
    mosaic = MosaicPlan(CAMERA, 352, 384)
    measurer = CcdMeasurer(CAMERA, MeanEmbedder().recipe, mosaic, EntropyParams(gradient_points=200), PARAMS)
    path = next(written().rglob("*_ooi_*"))
    with open_exposure(path, camera=CAMERA) as exposure:
        task = CcdTask(EXPNUM, path, None, exposure.ccds[0], True, (50, 20), step=8)
    measured, seen = measurer(task), measurer(replace(task, only_seen=True))
    measurer.close()
    np.testing.assert_array_equal(measured.mosaic_tile, seen.mosaic_tile)
    assert seen.features is seen.prepared is seen.orientations is None
    assert measured.tile.pixels.shape == seen.tile.pixels.shape
    np.testing.assert_allclose(measured.tile.pixels, seen.tile.pixels, atol=5)
    assert np.polyfit(np.arange(20), seen.tile.pixels.mean(axis=0), 1)[0] == pytest.approx(-50 / 20, rel=0.05)


@pytest.mark.parametrize("options", [{"packed": False}, {"with_ood": False}, {"extname": False}])
def test_files_of_other_kinds_are_seen_too(written, options, tmp_path):
    assert go(written(**options), tmp_path / "out")["night_mosaic_embeddings"]["n_ccds"].tolist() == [4]


def test_small_ccds_are_seen_with_more_of_their_rows(tiny_cp, tmp_path):
    path = tiny_cp.write_cp(tmp_path / "cp", EXPNUM, images={"N1": tall(0, 1000), "N4": tall(0, 100)})
    with open_exposure(path, path.with_name(path.name.replace("ooi", "ood")), camera=CAMERA) as exposure:
        whole = exposure.read(tiny_cp.CCDS["N1"])
        some = exposure.read(tiny_cp.CCDS["N1"], 8, 384)
        assert len(exposure.read(tiny_cp.CCDS["N4"], 8, 384).image) == 100
        assert len(exposure.read(tiny_cp.CCDS["N1"], 8).image) == 125
    np.testing.assert_array_equal(some.image, whole.image[::2])
    np.testing.assert_array_equal(some.mask, whole.mask[::2])


def test_a_ccd_that_can_not_be_seen_is_noted_and_costs_nothing_else(written, others, monkeypatch, tmp_path):
    archive, read = written(), Exposure.read

    def fail(self, ccdnum, step=1, min_rows=1):
        if CAMERA.by_number[ccdnum].ccdname == others[0]:
            raise UnreadableImageError(f"{self.path}[{others[0]}]: can't be decompressed")
        return read(self, ccdnum, step, min_rows)

    monkeypatch.setattr(Exposure, "read", fail)
    found = go(archive, tmp_path / "out")
    exposure = found["night_exposures"].loc[0]
    assert (exposure["status"], exposure["n_ccds_read"], exposure["n_ccds_failed"]) == ("scored", 2, 0)
    assert exposure["note"].startswith("1 CCD that was not sampled can't be shown on the focal plane: ")
    assert f"[{others[0]}]" in exposure["note"]
    assert found["night_mosaic_embeddings"]["n_ccds"].tolist() == [3]


@pytest.mark.parametrize("bad", [None, np.full((ROWS, 60), np.nan, np.float32)], ids=["empty", "undefined"])
def test_an_empty_or_undefined_ccd_is_not_part_of_the_mosaic(written, others, bad, tmp_path):
    found = go(written({others[0]: bad}), tmp_path / "out")
    assert found["night_exposures"]["status"].tolist() == ["scored"]
    assert found["night_mosaic_embeddings"]["n_ccds"].tolist() == [3]


def test_an_exposure_without_a_readable_sampled_ccd_fails_but_is_shown(written, sampled, tmp_path):
    found = go(written(dict.fromkeys(sampled)), tmp_path / "out")
    assert found["night_exposures"]["status"].tolist() == ["failed"]
    assert len(found["night_previews"]) == 1
    assert len(found["night_embeddings"]) == 0
    assert found["night_mosaic_embeddings"]["n_ccds"].tolist() == [2]


def test_without_a_step_no_other_ccd_is_read(written, tmp_path):
    found = go(written(), tmp_path / "out", focal_plane_step=0)
    assert found["night_mosaic_embeddings"]["n_ccds"].tolist() == [2]
    assert len(found["night_focal_planes"]) == 2
