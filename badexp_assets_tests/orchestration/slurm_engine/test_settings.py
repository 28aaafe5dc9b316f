"""Where the engine is chosen, and options that name steps."""

import pytest

from badexp_assets.defs.build import ALL_ASSETS, build_definitions
from badexp_assets.errors import InputError
from badexp_assets.orchestration.slurm.executor import slurm_executor
from badexp_assets.orchestration.slurm.jobs import JobName


def test_the_engine_is_on_the_definitions_so_that_backfills_use_it(monkeypatch):
    monkeypatch.setenv("BADEXP_EXECUTOR", "slurm")
    job = build_definitions().resolve_implicit_global_asset_job_def()
    assert job.executor_def.name == "slurm"


def _executor(folder, text, monkeypatch):
    (folder / "settings.toml").write_text(text)
    monkeypatch.setenv("BADEXP_HOME", str(folder))
    return slurm_executor(ALL_ASSETS).executor_creation_fn(None)  # it asks Dagster nothing


def test_options_of_a_step_that_is_no_job_are_refused_with_those_that_are(tmp_path, monkeypatch):
    with pytest.raises(InputError, match=r"night_pas are not steps that run as jobs; those are: .*night_pass"):
        _executor(tmp_path, "[slurm.steps.night_pas]\ngpus = 4\n", monkeypatch)


def test_a_name_of_a_job_is_read_again_and_other_jobs_are_none():
    name = JobName("night_pass", "3f2a91bc-0000", 2)
    assert JobName.parse(str(name)) == name
    for other in ("wrap", "badexp", "badexp.a.b.c", "badexp.a.b", "interactive.a.b.0"):
        assert JobName.parse(other) is None
