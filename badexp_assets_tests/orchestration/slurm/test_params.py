"""Section [slurm] of the settings."""

import pytest

from badexp_assets.config.settings import load_settings, save_settings
from badexp_assets.errors import InputError

NERSC = """[slurm]
account = "m1234"
qos = "regular"
constraint = "cpu"
extra = ["--licenses=cfs"]

[slurm.steps.night_pass]
constraint = "gpu"
gpus = 4
hours = 6.5
"""


def _params(folder, text):
    (folder / "settings.toml").write_text(text)
    return load_settings(folder).options.slurm


def test_options_of_a_step_go_before_those_of_all(tmp_path):
    params = _params(tmp_path, NERSC)
    assert params.of_step("fitted_pipeline").constraint == "cpu"
    step = params.of_step("night_pass")
    assert (step.constraint, step.gpus, step.hours, step.account) == ("gpu", 4, 6.5, "m1234")


def test_what_is_saved_is_loaded_again(tmp_path):
    first = _params(tmp_path, NERSC)
    save_settings(load_settings(tmp_path))
    assert load_settings(tmp_path).options.slurm == first


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('partion = "gpu"', r"\[slurm\]: unknown name\(s\) partion; allowed: partition, account"),
        ("partition = 3", "partition is 3; one word"),
        ('partition = "a b"', "partition is 'a b'; one word"),
        ('qos = "--account=other"', "qos is '--account=other'"),
        ("cpus = 0", "cpus is 0; a whole number of at least 1"),
        ("cpus = 1.5", "cpus is 1.5; a whole number"),
        ("cpus = true", "cpus is True"),
        ("hours = -1", "hours is -1; a number of at least 0.01"),
        ("hours = nan", "hours is nan"),
        ("memory_gib = -1", "memory_gib is -1"),
        ("poll_seconds = 0.1", "poll_seconds is 0.1; a number from 1 to 10"),
        ("poll_seconds = 60", "poll_seconds is 60; a number from 1 to 10"),
        ("local_steps = 0", "local_steps is 0"),
        ('gpu_option = "--gpus=2"', "gpu_option is '--gpus=2'; an option of sbatch with {gpus}"),
        ('gpu_option = "--gpus={gpus}{x}"', "only {gpus} may stand in braces"),
        ('extra = "--exclusive"', "extra is '--exclusive'; a list of texts"),
        ('extra = ["exclusive"]', "extra has 'exclusive'; options of sbatch"),
        ('extra = ["--output=x"]', "extra has '--output=x'; --output is set by the platform"),
        ('extra = ["-ofile"]', "--output is set by the platform"),
        ("setup = [3]", r"setup has 3; a list of texts"),
        ("steps = {night_pass = 3}", r"steps.night_pass is 3; a section \[slurm.steps.night_pass\]"),
        ("steps = {night_pass = {gpu = 1}}", r"steps.night_pass: unknown name\(s\) gpu; allowed: partition"),
        ("steps = {night_pass = {poll_seconds = 2}}", r"steps.night_pass: unknown name\(s\) poll_seconds"),
        ("steps = {night_pass = {gpus = -1}}", "steps.night_pass: gpus is -1"),
    ],
)
def test_a_wrong_value_is_refused_by_name(tmp_path, text, message):
    with pytest.raises(InputError, match=message) as caught:
        _params(tmp_path, f"[slurm]\n{text}\n")
    assert str(tmp_path / "settings.toml") in str(caught.value)
