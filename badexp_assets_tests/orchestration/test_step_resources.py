"""What heavy steps say that they need, and where steps run."""

import os
import subprocess
import sys

import dagster as dg
import pytest
from dagster_k8s.job import get_user_defined_k8s_config

from badexp_assets.defs.build import ALL_ASSETS
from badexp_assets.errors import InputError
from badexp_assets.orchestration.executors import VARIABLE, select_executor
from badexp_assets.orchestration.step_resources import (
    GPUS,
    HOURS,
    NIGHTS,
    StepResources,
    backfill_policy,
    night_pass_resources,
    nights_per_job,
    step_resources,
)


def _ops():
    made = [asset for asset in ALL_ASSETS if isinstance(asset, dg.AssetsDefinition) and asset.is_executable]
    return {asset.op.name: asset.op.tags for asset in made}


def test_the_night_pass_is_heavy_and_wants_a_gpu_and_scoring_is_light():
    ops = _ops()
    assert StepResources.from_tags(ops["night_pass"]).gpus == 1
    assert StepResources.from_tags(ops["night_classification"]) is None


def test_kubernetes_gets_the_same_resources_and_the_same_time():
    tags = step_resources(cpus=8, memory_gib=32, hours=1.5, gpus=2)
    assert StepResources.from_tags(tags) == StepResources(cpus=8, memory_gib=32, hours=1.5, gpus=2)
    config = tags["dagster-k8s/config"]
    assert config["container_config"]["resources"]["requests"] == {"cpu": "8", "memory": "32Gi"}
    assert config["container_config"]["resources"]["limits"] == {"memory": "32Gi", "nvidia.com/gpu": "2"}
    assert config["job_spec_config"] == {"active_deadline_seconds": 5400}
    assert [toleration["key"] for toleration in config["pod_spec_config"]["tolerations"]] == ["nvidia.com/gpu"]
    assert not step_resources(cpus=8, memory_gib=32, hours=1)["dagster-k8s/config"]["pod_spec_config"]["tolerations"]


def test_dagster_reads_what_every_heavy_step_asks_kubernetes_for():
    heavy_ops = {name: tags for name, tags in _ops().items() if StepResources.from_tags(tags)}
    assert heavy_ops
    for tags in heavy_ops.values():
        needs, config = StepResources.from_tags(tags), get_user_defined_k8s_config(tags)
        assert config.container_config["resources"]["requests"]["cpu"] == str(needs.cpus)
        assert config.job_spec_config["active_deadline_seconds"] == needs.hours * 3600


def test_steps_run_in_process_unless_the_environment_names_an_engine(monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)
    assert select_executor(ALL_ASSETS) is dg.in_process_executor
    monkeypatch.setenv(VARIABLE, "dask")
    with pytest.raises(InputError, match="BADEXP_EXECUTOR is 'dask'; one of in_process"):
        select_executor(ALL_ASSETS)


def test_steps_are_jobs_of_kubernetes_where_the_environment_says_so(monkeypatch):
    monkeypatch.setenv(VARIABLE, "Kubernetes")
    assert select_executor(ALL_ASSETS).name == "kubernetes"


def test_an_engine_that_is_not_installed_is_named_with_what_installs_it(monkeypatch):
    monkeypatch.setenv(VARIABLE, "kubernetes")
    monkeypatch.delitem(sys.modules, "badexp_assets.orchestration.kubernetes.executor", raising=False)
    monkeypatch.setitem(sys.modules, "dagster_k8s", None)
    with pytest.raises(InputError, match=r"BADEXP_EXECUTOR=kubernetes needs dagster_k8s: pip install"):
        select_executor(ALL_ASSETS)


def test_the_size_of_a_job_is_what_the_environment_says(monkeypatch):
    assert nights_per_job() == backfill_policy().max_partitions_per_run == 25
    assert StepResources.from_tags(night_pass_resources()) == StepResources(cpus=16, memory_gib=64, hours=4, gpus=1)
    for name, word in {NIGHTS: "60", GPUS: "4", HOURS: " 12 "}.items():
        monkeypatch.setenv(name, word)
    assert backfill_policy().max_partitions_per_run == 60
    assert StepResources.from_tags(night_pass_resources()) == StepResources(cpus=64, memory_gib=256, hours=12, gpus=4)
    monkeypatch.setenv(GPUS, "0")
    assert StepResources.from_tags(night_pass_resources()) == StepResources(cpus=16, memory_gib=64, hours=12, gpus=0)


@pytest.mark.parametrize(("name", "word"), [(NIGHTS, "0"), (NIGHTS, "many"), (GPUS, "-1"), (HOURS, "1.5")])
def test_a_size_that_is_no_whole_number_is_refused(monkeypatch, name, word):
    monkeypatch.setenv(name, word)
    with pytest.raises(InputError, match=f"{name} is '{word}'; a whole number"):
        nights_per_job(), night_pass_resources()


@pytest.mark.slow
def test_a_code_location_that_is_loaded_has_the_size_of_its_environment():
    code = (
        "from badexp_assets.defs.build import build_definitions\n"
        "graph = build_definitions().get_repository_def().asset_graph\n"
        "print({graph.get(k).backfill_policy.max_partitions_per_run for k in graph.materializable_asset_keys "
        "if graph.get(k).is_partitioned})"
    )
    environment = os.environ | {NIGHTS: "7"}
    found = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert found.stdout == "{7}\n"
