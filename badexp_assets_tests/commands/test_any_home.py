"""The path of a home may hold any character; only what URLs use is refused (`?`, `%20`), before anything is written."""

import dagster as dg
import pandas as pd
import pytest

from badexp_assets.commands.dagster_home import environment
from badexp_assets.config.settings import load_settings, save_settings
from badexp_assets.review.store import VerdictStore
from badexp_assets.survey.cameras import load_camera
from badexp_assets.survey.night_range import load_night_range, record_night_range

ODD = [
    "100% [odd] *",
    "#1;a&b",
    "{home}",
    'it\'s "here"',
    "5% off %s",
    "naïve ñ 目",
    "back\\slash",
    "a:b=c,d",
    "new\nline",
]


@pytest.mark.slow
@pytest.mark.parametrize("name", ODD)
def test_a_home_may_have_any_name(tmp_path, name):
    root = tmp_path / name / "home"
    settings = load_settings(root, archive=str(tmp_path))
    with environment(settings):
        save_settings(settings)
        with dg.DagsterInstance.get() as instance:
            instance.add_dynamic_partitions("nights", ["2018-05-17"])
        with dg.DagsterInstance.get() as instance:
            assert instance.get_dynamic_partitions("nights") == ["2018-05-17"]
    assert load_settings(root).archive == settings.archive
    record_night_range(settings.home, load_camera(), ["2018-05-17"])
    assert load_night_range(settings.home, load_camera()).first == "2018-05-17"
    store = VerdictStore(settings.verdicts)
    store.add(pd.DataFrame({"expnum": [1], "reviewer": ["ann"], "verdict": ["bad"]}))
    assert store.read()["expnum"].tolist() == [1]
    assert {path.relative_to(tmp_path).parts[0] for path in tmp_path.rglob("*")} == {name}


@pytest.mark.parametrize("name", ["which?", "a?b/home", "a%20b", "50%aa/home"])
def test_what_urls_use_is_refused_before_anything_is_written(badexp, tmp_path, tiny_cp, name):
    tiny_cp.write_cp(tmp_path / "cp")
    code, said, error = badexp("run", "--home", tmp_path / "homes" / name, "--archive", tmp_path / "cp")
    assert (code, said, error.count("\n")) == (2, "", 1)
    assert ("'?'" if "?" in name else "'%") in error
    assert "is not allowed in the path" in error
    assert not (tmp_path / "homes").exists()
