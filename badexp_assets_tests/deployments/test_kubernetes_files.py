"""The files of deployments/kubernetes, as Kubernetes, Dagster and a builder of images read them."""

import copy
import fnmatch
import io
import shutil
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import dagster as dg
import kubernetes_validate
import pytest
import yaml
from click.testing import CliRunner
from dagster._config import process_config
from dagster_k8s import K8sRunLauncher
from dagster_k8s.job import DagsterK8sJobConfig
from dockerfile_parse import DockerfileParser

from badexp_assets.commands.cli import badexp
from badexp_assets_tests.deployments import chart
from badexp_assets_tests.repository import REPOSITORY

MANIFESTS = sorted((chart.FOLDER / "manifests").glob("*.yaml"))
DOCKERFILE = chart.FOLDER / "Dockerfile"
OLDEST, NEWEST = "1.30", kubernetes_validate.latest_version()


def documents() -> list[dict]:
    found = [document for path in MANIFESTS for document in yaml.safe_load_all(path.read_text(encoding="utf-8"))]
    return [document for document in found if document["kind"] != "Kustomization"] + chart.deployments(chart.values())


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
@pytest.mark.parametrize("document", documents(), ids=lambda found: f"{found['kind']} {found['metadata']['name']}")
def test_kubernetes_knows_every_word_of_the_manifests_and_of_the_pods_that_the_values_describe(document, version):
    kubernetes_validate.validate(document, version, strict=True)


@pytest.mark.parametrize("kind", ["CronJob", "Job", "Deployment", "PersistentVolumeClaim"])
def test_a_word_that_kubernetes_does_not_know_and_a_number_that_is_none_are_refused(kind):
    document = next(document for document in documents() if document["kind"] == kind)
    kubernetes_validate.validate(document, NEWEST, strict=True)
    misspelt = copy.deepcopy(document)
    misspelt["spec"]["resorces"] = {}
    mistaken = copy.deepcopy(document)
    mistaken["spec"]["backoffLimit" if kind == "Job" else "accessModes" if kind[0] == "P" else "replicas"] = "three"
    for wrong in (misspelt, mistaken):
        with pytest.raises(kubernetes_validate.ValidationError):
            kubernetes_validate.validate(wrong, NEWEST, strict=True)


def test_no_pod_runs_as_root_or_may_become_it():
    for document in documents():
        spec = document.get("spec", {})
        spec = spec.get("jobTemplate", {}).get("spec", spec)
        for container in (pod := spec.get("template", {}).get("spec", {})).get("containers", []):
            assert pod["securityContext"]["runAsNonRoot"]
            assert container["securityContext"]["allowPrivilegeEscalation"] is False


def test_secrets_are_named_and_nowhere_given():
    for path in (*MANIFESTS, chart.VALUES):
        for document in yaml.safe_load_all(path.read_text(encoding="utf-8")):
            if document.get("kind") == "Secret":
                assert not any(document["stringData"].values())
    given = chart.values()
    assert given["generatePostgresqlPasswordSecret"] is False
    named = {given["global"]["postgresqlSecretName"], *(s["name"] for s in chart.code_server(given)["envSecrets"])}
    example = (chart.FOLDER / "manifests" / "secrets.example.yaml").read_text(encoding="utf-8")
    assert named == {document["metadata"]["name"] for document in yaml.safe_load_all(example)}


def test_kustomize_builds_what_is_there_with_one_image(tmp_path):
    listed = yaml.safe_load((chart.FOLDER / "manifests" / "kustomization.yaml").read_text(encoding="utf-8"))
    there = {path.name for path in MANIFESTS} - {"kustomization.yaml", "secrets.example.yaml"}
    assert set(listed["resources"]) == there
    [image] = listed["images"]
    assert f"{image['newName']}:{image['newTag']}" == chart.image(chart.values())
    if shutil.which("kubectl") is None:
        pytest.skip("kubectl is not installed")
    words = ["kubectl", "kustomize", str(chart.FOLDER / "manifests")]
    built = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    for document in yaml.safe_load_all(built):
        kubernetes_validate.validate(document, NEWEST, strict=True)
        assert document["kind"] == "Namespace" or document["metadata"]["namespace"] == "badexp"
    assert f"image: {chart.image(chart.values())}" in built


KUBECONFIG = {  # nobody is there
    "current-context": "none",
    "contexts": [{"name": "none", "context": {"cluster": "none", "user": "none"}}],
    "clusters": [{"name": "none", "cluster": {"server": "http://127.0.0.1:9"}}],
    "users": [{"name": "none", "user": {}}],
}


@pytest.fixture
def dagster_home(tmp_path, database, monkeypatch) -> Path:
    """The instance that the chart makes, on the database of the tests."""
    given = chart.instance(chart.values())
    for name in ("run_storage", "event_log_storage", "schedule_storage"):
        place = given[name]["config"]["postgres_db"]
        place |= {"username": database["PGUSER"], "db_name": database["PGDATABASE"]}
        place["params"] = {"host": database["PGHOST"]}  # a Unix socket
    (tmp_path / "kubeconfig").write_text(yaml.safe_dump(KUBECONFIG), encoding="utf-8")
    launcher = given["run_launcher"]["config"]
    assert launcher["load_incluster_config"]  # there is no token of a service account here
    launcher |= {"load_incluster_config": False, "kubeconfig_file": str(tmp_path / "kubeconfig")}
    monkeypatch.setenv("DAGSTER_PG_PASSWORD", "the socket does not ask")
    (tmp_path / "dagster").mkdir()
    (tmp_path / "dagster" / "dagster.yaml").write_text(yaml.safe_dump(given), encoding="utf-8")
    return tmp_path / "dagster"


