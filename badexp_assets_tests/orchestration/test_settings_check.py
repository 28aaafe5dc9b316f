"""Settings are checked before hours of work need them."""

import pytest

from badexp_assets.config.home import Home
from badexp_assets.config.settings import load_settings, save_settings
from badexp_assets.errors import InputError
from badexp_assets.io.parquet import empty_table, write_table
from badexp_assets.io.schemas import SCHEMAS
from badexp_assets.orchestration.settings_check import check_settings


def test_a_second_camera_in_a_home_with_nights_is_refused(tmp_path):
    save_settings(load_settings(tmp_path))
    check_settings(load_settings(tmp_path, camera="megacam"))  # nothing is stored yet
    schema = SCHEMAS["night_exposures"]
    write_table(empty_table(schema), Home(tmp_path).table("night_exposures", "2018-03-10"), schema)
    check_settings(load_settings(tmp_path))
    with pytest.raises(InputError, match="has nights of decam") as found:
        check_settings(load_settings(tmp_path, camera="megacam"))
    assert "\n" not in str(found.value)
