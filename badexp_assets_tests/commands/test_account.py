"""The account at the end of a run: files and CCDs found are read, failed, missing, not sampled or named."""

from dataclasses import replace

import fitsio
import numpy as np
import pytest

from badexp_assets.commands.run_output import account_lines
from badexp_assets.config.home import Home
from badexp_assets.config.night_options import EntropyParams, PassParams
from badexp_assets.config.settings import load_settings
from badexp_assets.pixels.night_pass import run_pass
from badexp_assets.pixels.night_tables import PASS_TABLES
from badexp_assets.survey.cameras import load_camera
from badexp_assets_tests.pixels.stand_in import MeanEmbedder

NIGHT = "2018-05-17"
PARAMS = PassParams(n_draw=2, stamps_per_exposure=1, preview_height=0, workers=0, focal_plane_step=0)


@pytest.mark.parametrize(
    ("extra", "n_not_sampled"),
    [
        ([], 2),
        (["GUIDER1", "FOCUS_N1"], 2),
        (["S4", "N1"], 2),
        (["S5"], 3),
    ],
    ids=["none", "no CCDs of the camera", "second extensions", "one more CCD"],
)
def test_only_ccds_of_the_camera_count_as_not_sampled(tiny_cp, tmp_path, extra, n_not_sampled):
    ooi = tiny_cp.write_cp(tmp_path / "cp", 1, with_ood=False, packed=False)
    with fitsio.FITS(str(ooi), "rw") as fits:
        for name in extra:
            fits.write(np.ones((20, 30), np.float32), extname=name)
    home = Home(tmp_path / "home", tmp_path / "home" / "tables")
    out = {name: home.table(name, NIGHT) for name in PASS_TABLES}
    run_pass(tmp_path / "cp", NIGHT, load_camera(), MeanEmbedder(), EntropyParams(gradient_points=20), PARAMS, out)
    settings = replace(load_settings(home.root, archive=str(tmp_path / "cp")), home=home)
    files, ccds = account_lines(settings, [NIGHT])
    assert files.endswith("1 found = 1 exposure + 0 older reductions + 0 other files")
    assert ccds.endswith(f"{2 + n_not_sampled} expected = 2 read + 0 failed + 0 missing + {n_not_sampled} not sampled")