@pytest.mark.slow
def test_dagster_makes_an_instance_of_the_values_with_the_settings_of_the_services(dagster_home):
    services = yaml.safe_load((REPOSITORY / "deployments" / "services" / "dagster.yaml").read_text(encoding="utf-8"))
    with dg.DagsterInstance.from_config(str(dagster_home)) as instance:
        assert type(instance.event_log_storage).__name__ == "PostgresEventLogStorage"
        assert not instance.telemetry_enabled
        assert instance.run_monitoring_enabled
        assert instance.run_monitoring_max_resume_run_attempts == 3
        assert instance.get_settings("run_retries") == services["run_retries"]
        assert instance.get_settings("retention") == services["retention"]
        assert instance.get_concurrency_config().pool_config.default_pool_limit == 1
        monitoring, theirs = instance.run_monitoring_settings, services["run_monitoring"]
        assert {name: monitoring[name] for name in theirs if monitoring[name] != theirs[name]} == {
            "start_timeout_seconds": 1200
        }
        assert instance.run_coordinator.inst_data.config_dict == services["run_coordinator"]["config"]


def test_dagster_accepts_what_runs_and_steps_are_launched_with():
    given = chart.values()
    launcher = process_config(K8sRunLauncher.config_type(), chart.instance(given)["run_launcher"]["config"])
    assert launcher.success, launcher.errors
    context = process_config(DagsterK8sJobConfig.config_type_container_context(), chart.container_context(given)["k8s"])
    assert context.success, context.errors
    wrong = chart.container_context(given)["k8s"] | {"volume_mount": []}
    assert not process_config(DagsterK8sJobConfig.config_type_container_context(), wrong).success


def test_the_code_server_has_no_limit_of_processors_that_steps_would_inherit():
    assert set(chart.code_server(chart.values())["resources"]["limits"]) == {"memory"}


def test_the_daily_job_prunes_on_the_instance_of_the_chart_without_a_word_to_the_cluster(dagster_home):
    [job] = [document for document in documents() if document["kind"] == "CronJob"]
    [container] = job["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"]
    program, command, option, home = container["command"]
    assert (program, option) == ("badexp", "--home")
    assert [mount["mountPath"] for mount in container["volumeMounts"]][-1] == f"{home}/dagster/dagster.yaml"
    done = CliRunner().invoke(badexp, [command, option, str(dagster_home.parent)], catch_exceptions=False)
    assert done.exit_code == 0, done.output


def sources() -> list[str]:
    lines = DockerfileParser(fileobj=io.BytesIO(DOCKERFILE.read_bytes())).structure
    copies = [line["value"].split() for line in lines if line["instruction"] == "COPY"]
    return [word for words in copies if not words[0].startswith("--from") for word in words[:-1]]


def test_everything_that_the_image_copies_is_there_and_not_kept_from_the_builder():
    ignored = (chart.FOLDER / "Dockerfile.dockerignore").read_text(encoding="utf-8").splitlines()
    wanted = [line[1:] for line in ignored if line.startswith("!")]
    assert "*" in ignored
    assert sorted(sources()) == sorted(wanted)
    for source in sources():
        assert (REPOSITORY / source).exists()
        assert not any(fnmatch.fnmatch(source, line) for line in ignored if line[0] not in "#*!")


def test_the_programs_that_the_image_starts_come_with_what_it_installs():
    lines = DockerfileParser(fileobj=io.BytesIO(DOCKERFILE.read_bytes())).structure
    named = {
        line["value"].split("[")[1].split('"')[1] for line in lines if line["instruction"] in ("CMD", "HEALTHCHECK")
    }
    for document in documents():
        spec = document.get("spec", {})
        spec = spec.get("jobTemplate", {}).get("spec", spec)
        named |= {
            c["command"][0] for c in spec.get("template", {}).get("spec", {}).get("containers", []) if "command" in c
        }
    assert named == {"dagster", "badexp"}
    assert named <= {script.name for script in entry_points(group="console_scripts")}


def test_the_image_installs_what_the_project_and_its_extras_need():
    words = [sys.executable, chart.FOLDER / "requirements.py", REPOSITORY / "pyproject.toml", "kubernetes", "remote"]
    lines = subprocess.run(words, capture_output=True, text=True, check=True).stdout.splitlines()
    assert {"dagster>=1.13.0,<1.14", "torch==2.13.0", "dagster-k8s>=0.29.0,<0.30", "s3fs"} <= set(lines)
    assert "pytest" not in lines
    torch = next(line for line in DOCKERFILE.read_text().splitlines() if "install torch" in line)
    assert "torch==2.13.0" in torch


def test_hadolint_finds_nothing_in_the_dockerfile():
    program = Path(sys.executable).with_name("hadolint")
    if not program.exists():
        pytest.skip("hadolint is not installed")
    done = subprocess.run([program, DOCKERFILE], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
