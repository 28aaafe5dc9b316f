"""A Kubernetes API server for tests: jobs and their pods, each pod's command run as a process of this machine."""

from __future__ import annotations

import datetime as dt
import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import yaml

from badexp_assets_tests.repository import REPOSITORY

Manifest = dict[str, Any]
Fate = Callable[[Manifest], "Manifest | None"]
"""what becomes of a pod in place of running its command: its status, or None to run it"""


def runs(_: Manifest) -> None:
    """Let the pod run its command."""
    return


@dataclass
class Entry:
    """A job and its pod; the pod is None when it is gone."""

    manifest: Manifest
    pod: Manifest | None
    process: subprocess.Popen[bytes] | None = None
    fated: Manifest | None = None


@dataclass
class Cluster:
    """Use as a context manager; `kubeconfig` is a file that clients take, `created` are the jobs in their order.

    Configuration maps and secrets are those in `maps`, by name; `fate` decides on every pod. What the processes print
    goes into `folder`.
    """

    folder: Path
    maps: dict[str, dict[str, str]] = field(default_factory=dict)
    fate: Fate = runs
    created: list[Manifest] = field(default_factory=list)
    deleted: list[str] = field(default_factory=list)
    entries: dict[str, Entry] = field(default_factory=dict)

    def __enter__(self) -> Cluster:
        cluster = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_: Any) -> None: ...

            def _answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                url = urlsplit(self.path)
                query = {name: found[0] for name, found in parse_qs(url.query).items()}
                status, answer = cluster.answer(self.command, url.path, query, json.loads(body) if body else {})
                text = answer.encode() if isinstance(answer, str) else json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Type", "text/plain" if isinstance(answer, str) else "application/json")
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            do_GET = do_POST = do_DELETE = _answer

        self._lock = threading.RLock()
        self._ending: dict[str, Entry] = {}
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.kubeconfig = self.folder / "kubeconfig"
        server = {"server": f"http://127.0.0.1:{self._server.server_port}"}
        context = {"cluster": "test", "user": "test", "namespace": "badexp"}
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "test", "cluster": server}],
            "users": [{"name": "test", "user": {}}],
            "contexts": [{"name": "test", "context": context}],
            "current-context": "test",
        }
        self.kubeconfig.write_text(yaml.safe_dump(config))
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        for entry in [*self.entries.values(), *self._ending.values()]:
            if entry.process and entry.process.poll() is None:
                entry.process.kill()
                entry.process.wait()

    def jobs_of(self, step: str) -> list[Manifest]:
        """Jobs that were created for a step."""
        return [job for job in self.created if job["metadata"]["labels"].get("dagster/op") == step]

    def strike(self, job: Manifest, fate: Manifest) -> None:
        """Kill the pod of the job; `fate` is what job and pod say from now on. Without `pod` that is gone."""
        with self._lock:
            entry = self.entries[job["metadata"]["name"]]
            assert entry.process is not None
            entry.process.kill()
            entry.process.wait()
            entry.fated = fate
            entry.pod = entry.pod if "pod" in fate else None

    def answer(self, method: str, path: str, query: dict[str, str], body: Manifest) -> tuple[int, Any]:
        """Answer a request: HTTP status, and JSON or text."""
        with self._lock:
            place = re.fullmatch(r"/(?:api|apis/batch)/v1/namespaces/(\w+)/(jobs|pods|events)(?:/(.+))?", path)
            if place is None or place[1] != "badexp":
                return 404, _status(404, f"{path} is unknown")
            kind, name = place[2], place[3]
            if method == "POST":
                return 201, self._create(body)
            if name is None:
                return 200, {"apiVersion": "v1", "kind": "List", "metadata": {}, "items": self._list(kind, query)}
            name, _, part = name.partition("/")
            entry = self.entries.get(name) or (self._ending.get(name) if kind == "pods" else None)
            if entry is None or (kind == "pods" and entry.pod is None):
                return 404, _status(404, f"{kind} {name} is not there")
            if method == "DELETE":
                if entry.process:
                    entry.process.terminate()  # a run's process deletes the jobs of its steps before it ends
                if kind == "jobs":
                    self.deleted.append(name)
                    self._ending[name] = self.entries.pop(name)  # its pod ends a little later
                return 200, _status(200, "deleted")
            if part == "log":
                return 200, (self.folder / f"{name}.log").read_text()
            return 200, self._job(entry) if kind == "jobs" else self._pod(entry)

    def _create(self, body: Manifest) -> Manifest:
        name = body["metadata"]["name"]
        self.created.append(body)
        template = body["spec"]["template"]
        pod = {"apiVersion": "v1", "kind": "Pod", "spec": template["spec"]}
        pod["metadata"] = {**template["metadata"], "name": name, "namespace": "badexp"}
        entry = Entry({**body, "metadata": {**body["metadata"], "namespace": "badexp"}}, pod)
        log = self.folder / f"{name}.log"
        log.write_text("")
        entry.fated = self.fate(body)
        if entry.fated is None:
            container = template["spec"]["containers"][0]
            words = [*container.get("command", []), *container.get("args", [])]
            with log.open("wb") as out:
                entry.process = subprocess.Popen(
                    words, env=self._environment(container), stdout=out, stderr=subprocess.STDOUT
                )
        self.entries[name] = entry
        return body

    def _environment(self, container: Manifest) -> dict[str, str]:
        programs = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        env = {"PATH": programs, "PYTHONPATH": str(REPOSITORY), "HOME": os.environ.get("HOME", "/tmp")}
        for source in container.get("envFrom", []):
            [reference] = source.values()
            env |= self.maps[reference["name"]]
        for variable in container.get("env", []):
            source = variable.get("valueFrom") or {}
            value = variable.get("value") or ""
            if secret := source.get("secretKeyRef"):
                value = self.maps[secret["name"]][secret["key"]]
            elif "resourceFieldRef" in source:
                value = container["resources"]["requests"][source["resourceFieldRef"]["resource"].split(".")[1]]
            env[variable["name"]] = value
        return env

    def _list(self, kind: str, query: dict[str, str]) -> list[Manifest]:
        """Jobs by name or labels, pods by their name or their job's, which is the same here; no events."""
        wanted = dict(part.split("=", 1) for part in ",".join(query.values()).replace("==", "=").split(","))
        name = wanted.pop("metadata.name", None) or wanted.pop("job-name", None)
        found = [
            entry
            for key, entry in self.entries.items()
            if (name is None or key == name) and wanted.items() <= entry.manifest["metadata"]["labels"].items()
        ]
        if kind == "jobs":
            return [self._job(entry) for entry in found]
        return [self._pod(entry) for entry in found if entry.pod is not None and kind == "pods"]

    def _pod(self, entry: Entry) -> Manifest:
        assert entry.pod is not None
        return {**entry.pod, "status": entry.fated["pod"] if entry.fated else self._status_of_process(entry)}

    def _status_of_process(self, entry: Entry) -> Manifest:
        assert entry.process is not None
        code = entry.process.poll()
        state: Manifest = {"running": {"startedAt": _now()}}
        if code is not None:
            state = {"terminated": {"exitCode": abs(code), "reason": "Error" if code else "Completed"}}
        phase = "Running" if code is None else "Failed" if code else "Succeeded"
        return {"phase": phase, "containerStatuses": [container_status(state, ready=code is None)]}

    def _job(self, entry: Entry) -> Manifest:
        if entry.fated:
            return {**entry.manifest, "status": entry.fated["job"]}
        assert entry.process is not None
        code = entry.process.poll()
        found = {"active": 1} if code is None else {"failed": 1} if code else {"succeeded": 1}
        return {**entry.manifest, "status": {**found, "startTime": _now()}}


def container_status(state: Manifest, ready: bool = False) -> Manifest:
    """Status of the container of a step."""
    return {"name": "dagster", "image": "i", "imageID": "", "ready": ready, "restartCount": 0, "state": state}


def _status(code: int, message: str) -> Manifest:
    return {"apiVersion": "v1", "kind": "Status", "code": code, "message": message, "metadata": {}}


def _now() -> str:
    return dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
