"""What Dagster's Helm chart (1.13) makes of deployments/kubernetes/values.yaml, as far as it is used there.

The release is called dagster, the namespace badexp. Keys that are not read here are refused by `unread`.
"""

from __future__ import annotations

from typing import Any

import yaml

from badexp_assets_tests.repository import REPOSITORY

FOLDER = REPOSITORY / "deployments" / "kubernetes"
VALUES = FOLDER / "values.yaml"

Values = dict[str, Any]


def values() -> Values:
    """The values, as Helm reads them."""
    return yaml.safe_load(VALUES.read_text(encoding="utf-8"))


def code_server(given: Values) -> Values:
    """The only code location."""
    [found] = given["dagster-user-deployments"]["deployments"]
    return found


def image(given: Values) -> str:
    """Its image."""
    return "{repository}:{tag}".format(**code_server(given)["image"])


def instance(given: Values) -> Values:
    """The dagster.yaml of the config map `dagster-instance`."""
    database = given["postgresql"]
    postgres = {
        "postgres_db": {
            "username": database["postgresqlUsername"],
            "password": {"env": "DAGSTER_PG_PASSWORD"},
            "hostname": database["postgresqlHost"],
            "db_name": database["postgresqlDatabase"],
            "port": database["service"]["port"],
            "params": {},
            "scheme": database["postgresqlScheme"],
        }
    }
    launcher = given["runLauncher"]["config"]["k8sRunLauncher"]
    run = launcher["runK8sConfig"]
    return {
        "scheduler": {"module": "dagster.core.scheduler", "class": "DagsterDaemonScheduler"},
        "run_launcher": {
            "module": "dagster_k8s",
            "class": given["runLauncher"]["type"],
            "config": {
                "load_incluster_config": launcher["loadInclusterConfig"],
                "job_namespace": "badexp",
                "image_pull_policy": launcher["imagePullPolicy"],
                "service_account_name": "dagster",
                "dagster_home": given["global"]["dagsterHome"],
                "instance_config_map": "dagster-instance",
                "postgres_password_secret": given["global"]["postgresqlSecretName"],
                "run_k8s_config": {
                    "container_config": run["containerConfig"],
                    "pod_spec_config": run["podSpecConfig"],
                },
            },
        },
        "run_storage": _storage("run_storage", "PostgresRunStorage", postgres),
        "event_log_storage": _storage("event_log", "PostgresEventLogStorage", postgres),
        "schedule_storage": _storage("schedule_storage", "PostgresScheduleStorage", postgres),
        "compute_logs": {
            "module": "dagster.core.storage.noop_compute_log_manager",
            "class": "NoOpComputeLogManager",
        },
        "telemetry": {"enabled": given["telemetry"]["enabled"]},
        **given["additionalInstanceConfig"],
    }


def _storage(module: str, name: str, config: Values) -> Values:
    return {"module": f"dagster_postgres.{module}", "class": name, "config": config}


def container_context(given: Values) -> Values:
    """What the code server hands on to pods of runs and steps."""
    server = code_server(given)
    return {
        "k8s": {
            "image_pull_policy": server["image"]["pullPolicy"],
            "env_config_maps": [f"dagster-{server['name']}-user-env"],
            "env_secrets": [secret["name"] for secret in server["envSecrets"]],
            "volume_mounts": server["volumeMounts"],
            "volumes": server["volumes"],
            "resources": server["resources"],
            "namespace": "badexp",
            "service_account_name": "dagster-dagster-user-deployments-user-deployments",
            "env": server["env"],
            "run_k8s_config": {"pod_spec_config": {"automount_service_account_token": True}},
        }
    }


def deployments(given: Values) -> list[Values]:
    """Webserver, daemon and code server, with all that the values say of their pods."""
    server = code_server(given)
    return [
        _deployment("dagster-webserver", given["dagsterWebserver"]),
        _deployment("dagster-daemon", given["dagsterDaemon"]),
        _deployment(f"dagster-dagster-user-deployments-{server['name']}", server),
    ]


def _deployment(name: str, given: Values) -> Values:
    container = {"name": "dagster", "image": "{repository}:{tag}".format(**given["image"])}
    container |= {key: given[key] for key in ("securityContext", "resources", "env", "volumeMounts") if key in given}
    container |= {"readinessProbe": given["readinessProbe"]} if "readinessProbe" in given else {}
    container |= {"envFrom": [{"secretRef": secret} for secret in given.get("envSecrets", [])]}
    spec = {"containers": [container], "securityContext": given["podSecurityContext"]}
    labels = {"component": name}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": spec | {"volumes": given.get("volumes", [])}},
        },
    }
