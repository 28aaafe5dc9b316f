#!/usr/bin/env python3
"""A real Slurm on this machine alone, for trying things: munged, slurmctld and slurmd in a temporary folder.

    one_machine.py [--nodes 2] [--gpus 1] [-- COMMAND ...]     runs COMMAND (default: a shell) with this Slurm

Needs Debian's packages slurmctld, slurmd, slurm-client and munge, nothing in /etc, and no service of theirs to run. All
ends with COMMAND, and the folder goes. Jobs run as whoever started it. A "GPU" is a licence of the name gpu.
"""

from __future__ import annotations

import argparse
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "scancel", "scontrol")
_SECONDS_TO_START = 60.0
_PLACES = "/usr/sbin:/sbin"  # of the daemons; not on everybody's PATH

# No accounting, cgroups or task plugins: they want a machine of their own.
_CONFIGURATION = """\
ClusterName=onemachine
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={port}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd-%n.log
MpiDefault=none
SwitchType=switch/none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerType=sched/backfill
SchedulerParameters=batch_sched_delay=0,sched_interval=2,bf_interval=2,sched_min_interval=0
SlurmdParameters=config_overrides
ReturnToService=2
MaxJobCount=20000
MinJobAge=300
KillWait=5
SlurmdTimeout=300
MessageTimeout=3
Licenses=gpu:{gpus}
{nodes}
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


class OneMachineSlurm:
    """Slurm with `nodes` nodes of `cpus` cores each; a context manager that gives the environment of its clients.

    As many cores and as much memory are promised as wanted: they are of the same machine, and nothing enforces them.
    """

    def __init__(self, nodes: int = 1, gpus: int = 1, cpus: int = 16, memory_gib: int = 64) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="one-machine-slurm-", dir="/tmp"))  # paths of sockets are short
        self.conf = self.folder / "slurm.conf"
        self.names = [f"node{number}" for number in range(1, nodes + 1)]
        self._processes: dict[str, subprocess.Popen] = {}
        ports = _free_ports(nodes + 1)
        lines = [
            f"NodeName={name} NodeHostname={socket.gethostname()} NodeAddr=127.0.0.1 Port={port} CPUs={cpus} "
            f"RealMemory={memory_gib * 1024} Feature=gpu State=UNKNOWN"
            for name, port in zip(self.names, ports[1:], strict=True)
        ]
        text = _CONFIGURATION.format(
            host=socket.gethostname(),
            port=ports[0],
            user=pwd.getpwuid(os.geteuid()).pw_name,
            folder=self.folder,
            gpus=gpus,
            nodes="\n".join(lines),
        )
        self.conf.write_text(text)
        (self.folder / "state").mkdir()
        key = self.folder / "munge.key"
        key.touch(mode=0o600)
        key.write_bytes(secrets.token_bytes(128))

    @property
    def environment(self) -> dict[str, str]:
        """What sbatch, squeue and scancel need to find this Slurm."""
        return {"SLURM_CONF": str(self.conf)}

    def __enter__(self) -> OneMachineSlurm:
        try:
            self.start_munged()
            self.start_controller()
            for name in self.names:
                self.start_node(name)
            self.wait_until("all nodes are idle", self._all_idle)
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start_munged(self) -> None:
        """Start the daemon that says who is who."""
        files = [f"--{what}-file={self.folder}/munge.{what}" for what in ("key", "pid", "log", "seed")]
        self._start("munged", "munged", "--foreground", "--force", f"--socket={self.folder}/munge.socket", *files)
        self.wait_until("munged has its socket", (self.folder / "munge.socket").exists)

    def start_controller(self) -> None:
        """Start slurmctld with the jobs that it knew, if it ran before."""
        self._start("slurmctld", "slurmctld", "-D", "-i", "-f", str(self.conf))
        self.wait_until("slurmctld answers", lambda: self.client("scontrol", "ping").returncode == 0)

    def stop_controller(self) -> None:
        """End slurmctld as its service manager does; jobs go on."""
        self._end("slurmctld", signal.SIGTERM)

    def start_node(self, name: str) -> None:
        """Start slurmd of a node."""
        self._start(name, "slurmd", "-D", "-f", str(self.conf), "-N", name)

    def client(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a client of Slurm."""
        return subprocess.run(words, env=os.environ | self.environment, capture_output=True, text=True, check=False)

    def wait_until(self, what: str, true: object, seconds: float = _SECONDS_TO_START) -> None:
        """Wait for `true()`; RuntimeError with the logs if it does not come."""
        deadline = time.monotonic() + seconds
        while not true():  # type: ignore[operator]
            if time.monotonic() > deadline:
                raise RuntimeError(f"after {seconds:.0f} s it is not so that {what}:\n{self.log()}")
            time.sleep(0.1)

    def log(self) -> str:
        """The last lines of all logs."""
        paths = [*sorted(self.folder.glob("*.log")), *sorted(self.folder.glob("*.out"))]
        return "\n".join(
            f"== {path.name}\n" + "\n".join(path.read_text(errors="replace").splitlines()[-20:]) for path in paths
        )

    def stop(self) -> None:
        """Cancel all jobs, end the daemons that were started here, and remove the folder."""
        controller = self._processes.get("slurmctld")
        if controller is not None and controller.poll() is None:
            self.client("scancel", "--full", "--user", pwd.getpwuid(os.geteuid()).pw_name)
            deadline = time.monotonic() + 15
            while time.monotonic() < deadline and self.client("squeue", "--noheader").stdout.strip():
                time.sleep(0.2)
        for name in reversed(list(self._processes)):
            self._end(name, signal.SIGTERM)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _all_idle(self) -> bool:
        states = self.client("sinfo", "--noheader", "--Node", "--format=%T").stdout.split()
        return states == ["idle"] * len(self.names)

    def _start(self, name: str, program: str, *words: str) -> None:
        with (self.folder / f"{name}.out").open("ab") as out:
            self._processes[name] = subprocess.Popen(
                [_where(program), *words],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
                env=os.environ | self.environment,
            )

    def _end(self, name: str, number: int) -> None:
        process = self._processes[name]
        if process.poll() is None:
            process.send_signal(number)
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def missing_programs() -> list[str]:
    """Programs of Slurm and munge that are not installed here."""
    return [name for name in PROGRAMS if shutil.which(name, path=_path()) is None]


def _path() -> str:
    return f"{os.environ.get('PATH', os.defpath)}:{_PLACES}"


def _where(program: str) -> str:
    found = shutil.which(program, path=_path())
    if found is None:
        raise FileNotFoundError(f"{program} is not installed: apt-get install slurmctld slurmd slurm-client munge")
    return found


def _free_ports(n: int) -> list[int]:
    probes = [socket.socket() for _ in range(n)]
    try:
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]
    finally:
        for probe in probes:
            probe.close()


def main() -> int:
    """Run a command with a Slurm of its own."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nodes", type=int, default=1)
    parser.add_argument("--gpus", type=int, default=1)
    parser.add_argument("command", nargs=argparse.REMAINDER)
    given = parser.parse_args()
    if missing_programs():
        print(f"not installed: {', '.join(missing_programs())}; apt-get install slurmctld slurmd slurm-client munge")
        return 2
    words = given.command[1:] if given.command[:1] == ["--"] else given.command
    with OneMachineSlurm(given.nodes, given.gpus) as slurm:
        print(f"SLURM_CONF={slurm.conf}", file=sys.stderr)
        return subprocess.run(words or [os.environ.get("SHELL", "bash")], env=os.environ | slurm.environment).returncode


if __name__ == "__main__":
    raise SystemExit(main())
