"""Another camera by its description alone: MegaCam, i band, from simulated files to entropy scores."""

import numpy as np
import pytest

from badexp_assets.config.night_options import EntropyParams, PassParams
from badexp_assets.entropy.reference import build_reference
from badexp_assets.entropy.scores import score_exposures
from badexp_assets.errors import InputError
from badexp_assets.io.parquet_reading import read_table
from badexp_assets.pixels.night_pass import run_pass
from badexp_assets.pixels.night_tables import PASS_TABLES
from badexp_assets.simulate.params import SurveyParams
from badexp_assets.simulate.survey import write_survey
from badexp_assets.survey.archive import list_exposures, list_nights
from badexp_assets.survey.cameras import load_camera
from badexp_assets.vision.backbones import load_backbone
from badexp_assets.vision.embedder import Embedder
from badexp_assets.vision.recipes import load_recipe

CAMERA = load_camera("megacam")


def test_its_ccds_stand_in_four_rows_of_nine_and_do_not_overlap():
    assert len(CAMERA.ccds) == 36
    assert [CAMERA.by_name[f"ccd{n:02d}"].ccdnum for n in range(36)] == list(range(1, 37))
    xs, ys = ({round(getattr(ccd, axis), 6) for ccd in CAMERA.ccds} for axis in ("x_mm", "y_mm"))
    assert (len(xs), len(ys)) == (9, 4)
    rows, columns = (n * CAMERA.pixel_size for n in CAMERA.ccd_shape)
    assert np.diff(sorted(xs)).min() > columns
    assert np.diff(sorted(ys)).min() > rows
    assert CAMERA.by_name["ccd00"].y_mm == CAMERA.by_name["ccd08"].y_mm


@pytest.mark.slow
def test_a_survey_of_it_is_read_and_scored(tmp_path):
    params = SurveyParams(
        camera="megacam", bands=("i",), nights=1, exposures=3, n_ccds=36, ccd_rows=96, ccd_columns=64, bad_fraction=0.34
    )
    archive = write_survey(tmp_path / "survey", params).archive
    night = list_nights(archive, CAMERA)[0]
    exposures = list_exposures(archive, night, CAMERA)
    assert exposures["status"].tolist() == ["ready"] * 3
    assert set(exposures["filter"]) == {"i"}
    assert exposures["path"].str.fullmatch(r"megacam/2018-03/\d{6}p\.fits\.fz").all()
    assert exposures["note"].isna().all()  # no exposure of the camera has a mask
    backbone = load_backbone("efficientnet_lite0")
    embedder = Embedder(backbone, load_recipe("scaled", backbone, 64, 32))
    entropy = EntropyParams(gradient_points=200, min_sources=5)
    out = {name: tmp_path / f"{name}.parquet" for name in PASS_TABLES}
    summary = run_pass(archive, night, CAMERA, embedder, entropy, PassParams(n_draw=36), out)
    assert (summary.n_scored, summary.n_ccds_read, summary.n_ccds_failed) == (3, 108, 0)
    orientations = read_table(out["night_orientations"])
    reference = build_reference([orientations], entropy)
    scores = score_exposures(orientations, read_table(out["night_exposures"]), reference, entropy)
    assert scores["kl_background"].notna().all()
    assert (scores["n_ccds"] == 36).all()


def test_a_camera_whose_filters_are_not_described_is_not_simulated():
    with pytest.raises(InputError, match="allowed are some of none for camera mosaic"):
        SurveyParams(camera="mosaic", bands=("z",), ccd_rows=64, ccd_columns=64, n_ccds=2)
