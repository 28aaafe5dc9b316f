"""`badexp run` stores settings once they are all valid, and nothing else in the file changes."""

import os

import pytest

from badexp_assets.commands import graph_run
from badexp_assets.commands.dagster_home import environment
from badexp_assets.config.presets import apply_presets, load_preset, read_assignments
from badexp_assets.config.settings import ENVIRONMENT, load_settings, save_settings
from badexp_assets.defs.resources import SurveyResource

TEXT = """\
# Ask Ana before changing anything.
camera = "decam"  # the one at the Blanco telescope

# --- reading ---
[night_pass] # small images
rows    = 64 # px
columns = 0x20
"""


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A home with a commented settings file, in which runs end when they have stored their settings."""
    monkeypatch.setattr(graph_run.Runner, "run", lambda self, nights, keep_models: graph_run.Outcome(list(nights)))
    for name in ("summary_lines", "account_lines", "refuse_wrong_nights"):
        monkeypatch.setattr(f"badexp_assets.commands.run_output.{name}", lambda *args: [])
    (tmp_path / "settings.toml").write_text(TEXT)
    return tmp_path


@pytest.mark.slow
def test_comments_survive_ten_runs(badexp, home, simulated_survey):
    for number in range(10):
        labels = simulated_survey / ("labels" if number < 5 else "")
        words = ["--archive", simulated_survey / "images", "--labels", labels]
        code, _, error = badexp("run", "--home", home, *words)
        assert (code, error) == (0, "")
    head, _, sections = TEXT.partition("\n\n")
    assert (home / "settings.toml").read_text() == (
        f'{head}\narchive = "{simulated_survey}/images"\nlabels = ["{simulated_survey}"]\n'
        f'backbone = "efficientnet_lite0"\n\n{sections}'
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--camera", "lsst"], "camera 'lsst' is not known; known: "),
        (["--backbone", "resnet"], "backbone 'resnet' is not known; known: "),
        (["--labels", "/nowhere"], "labels /nowhere: no such file or folder"),
        (["--taxonomy", "/nowhere.toml"], "/nowhere.toml"),
        (["--tables", "sftp://host/t"], "sftp:// can't hold tables"),
        (["--nights", "2019-01-01"], "the archive has none of them"),
    ],
)
def test_an_option_that_is_refused_leaves_the_file_as_it_was(badexp, home, simulated_survey, words, complaint):
    code, said, error = badexp("run", "--home", home, "--archive", simulated_survey / "images", *words)
    assert (code, said) == (2, "")
    assert error.startswith("badexp: error: ")
    assert error.count("\n") == 1
    assert complaint in error
    assert (home / "settings.toml").read_bytes() == TEXT.encode()


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("[night_pass]\nrows = -1 # px\n", "[night_pass]: rows is -1; a whole number of at least 0 is needed"),
        ("[injection]\ncategories = ['clowds']\n", "[injection]: categories has 'clowds'; any of saturated, "),
        ("[training]\nsfd_maps = '/nowhere'\n", "training: sfd_maps: /nowhere/SFD_dust_4096_ngp.fits: no such file"),
        ("[our_tool]\nkey = 1\n", "unknown name(s) our_tool; allowed: archive, "),
        ("night_pass = 5\n", "settings.toml: night_pass is 5; a section [night_pass] is needed"),
    ],
)
def test_a_file_that_is_refused_is_not_changed(badexp, home, simulated_survey, text, complaint):
    (home / "settings.toml").write_text(text)
    code, said, error = badexp("run", "--home", home, "--archive", simulated_survey / "images")
    assert (code, said) == (2, "")
    assert error.count("\n") == 1
    assert complaint in error
    assert (home / "settings.toml").read_text() == text


VARIABLES = {
    "BADEXP_ARCHIVE": "/env/archive",
    "BADEXP_LABELS": "/env/one,/env/two",
    "BADEXP_BACKBONE": "dinov2_vits14_reg",
    "BADEXP_CAMERA": "90prime",
    "BADEXP_TAXONOMY": "/env/mine.toml",
    "BADEXP_TABLES": "/env/tables",
}


def test_assets_get_values_of_the_command_line_and_presets_though_the_environment_has_others(tmp_path, monkeypatch):
    for variable, value in VARIABLES.items():
        monkeypatch.setenv(variable, value)
    given = {"archive": "memory://survey/images", "camera": "mosaic", "tables": tmp_path / "tables"}
    settings = load_settings(tmp_path, labels=["/mine/a", "/mine/b"], **given, taxonomy="/mine.toml")
    settings, _ = apply_presets(settings, [load_preset("vit-knn-2025")], read_assignments([]), given)
    with environment(settings):
        found = SurveyResource().settings()
    for name in (*ENVIRONMENT, "home"):
        assert getattr(found, name) == getattr(settings, name), name
    assert found.backbone == "dinov2_vitb14_reg"
    assert {variable: os.environ[variable] for variable in VARIABLES} == VARIABLES


def test_a_label_source_with_a_comma_reaches_assets_though_the_environment_has_another(tmp_path, monkeypatch):
    monkeypatch.setenv("BADEXP_LABELS", "/env/one,/env/two")
    settings = load_settings(tmp_path, labels=["/mine/a,b"])
    with environment(settings):
        save_settings(settings)
        assert SurveyResource().settings().labels == ("/mine/a,b",)


def test_variables_that_are_not_set_stay_so_and_assets_follow_the_file_of_the_home(tmp_path, monkeypatch):
    for variable in VARIABLES:
        monkeypatch.delenv(variable, raising=False)
    with environment(load_settings(tmp_path)):
        assert not set(VARIABLES) & set(os.environ)
        (tmp_path / "settings.toml").write_text('backbone = "dinov2_vits14_reg"\n')
        assert SurveyResource().settings().backbone == "dinov2_vits14_reg"


def test_a_model_that_is_not_known_is_named_with_those_that_are(badexp, tmp_path):
    (tmp_path / "home" / "models" / "ours").mkdir(parents=True)
    code, _, complained = badexp("models", "list", "--home", tmp_path / "home", "--model", "typo")
    assert code == 2
    assert "model 'typo' is not known; known: fitted_classifier, fitted_pipeline, ours" in complained
    for model in ("fitted_classifier", "ours"):
        code, said, _ = badexp("models", "list", "--home", tmp_path / "home", "--model", model)
        assert (code, said.startswith("no rows")) == (0, True)
