"""The files of every deployment, as Dagster, supervisord, systemd and a shell read them."""

import configparser
import re
import shutil
import stat
import subprocess
from collections import Counter
from pathlib import Path

import dagster as dg
import pytest
import yaml
from dagster._core.workspace.config_schema import process_workspace_config

from badexp_assets.orchestration.run_launcher import WatchedRunLauncher
from badexp_assets_tests.repository import REPOSITORY

DEPLOYMENTS = REPOSITORY / "deployments"
INSTANCES = sorted(DEPLOYMENTS.glob("*/dagster.yaml"))
YAMLS = sorted(DEPLOYMENTS.rglob("*.yaml"))
WORKSPACES = sorted(DEPLOYMENTS.glob("*/workspace.yaml"))
SERVICES = DEPLOYMENTS / "services"
SYSTEMD = SERVICES / "systemd"


def deployment(path: Path) -> str:
    return path.parent.name


def _repeated_keys(node: yaml.Node | None) -> list[str]:
    if isinstance(node, yaml.SequenceNode):
        return [key for item in node.value for key in _repeated_keys(item)]
    if not isinstance(node, yaml.MappingNode):
        return []
    keys = Counter(key.value for key, _ in node.value)
    below = [key for _, value in node.value for key in _repeated_keys(value)]
    return [key for key, n in keys.items() if n > 1] + below


@pytest.mark.parametrize("path", YAMLS, ids=lambda path: str(path.relative_to(DEPLOYMENTS)))
def test_no_key_is_there_twice_of_which_yaml_would_silently_take_the_last(path):
    for document in yaml.compose_all(path.read_text(encoding="utf-8")):
        assert _repeated_keys(document) == []


@pytest.mark.slow
@pytest.mark.parametrize("path", INSTANCES, ids=deployment)
def test_dagster_makes_an_instance_of_every_deployment_that_recovers_by_itself(path, tmp_path, database):
    (tmp_path / "dagster.yaml").write_bytes(path.read_bytes())
    with dg.DagsterInstance.from_config(str(tmp_path)) as instance:
        assert not instance.telemetry_enabled
        assert instance.run_monitoring_enabled
        assert instance.run_monitoring_max_runtime_seconds > 0
        assert instance.run_monitoring_settings["free_slots_after_run_end_seconds"] > 0
        assert isinstance(instance.run_launcher, WatchedRunLauncher)
        assert instance.get_settings("run_retries")["retry_on_asset_or_op_failure"] is False
        assert instance.run_retries_enabled
        pools = instance.get_concurrency_config().pool_config
        assert pools.pool_granularity.value == "op"
        assert pools.default_pool_limit == (100 if path.parent.name == "slurm" else 1)
        expected = "Sqlite" if path.parent.name == "local" else "Postgres"
        assert type(instance.event_log_storage).__name__.startswith(expected)


@pytest.mark.parametrize("path", WORKSPACES, ids=deployment)
def test_dagster_accepts_every_workspace(path, monkeypatch):
    monkeypatch.setenv("BADEXP_CODE_SERVER_PORT", "4266")
    config = yaml.safe_load(path.read_text(encoding="utf-8"))
    checked = process_workspace_config(config)
    assert checked.success, checked.errors
    [origin] = config["load_from"]
    assert origin["grpc_server"]["location_name"] == "badexp_assets"


def test_no_file_of_a_deployment_holds_a_password():
    for path in DEPLOYMENTS.rglob("*"):
        if path.is_file() and path.suffix != ".pyc":
            for line in path.read_text(encoding="utf-8").splitlines():
                given = re.search(r"^\s*(\w*PASS\w*|password)\s*[=:]\s*(?!false$)\S", line, re.IGNORECASE)
                assert not given, f"{path}: {line}"
                assert not re.search(r"://\w+:[^@/\s]+@", line), f"{path}: {line}"


