"""Writing `settings.toml` changes single values and keeps everything else."""

import os
import tomllib
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from badexp_assets.config.home import Home
from badexp_assets.config.settings import Settings, load_settings, save_settings
from badexp_assets.config.settings_file import update_settings_file
from badexp_assets.errors import InputError

COMMENTED = """\
# Our survey. Ask Ana before changing anything.

camera = "decam"  # the one at the Blanco telescope

# --- reading ---
[night_pass] # small images
rows    = 64      # px
columns = 0x20
device  = 'cpu'

[entropy]
detection_sigma = 5   # a whole number
# segment_sigma = 3
"""
OLD = """\
# Options of this home. The environment (BADEXP_ARCHIVE, ...) and the command line go before it.
archive = "/data/decam"
labels = ["/data/labels", "s3://bucket/labels"]
backbone = "efficientnet_lite0"
camera = "decam"

[night_pass]
rows = 256

[training]
thin = {psf = 0.5}
hold_out_nights = ["2018-01-01"]

[slurm]
partition = "gpu \\"a\\""
steps = {night_pass = {gpus = 4, extra = ["--exclusive"]}}
"""

TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)


@pytest.fixture
def file(tmp_path) -> Path:
    path = tmp_path / "settings.toml"
    path.write_bytes(COMMENTED.encode())
    return path


def lines_with_comments(text: str) -> list[str]:
    return [line for line in text.splitlines() if "#" in line]


def test_comments_survive_ten_runs_with_changed_and_unchanged_values(file):
    for number in range(10):
        settings = load_settings(file.parent, archive=f"/data/{number // 2}", labels=["/data/labels"])
        save_settings(settings)
        assert load_settings(file.parent) == settings
        assert lines_with_comments(file.read_text()) == lines_with_comments(COMMENTED)
    assert file.read_text() == COMMENTED.replace(
        "telescope\n", 'telescope\narchive = "/data/4"\nlabels = ["/data/labels"]\nbackbone = "efficientnet_lite0"\n'
    )


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", "{}"),
        ("# ours\n", "# ours\n{}"),
        ("[vote]\n", "{}\n[vote]\n"),
        ("# of the vote\n[vote]\n", "{}\n# of the vote\n[vote]\n"),
        ("# ours\n\n\n[vote]\n", "# ours\n{}\n\n[vote]\n"),
        ('camera = "decam"\n[vote]', "{}[vote]"),
        ('camera = """\n[vote]\n"""\n[vote]\nn_draw = 12 # CCDs\n', "{}\n[vote]\nn_draw = 12 # CCDs\n"),
    ],
)
def test_a_value_that_is_new_comes_after_the_others_and_before_the_comments_of_a_section(tmp_path, before, after):
    file = tmp_path / "settings.toml"
    file.write_text(before)
    update_settings_file(file, {"camera": "decam", "archive": "/data"}, {})
    assert file.read_text() == after.format('camera = "decam"\narchive = "/data"\n')


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('archive = "/a"\ntraining.seed = 3 # ours\n', 'archive = "/b"\ntraining.seed = 4 # ours\n'),
        ("training = { seed = 3 }\n", "training = { seed = 4 }\n"),
        ("training.seed = 3\n[vote]\nn_draw = 12\n", "training.seed = 4\n[vote]\nn_draw = 12\n"),
        ("training.seed = 3\n\n[training.thin]\npsf = 0.5\n", "training.seed = 4\n\n[training.thin]\npsf = 0.5\n"),
        ("[vote]\nn_draw = 12\n\n[training]\nseed = 3 # ours\n", "[training]\nseed = 4 # ours\n"),
    ],
)
def test_a_section_without_a_header_of_its_own_is_changed_where_it_stands(tmp_path, before, after):
    file = tmp_path / "settings.toml"
    file.write_text(before)
    wanted = tomllib.loads(before)
    wanted |= {"archive": "/b", "training": {**wanted["training"], "seed": 4}, "checks": {"min_free_gb": 5}}
    for _ in range(2):
        update_settings_file(file, {"archive": "/b"}, {name: wanted[name] for name in ("training", "checks")})
        assert tomllib.loads(file.read_text()) == wanted
    for line in after.splitlines():
        assert line in file.read_text().splitlines()


def test_a_file_that_a_change_would_damage_is_refused_and_left_as_it_is(file, monkeypatch):
    import tomlkit

    monkeypatch.setattr(tomlkit, "dumps", lambda document: "[vote]\n[vote]\n")
    with pytest.raises(InputError, match=r"settings\.toml: can't be changed"):
        save_settings(load_settings(file.parent, archive="/data"))
    assert file.read_bytes() == COMMENTED.encode()


def test_a_changed_option_of_a_section_keeps_the_comment_beside_it(file):
    settings = load_settings(file.parent)
    sections = {**settings.sections, "night_pass": {**settings.sections["night_pass"], "rows": 96}}
    save_settings(replace(settings, sections=sections))
    assert "rows    = 96      # px\n" in file.read_text()


