import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from badexp_assets.simulate.ccd_pixels import CcdPixels
from badexp_assets.simulate.contact_sheet import contact_sheet, mosaic


def test_a_mosaic_puts_ccds_in_their_places() -> None:
    ccds = [
        CcdPixels(np.full((4, 3), k, np.float32), x0_mm=x, y0_mm=y, dx_mm=1.0, dy_mm=1.0)
        for k, x, y in ((1, 0, 0), (2, 4, 0), (3, 0, 5))
    ]
    picture = mosaic(ccds)
    assert picture.shape == (9, 7)
    assert (picture[:4, :3] == 1).all()
    assert (picture[:4, 4:] == 2).all()
    assert (picture[5:, :3] == 3).all()
    assert np.isnan(picture[4]).all()
    assert np.isnan(picture[:, 3]).all()


@pytest.mark.slow
def test_the_contact_sheet_is_a_picture(tmp_path: Path) -> None:
    contact_sheet(tmp_path / "sheet.png", seed=1, ccd_rows=48, ccd_columns=41, n_ccds=2)
    assert (tmp_path / "sheet.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"


def test_importing_the_room_loads_no_heavy_library() -> None:
    heavy = "{'torch', 'galsim', 'matplotlib', 'numba', 'fitsio'}"
    code = f"import sys, badexp_assets.simulate; print(sorted({heavy} & set(sys.modules)))"
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
    )