def test_what_supervisord_expands_is_set_by_the_environment_file_or_by_the_script():
    parser = configparser.RawConfigParser(inline_comment_prefixes=(" ;",))
    parser.read(SERVICES / "supervisord.conf")
    assert {"program:code-server", "program:daemon", "program:webserver"} <= set(parser.sections())
    text = (SERVICES / "supervisord.conf").read_text()
    needed = set(re.findall(r"%\(ENV_(\w+)\)s", text))
    example = dict(
        line.split("=", 1)
        for line in (SERVICES / "badexp.env.example").read_text().splitlines()
        if re.match(r"\w", line)
    )
    assert needed <= set(example)
    for name in ("program:code-server", "program:daemon", "program:webserver"):
        assert parser[name]["autorestart"] == "true"
        assert "stdout_logfile_maxbytes" in parser[name]


def test_systemd_accepts_the_units(tmp_path):
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed")
    units = sorted(SYSTEMD.iterdir())
    for unit in units:  # the programs are not installed where the units say
        text = re.sub(r"^(ExecStart=)\S+", r"\1/bin/true", unit.read_text(), flags=re.MULTILINE)
        (tmp_path / unit.name).write_text(re.sub(r"^User=.*", "User=root", text, flags=re.MULTILINE))
    words = ["systemd-analyze", "verify", "--man=no", *(str(tmp_path / unit.name) for unit in units)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    ours = [line for line in (done.stdout + done.stderr).splitlines() if "badexp" in line]
    assert done.returncode == 0, done.stderr
    assert not ours, ours


def test_supervisord_and_systemd_start_the_same_programs():
    parser = configparser.RawConfigParser(inline_comment_prefixes=(" ;",))
    parser.read(SERVICES / "supervisord.conf")
    for name in ("code-server", "daemon", "webserver"):
        unit = (SYSTEMD / f"badexp-{name}.service").read_text()
        [command] = re.findall(r"^ExecStart=(.*)$", unit, re.MULTILINE)
        ours = parser[f"program:{name}"]["command"].replace("%(here)s", "/opt/badexp/deployments/services")
        ours = ours.replace("%(ENV_BADEXP_BIN)s", "/opt/badexp/.venv/bin")
        assert command == re.sub(r"%\(ENV_(\w+)\)s", r"${\1}", ours)


def call(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([folder / "badexp-services", *words], capture_output=True, text=True, check=False)


@pytest.fixture
def copied(tmp_path) -> Path:
    return Path(shutil.copytree(SERVICES, tmp_path / "services"))


def test_without_an_environment_file_the_script_says_which_to_make(copied):
    done = call(copied, "up")
    assert done.returncode == 2
    assert "badexp.env: no such file; copy badexp.env.example" in done.stderr


def test_an_environment_file_that_others_can_read_is_refused(copied):
    shutil.copy(copied / "badexp.env.example", copied / "badexp.env")
    (copied / "badexp.env").chmod(0o644)
    done = call(copied, "up")
    assert done.returncode == 2
    assert "chmod 600" in done.stderr


def test_a_variable_that_is_missing_is_named(copied):
    env = copied / "badexp.env"
    env.touch(stat.S_IRUSR | stat.S_IWUSR)
    env.write_text((copied / "badexp.env.example").read_text().replace("\nPGUSER=badexp\n", "\n"))
    env.chmod(0o600)
    done = call(copied, "status")
    assert done.returncode == 2
    assert "PGUSER is not set" in done.stderr


def test_without_a_command_the_script_says_which_there_are(copied):
    shutil.copy(copied / "badexp.env.example", copied / "badexp.env")
    (copied / "badexp.env").chmod(0o600)
    done = call(copied)
    assert done.returncode == 2
    for word in ("up", "down", "status", "backup", "restore", "prune", "exec"):
        assert word in done.stdout


def test_a_command_runs_in_the_environment_of_the_services(copied):
    shutil.copy(copied / "badexp.env.example", copied / "badexp.env")
    (copied / "badexp.env").chmod(0o600)
    done = call(copied, "exec", "sh", "-c", 'echo "$PGDATABASE $DAGSTER_HOME ${PATH%%:*} $1"', "sh", "two words")
    assert done.stdout == "badexp /data/badexp/dagster /opt/badexp/.venv/bin two words\n"
    assert call(copied, "exec").returncode == 2