def test_a_file_without_a_change_is_not_written(file):
    save_settings(load_settings(file.parent))
    before = file.stat()
    save_settings(load_settings(file.parent))
    after = file.stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_one_label_source_given_as_a_text_stays_a_text(file):
    file.write_text('labels = "/data/labels" # ours\nbackbone = "efficientnet_lite0"\ncamera = "decam"\n')
    text = file.read_text()
    save_settings(load_settings(file.parent))
    assert file.read_text() == text


def test_sections_and_names_that_are_unknown_are_kept_when_another_value_is_written(file):
    file.write_text(f"{COMMENTED}\n[our_tool]\nkey = 1 # of ours\n")
    update_settings_file(file, {"archive": "/data"}, {"vote": {"n_draw": 12}})
    text = file.read_text()
    assert "[our_tool]\nkey = 1 # of ours\n" in text
    assert tomllib.loads(text)["vote"] == {"n_draw": 12}
    with pytest.raises(InputError, match=r"settings\.toml: unknown name\(s\) our_tool; allowed: archive, "):
        load_settings(file.parent)
    assert file.read_text() == text


def test_line_ends_of_windows_are_kept(file):
    file.write_bytes(COMMENTED.replace("\n", "\r\n").encode())
    save_settings(load_settings(file.parent))
    assert file.read_bytes().startswith(COMMENTED.partition("camera")[0].replace("\n", "\r\n").encode())
    assert load_settings(file.parent).options.night_pass.rows == 64


def test_a_write_that_fails_leaves_the_file_as_it_was(file, monkeypatch):
    def full(path: Path, content: bytes) -> None:
        with path.open("wb") as handle:
            handle.write(content[:10])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(Exception, match="No space left"):
        save_settings(load_settings(file.parent, archive="/data"))
    assert file.read_bytes() == COMMENTED.encode()
    assert list(file.parent.iterdir()) == [file]


def test_a_file_that_an_older_version_wrote_is_loaded_and_left_as_it_is(file):
    file.write_text(OLD.replace(' \\"a\\"', ""))
    settings = load_settings(file.parent)
    assert settings.labels == ("/data/labels", "s3://bucket/labels")
    assert settings.options.training.shares == {"psf": 0.5}
    assert settings.options.slurm.of_step("night_pass").extra == ("--exclusive",)
    text = file.read_text()
    save_settings(settings)
    assert file.read_text() == text


@pytest.mark.slow
@settings(deadline=None, max_examples=50)
@given(TEXT, st.lists(TEXT, min_size=1), st.floats(0, 1), st.booleans())
@example(
    "new\nline", ['quo"te', "'''", '"""', "back\\slash", "\x00\x1f\x7f\x85", "\r\n", "ünï\u2028\U0001f52d"], 0.5, True
)
@example("# no comment", ["]", "[x]", "=", "\\u0041", "\\"], 1e-300, False)
def test_a_hostile_value_is_loaded_as_it_was_saved(text, words, share, flag):
    sections = {
        "comparison": {"truth": text, "top_fraction": share},
        "alerts": {"command": words, "failed_runs": flag},
        "slurm": {"steps": {"night_pass": {"setup": words}}},
    }
    with TemporaryDirectory() as folder:
        settings = Settings(Home(Path(folder)), None, camera=text, sections=sections)
        for _ in range(2):  # into a new file, and into one that has other values
            save_settings(settings)
            found = load_settings(folder)
            assert (found.camera, found.sections) == (text, sections)
            (Path(folder) / "settings.toml").write_text('camera = "x"\n[alerts] # of us\ncommand = ["y"] # at night\n')


@pytest.mark.parametrize("private", ["settings.toml", "."])
def test_a_file_that_may_not_be_read_is_named(private):
    root = os.geteuid() == 0
    with TemporaryDirectory(prefix="badexp-private-") as name:  # nobody else may enter the folders of pytest
        file = Path(name) / "settings.toml"
        file.write_text(COMMENTED)
        file.parent.chmod(0o777)
        (file.parent / private).chmod(0)
        if root:  # who may read everything
            os.seteuid(65534)
        try:
            for call in (lambda: load_settings(name), lambda: update_settings_file(file, {"camera": "decam"}, {})):
                with pytest.raises(InputError, match=rf"{file}: can't be read \(Permission denied\)"):
                    call()
        finally:
            if root:
                os.seteuid(0)
            file.parent.chmod(0o777)


def test_a_text_that_is_no_unicode_can_not_be_stored_and_says_so(file):
    with pytest.raises(InputError, match=r"settings\.toml: .*'.udcff' can't be stored"):
        save_settings(load_settings(file.parent, archive="/data/\udcff"))
    assert file.read_bytes() == COMMENTED.encode()
