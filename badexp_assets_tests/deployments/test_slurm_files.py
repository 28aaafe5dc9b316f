"""The files of the Slurm deployment, as its readers read them."""

import os
import re
import shutil
import subprocess
import sys

import pytest

from badexp_assets.config.settings import load_settings
from badexp_assets.defs.build import ALL_ASSETS
from badexp_assets.orchestration.slurm.executor import slurm_executor
from badexp_assets.orchestration.step_resources import StepResources
from badexp_assets_tests.deployments.services import DEPLOYMENT as SERVICES
from badexp_assets_tests.deployments.slurm import DEPLOYMENT, missing_programs


def _variables(path):
    return dict(line.split("=", 1) for line in path.read_text().splitlines() if re.match(r"\w", line))


def test_the_template_of_a_site_is_accepted_and_names_steps_that_are_jobs(tmp_path, monkeypatch):
    shutil.copy(DEPLOYMENT / "settings.nersc.toml", tmp_path / "settings.toml")
    params = load_settings(tmp_path).options.slurm
    heavy = {asset.op.name: StepResources.from_tags(asset.op.tags) for asset in ALL_ASSETS if hasattr(asset, "op")}
    with_gpus = {name for name, resources in heavy.items() if resources is not None and resources.gpus}
    assert {"night_pass", "stamp_autoencoder", "patch_reference"} <= with_gpus
    assert {params.of_step(name).constraint for name in with_gpus} == {"gpu"}
    assert params.of_step("fitted_pipeline").constraint == "cpu"
    monkeypatch.setenv("BADEXP_HOME", str(tmp_path))
    slurm_executor(ALL_ASSETS).executor_creation_fn(None)  # refuses steps that are none


def test_the_environment_has_what_the_services_need_and_names_an_instance_file_that_is_there():
    ours, theirs = (_variables(folder / "badexp.env.example") for folder in (DEPLOYMENT, SERVICES))
    assert set(theirs) <= set(ours)
    assert ours["BADEXP_EXECUTOR"] == "slurm"
    assert ours["BADEXP_INSTANCE"].endswith("deployments/slurm/dagster.yaml")


def test_a_slurm_of_one_machine_runs_a_command_and_leaves_nothing(tmp_path):
    if missing_programs():
        pytest.skip(f"Slurm is not installed here: {', '.join(missing_programs())}")
    words = ["sh", "-c", "sbatch --parsable --wrap true --output=/dev/null; dirname $SLURM_CONF; exit 7"]
    done = subprocess.run(
        [sys.executable, DEPLOYMENT / "one_machine.py", "--nodes", "2", "--", *words],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    assert done.returncode == 7, done.stderr
    job, folder = done.stdout.split()
    assert job == "1"
    assert not os.path.exists(folder)
