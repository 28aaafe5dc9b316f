"""Command-line options take precedence over the environment, and this over the home's file."""

from pathlib import Path

import pytest

from badexp_assets.config.night_options import PassParams
from badexp_assets.config.settings import load_settings, save_settings
from badexp_assets.errors import InputError
from badexp_assets.orchestration.settings_check import check_settings


def test_defaults_hold_where_nothing_is_given(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    settings = load_settings()
    assert settings.home.root == tmp_path / "var"
    assert settings.archive is None
    assert settings.backbone == "efficientnet_lite0"
    assert settings.camera == "decam"


def test_command_line_goes_before_environment_and_that_before_the_file(tmp_path, monkeypatch):
    (tmp_path / "settings.toml").write_text('archive = "/file"\nlabels = "/file"\nbackbone = "dinov2_vitb14_reg"\n')
    monkeypatch.setenv("BADEXP_HOME", str(tmp_path))
    monkeypatch.setenv("BADEXP_ARCHIVE", "/environment")
    monkeypatch.setenv("BADEXP_LABELS", "/environment")
    settings = load_settings(labels="/given")
    assert (settings.labels, settings.archive) == (("/given",), Path("/environment"))
    assert settings.backbone == "dinov2_vitb14_reg"


def test_what_is_saved_is_loaded_again(tmp_path):
    text = "[night_pass]\nrows = 64\n\n[entropy]\nsigma = 4.5\n"
    text += '[training]\nhold_out_nights = ["2018-01-01"]\nfix = true\n'
    (tmp_path / "settings.toml").write_text(text)
    first = load_settings(tmp_path, archive='/a "quoted" \\ path')
    save_settings(first)
    assert load_settings(tmp_path) == first
    assert first.sections["night_pass"] == {"rows": 64}
    assert first.sections["training"] == {"hold_out_nights": ["2018-01-01"], "fix": True}


def test_an_unknown_name_in_the_file_is_refused_with_the_allowed_ones(tmp_path):
    (tmp_path / "settings.toml").write_text('archiv = "/a"\n')
    with pytest.raises(InputError, match=r"settings\.toml: unknown name\(s\) archiv; allowed: archive, labels"):
        load_settings(tmp_path)


def test_a_file_that_is_not_toml_is_refused_by_name(tmp_path):
    (tmp_path / "settings.toml").write_text("archive = \n")
    with pytest.raises(InputError, match=r"settings\.toml: not a TOML file"):
        load_settings(tmp_path)


def test_parameters_take_their_section_and_keep_other_defaults(tmp_path):
    (tmp_path / "settings.toml").write_text("[night_pass]\nn_draw = 3\n")
    params = load_settings(tmp_path).options.night_pass
    assert params == PassParams(n_draw=3)


def test_an_unknown_option_of_a_section_is_refused_with_the_allowed_ones(tmp_path):
    (tmp_path / "settings.toml").write_text("[night_pass]\ndraws = 3\n")
    with pytest.raises(InputError, match=r"settings\.toml \[night_pass\]: unknown name\(s\) draws; allowed: n_draw"):
        _ = load_settings(tmp_path).options


def test_label_sources_come_as_one_or_several_from_each_place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert load_settings(tmp_path).labels == ()
    (tmp_path / "settings.toml").write_text('labels = ["lists", "s3://bucket/labels"]\n')
    assert load_settings(tmp_path).labels == (f"{tmp_path}/lists", "s3://bucket/labels")
    monkeypatch.setenv("BADEXP_LABELS", "lists of people, https://host/a_bad_expid.txt ,")
    assert load_settings(tmp_path).labels == (f"{tmp_path}/lists of people", "https://host/a_bad_expid.txt")
    assert load_settings(tmp_path, labels=("a,b", "a,b", f"file://{tmp_path}/c")).labels == (
        f"{tmp_path}/a,b",
        f"{tmp_path}/c",
    )


def test_several_label_sources_and_a_taxonomy_are_saved_and_loaded_again(tmp_path):
    settings = load_settings(tmp_path, labels=["/a", "memory://b"], taxonomy="/mine.toml")
    save_settings(settings)
    assert load_settings(tmp_path) == settings
    assert settings.taxonomy == Path("/mine.toml")


@pytest.mark.parametrize("value", ["3", '["a", 3]', '[""]', "true"])
def test_label_sources_that_are_no_paths_are_refused(tmp_path, value):
    (tmp_path / "settings.toml").write_text(f"labels = {value}\n")
    with pytest.raises(InputError, match=r"settings\.toml: labels is .*a path or URL, or a list of them"):
        load_settings(tmp_path)


def test_a_wrong_taxonomy_and_missing_labels_are_told_by_the_check_of_options(tmp_path):
    (tmp_path / "mine.toml").write_text('extends = "packaged"\ncategory = 1\n')
    with pytest.raises(InputError, match=r"mine\.toml:2: category is not a known name"):
        check_settings(load_settings(tmp_path, taxonomy=tmp_path / "mine.toml"))
    with pytest.raises(InputError, match=r"labels /nowhere: no such file or folder"):
        check_settings(load_settings(tmp_path, labels="/nowhere"))


def test_a_camera_that_is_not_known_is_named_by_the_check_of_settings(tmp_path):
    with pytest.raises(InputError, match="camera 'lsst' is not known; known: 90prime"):
        check_settings(load_settings(tmp_path, camera="lsst"))


def test_an_injected_category_that_does_not_exist_is_named_by_the_check_of_settings(tmp_path):
    (tmp_path / "settings.toml").write_text('[injection]\ncategories = ["clowds"]\n')
    with pytest.raises(InputError, match=r"\[injection\]: categories has 'clowds'; any of saturated, "):
        check_settings(load_settings(tmp_path))


def test_a_section_can_be_used_although_another_one_is_wrong(tmp_path):
    (tmp_path / "settings.toml").write_text("[night_pass]\ndraws = 3\n\n[alerts]\nattempts = 2\n")
    settings = load_settings(tmp_path)
    assert settings.section("alerts").attempts == 2
    with pytest.raises(InputError, match="draws"):
        _ = settings.options


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("camera = 3", r"settings\.toml: camera is 3; a text is needed"),
        ("night_pass = 3", r"settings\.toml: night_pass is 3; a section \[night_pass\] is needed"),
        ("[[night_pass]]\nrows = 3", r"settings\.toml: night_pass is \[.*; a section \[night_pass\] is needed"),
    ],
)
def test_a_value_where_a_section_belongs_and_a_number_where_a_text_does_are_refused(tmp_path, text, message):
    (tmp_path / "settings.toml").write_text(f"{text}\n")
    with pytest.raises(InputError, match=message):
        _ = load_settings(tmp_path).options
