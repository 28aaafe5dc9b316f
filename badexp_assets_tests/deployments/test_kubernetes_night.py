"""A night is read and scored by pods, as the values of the chart describe them."""

import sys
from pathlib import Path

import dagster as dg
import kubernetes_validate
import pytest
from dagster._core.definitions.reconstruct import ReconstructableRepository

from badexp_assets_tests.deployments import chart
from badexp_assets_tests.deployments.cluster import Cluster
from badexp_assets_tests.deployments.survey import NIGHT_ASSETS, differences, tiny_archive, undisturbed, without_nights


def values_for(home: Path, archive: Path) -> chart.Values:
    """The values of the deployment, with the folders and the network of the test."""
    given = chart.values()
    ours = {"BADEXP_HOME": str(home), "BADEXP_ARCHIVE": str(archive), "BADEXP_BACKBONE": "efficientnet_lite0"}
    server = chart.code_server(given)
    server["env"] = [
        variable | ({"value": ours[variable["name"]]} if variable["name"] in ours else {})
        for variable in server["env"]
        if variable["name"] != "BADEXP_LABELS"
    ]
    return given


@pytest.mark.slow
def test_a_night_that_pods_have_read_is_the_same_as_one_read_without_any_cluster(tmp_path, monkeypatch):
    archive, [night] = tiny_archive(tmp_path / "survey", 1)
    done = undisturbed(tmp_path / "undisturbed", archive, [night])
    home = without_nights(tmp_path / "home", done)
    given = values_for(home.root, archive)
    launcher = chart.instance(given)["run_launcher"]
    maps = {
        "dagster-badexp-assets-user-env": {},
        "badexp-secrets": {},
        "badexp-postgresql": {"postgresql-password": "of nobody"},
    }
    (tmp_path / "pods").mkdir()
    with Cluster(tmp_path / "pods", maps) as cluster:
        launcher["config"] |= {"load_incluster_config": False, "kubeconfig_file": str(cluster.kubeconfig)}
        monkeypatch.setenv("BADEXP_EXECUTOR", "kubernetes")
        monkeypatch.setenv("BADEXP_HOME", str(home.root))
        monkeypatch.delitem(sys.modules, "badexp_assets.definitions", raising=False)
        repository = ReconstructableRepository.for_module(
            "badexp_assets.definitions",
            "defs",
            container_image=chart.image(given),
            container_context=chart.container_context(given),
        )
        with dg.DagsterInstance.local_temp(str(tmp_path), overrides={"run_launcher": launcher}) as instance:
            job = repository.get_reconstructable_job("new_night")
            job = job.get_subset(asset_selection={dg.AssetKey(name) for name in NIGHT_ASSETS})
            run = dg.execute_job(job, instance, tags={"dagster/partition": night})
    monkeypatch.delitem(sys.modules, "badexp_assets.definitions", raising=False)
    assert run.success
    assert differences(home, done, [night]) == []
    assert len(cluster.created) >= 2  # every step is a job
    for created in cluster.created:
        kubernetes_validate.validate(created, kubernetes_validate.latest_version(), strict=True)
    [heavy], [light] = cluster.jobs_of("night_pass"), cluster.jobs_of("night_entropy_scores")
    assert heavy["spec"]["activeDeadlineSeconds"] == 4 * 3600
    assert light["spec"]["activeDeadlineSeconds"] == 2 * 3600
    container, small = (job["spec"]["template"]["spec"]["containers"][0] for job in (heavy, light))
    assert container["resources"] == {
        "requests": {"cpu": "16", "memory": "64Gi"},
        "limits": {"memory": "64Gi", "nvidia.com/gpu": "1"},
    }
    assert small["resources"] == {"requests": {"cpu": "2", "memory": "2Gi"}, "limits": {"memory": "8Gi"}}
    for found, job in ((container, heavy), (small, light)):
        spec = job["spec"]["template"]["spec"]
        assert found["image"] == chart.image(given)
        assert found["volumeMounts"] == chart.code_server(given)["volumeMounts"]
        assert spec["volumes"] == chart.code_server(given)["volumes"]
        assert spec["securityContext"]["fsGroup"] == 10001
        assert {"name": "BADEXP_EXECUTOR", "value": "kubernetes"} in found["env"]
        cores = [variable for variable in found["env"] if variable["name"] == "BADEXP_CPUS"]
        assert [v["valueFrom"]["resourceFieldRef"]["resource"] for v in cores] == ["requests.cpu"]
    assert [t["key"] for t in heavy["spec"]["template"]["spec"]["tolerations"]] == ["nvidia.com/gpu"]
    assert "tolerations" not in light["spec"]["template"]["spec"]
