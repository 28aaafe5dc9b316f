"""What is put into the metadata is small and readable."""

import io

import numpy as np
import pandas as pd
from PIL import Image

from badexp_assets.defs.asset_metadata import MAX_PICTURE_BYTES, picture, preview


def test_a_picture_that_is_too_large_for_the_event_log_is_made_smaller():
    noise = np.random.default_rng(0).integers(0, 256, (500, 700, 3), dtype="uint8")
    buffer = io.BytesIO()
    Image.fromarray(noise).save(buffer, "PNG")
    assert len(buffer.getvalue()) > MAX_PICTURE_BYTES
    [text] = picture(buffer.getvalue(), "noise").values()
    assert text.value.startswith("![noise](data:image/png;base64,")
    assert len(text.value) < 1.4 * MAX_PICTURE_BYTES
    assert picture(None, "noise") == {}


def test_a_table_in_the_metadata_keeps_its_shape_whatever_the_cells_hold():
    table = pd.DataFrame({"reason": ["a | b", "two\nlines"], "kl": [0.123456, float("nan")]})
    lines = preview(table).value.splitlines()
    assert lines == ["| reason | kl |", "| --- | --- |", "| a \\| b | 0.1235 |", "| two lines | nan |"]
    assert preview(table, rows=1).value.endswith("… and 1 more rows")
    assert preview(table.head(0)).value == "none"
