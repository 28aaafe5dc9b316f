"""The services deployment started for real: its own script, supervisord, and the environment file of a home."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psutil
import yaml

from badexp_assets_tests.deployments.postgres import Postgres
from badexp_assets_tests.repository import PYTHON_PATH, REPOSITORY
from badexp_assets_tests.waiting import LONGEST_WAIT

DEPLOYMENT = REPOSITORY / "deployments" / "services"

QUICK_DAEMON = Path(__file__).with_name("quick_daemon.py")
# What the deployment waits for, shortened so that a test need not wait: seconds
QUICK = {
    "run_monitoring": {"poll_interval_seconds": 3, "start_timeout_seconds": 120, "free_slots_after_run_end_seconds": 3}
}


class Services:
    """Webserver, daemon and code server on `home`, by `badexp-services`; use as a context manager.

    `changes`: sections of `instance`, a dagster.yaml, by option, that differ. `variables`: more of the environment.
    """

    def __init__(
        self,
        home: Path,
        archive: Path,
        postgres: Postgres,
        changes: Mapping[str, Mapping[str, Any]] = QUICK,
        instance: Path = DEPLOYMENT / "dagster.yaml",
        variables: Mapping[str, str] | None = None,
    ) -> None:
        self.home, self.postgres = home, postgres
        self.folder = home.parent / f"{home.name}-deployment"
        shutil.copytree(DEPLOYMENT, self.folder)
        config = yaml.safe_load(instance.read_text())
        for section, options in changes.items():
            config[section] |= options
        (self.folder / "dagster.yaml").write_text(yaml.safe_dump(config))
        self._quicken_daemon()
        web, code = free_port(), free_port()
        self.url = f"http://127.0.0.1:{web}"
        self.variables = {
            "BADEXP_HOME": str(home),
            "BADEXP_ARCHIVE": str(archive),
            "BADEXP_BIN": str(Path(sys.executable).parent),
            "BADEXP_LOGS": str(home / "logs"),
            "BADEXP_WEB_HOST": "127.0.0.1",
            "BADEXP_WEB_PORT": str(web),
            "BADEXP_CODE_SERVER_PORT": str(code),
            "PYTHONPATH": PYTHON_PATH,
            **postgres.environment,
            **(variables or {}),
        }
        file = self.folder / "badexp.env"
        file.touch(mode=0o600)
        file.write_text("".join(f"{name}={value}\n" for name, value in self.variables.items()))

    def __enter__(self) -> Services:
        try:
            self.call("up")
        except BaseException:
            self.down()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.down()

    def _quicken_daemon(self) -> None:
        file = self.folder / "supervisord.conf"
        usual, python = "%(ENV_BADEXP_BIN)s/dagster-daemon run", f"{sys.executable} {QUICK_DAEMON} run"
        assert file.read_text().count(usual) == 1
        file.write_text(file.read_text().replace(usual, python))

    def call(self, *words: str) -> str:
        """Run `badexp-services` with the programs of `database` before others; return what it says."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("BADEXP_", "DAGSTER_", "PG"))}
        done = subprocess.run(
            [self.folder / "badexp-services", *words],
            env=kept | {"PATH": f"{self.postgres.binaries}:{os.environ['PATH']}"},
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}\n{self.log()}"
        return done.stdout

    def down(self) -> None:
        """End the services, and what a killed one may have left."""
        left = self.processes()
        try:
            self.call("down")
        finally:
            _, alive = psutil.wait_procs(left, timeout=LONGEST_WAIT)
            for process in alive:
                process.kill()

    def pid(self, service: str) -> int:
        """Process of a service; 0 while it is not running."""
        words = [
            Path(sys.executable).with_name("supervisorctl"),
            "-c",
            self.folder / "supervisord.conf",
            "pid",
            service,
        ]
        done = subprocess.run(words, env=os.environ | self.variables, capture_output=True, text=True, check=False)
        return int(done.stdout) if done.stdout.strip().isdigit() else 0

    def processes(self) -> list[psutil.Process]:
        """Everything that the services have started and that still runs."""
        found = []
        for process in psutil.process_iter():
            try:
                mine = process.environ().get("BADEXP_HOME") == str(self.home)
            except (psutil.Error, OSError):
                continue
            if mine and process.pid != os.getpid():
                found.append(process)
        return found

    def log(self) -> str:
        """The last lines of all logs."""
        return "\n".join(
            f"== {path.name}\n" + "\n".join(path.read_text(errors="replace").splitlines()[-60:])
            for path in sorted((self.home / "logs").glob("*.log"))
        )

    def ask(self, query: str, variables: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Send a GraphQL query to the webserver, as the UI does; OSError while it is away."""
        request = urllib.request.Request(
            f"{self.url}/graphql",
            json.dumps({"query": query, "variables": variables or {}}).encode(),
            {"content-type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=LONGEST_WAIT) as answer:
            found = json.load(answer)
        assert "errors" not in found, json.dumps(found["errors"])[:2000]
        return found["data"]

    def launch_backfill(self, assets: list[str], nights: list[str]) -> str:
        """Launch a backfill as the UI does; return its id."""
        given = {"assetSelection": [{"path": [asset]} for asset in assets], "partitionNames": nights}
        answer = self.ask(
            """mutation($given: LaunchBackfillParams!) { launchPartitionBackfill(backfillParams: $given) {
                __typename ... on LaunchBackfillSuccess { backfillId } ... on PythonError { message } } }""",
            {"given": given},
        )["launchPartitionBackfill"]
        assert answer["__typename"] == "LaunchBackfillSuccess", answer
        return answer["backfillId"]

    def wait_until_loaded(self, seconds: float = LONGEST_WAIT) -> None:
        """Wait until the webserver has the code location."""
        query = "{ workspaceOrError { ... on Workspace { locationEntries { locationOrLoadError { __typename } } } } }"
        deadline = time.monotonic() + seconds
        while True:
            try:
                entries = self.ask(query)["workspaceOrError"]["locationEntries"]
                if [e["locationOrLoadError"]["__typename"] for e in entries] == ["RepositoryLocation"]:
                    return
            except (OSError, TypeError):
                pass
            assert time.monotonic() < deadline, self.log()
            time.sleep(0.3)


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
