"""How tables are stored and what is recorded of them."""

import dagster as dg
import pytest

from badexp_assets.defs.describe import MAX_PICTURE_BYTES, picture, preview
from badexp_assets.defs.io import ParquetIOManager
from badexp_assets.defs.partitions import BACKFILL, NIGHTS
from badexp_assets.defs.resources import SurveyResource
from badexp_assets.errors import InputError
from badexp_assets.settings import Home
from badexp_assets.tables import SCHEMAS, empty_table, read_table

# BackfillPolicy is marked beta; the version of Dagster is pinned.
pytestmark = pytest.mark.filterwarnings("ignore::dagster.BetaWarning")

FIRST, SECOND = "2018-03-10", "2018-03-11"


@pytest.fixture
def scores(finished_home):
    """Scores of a night as they are stored, and a night without exposures."""
    table = read_table(Home(finished_home).table("night_entropy_scores", FIRST))
    return {FIRST: table, SECOND: empty_table(SCHEMAS["night_entropy_scores"])}


def store(home, tables, first, last):
    """Materialise `tables` as night_entropy_scores of the nights from `first` to `last`, in one run."""

    @dg.asset(partitions_def=NIGHTS, backfill_policy=BACKFILL)
    def night_entropy_scores():
        return tables

    survey = SurveyResource(home=str(home))
    return dg.materialize(
        [night_entropy_scores],
        resources={"io_manager": ParquetIOManager(survey=survey)},
        tags={"dagster/asset_partition_range_start": first, "dagster/asset_partition_range_end": last},
    )


def test_every_night_of_a_backfill_has_its_own_row_count_and_file(scores, tmp_path):
    result = store(tmp_path, scores, FIRST, SECOND)
    assert len(scores[FIRST]) > 0
    recorded = {m.partition: m.metadata for m in result.asset_materializations_for_node("night_entropy_scores")}
    assert set(recorded) == {FIRST, SECOND}
    for night, table in scores.items():
        assert recorded[night]["dagster/row_count"].value == len(table)
        assert recorded[night]["dagster/partition_row_count"].value == len(table)
        assert len(read_table(recorded[night]["path"].value)) == len(table)


def test_a_night_that_was_not_asked_for_is_refused_and_nothing_is_stored(scores, tmp_path):
    with pytest.raises(InputError, match="were asked for"):
        store(tmp_path, scores, FIRST, FIRST)
    assert not list(tmp_path.rglob("*.parquet"))


def test_a_picture_that_is_too_large_for_the_event_log_is_made_smaller(tmp_path):
    import io

    import numpy as np
    from PIL import Image

    noise = np.random.default_rng(0).integers(0, 256, (500, 700, 3), dtype="uint8")
    buffer = io.BytesIO()
    Image.fromarray(noise).save(buffer, "PNG")
    assert len(buffer.getvalue()) > MAX_PICTURE_BYTES
    [text] = picture(buffer.getvalue(), "noise").values()
    assert text.value.startswith("![noise](data:image/png;base64,")
    assert len(text.value) < 1.4 * MAX_PICTURE_BYTES
    assert picture(None, "noise") == {}


def test_a_table_in_the_metadata_keeps_its_shape_whatever_the_cells_hold():
    import pandas as pd

    table = pd.DataFrame({"reason": ["a | b", "two\nlines"], "kl": [0.123456, float("nan")]})
    lines = preview(table).value.splitlines()
    assert lines == ["| reason | kl |", "| --- | --- |", "| a \\| b | 0.1235 |", "| two lines | nan |"]
    assert preview(table, rows=1).value.endswith("… and 1 more rows")
    assert preview(table.head(0)).value == "none"
