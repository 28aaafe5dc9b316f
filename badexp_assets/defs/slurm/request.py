"""The job of an attempt: its files in the home, its command, what it needs."""

import sys
from pathlib import Path

from dagster._grpc.types import ExecuteStepArgs

from badexp_assets.defs.needs import Needs
from badexp_assets.defs.slurm.names import JobName
from badexp_assets.settings import Home
from badexp_assets.slurm import JobRequest


def log_of(home: Home, name: JobName) -> Path:
    """What the job prints; script and mark of its end lie beside it."""
    return home.slurm / name.run_id / f"{name.step}.{name.attempt}.out"


def request_for(home: Home, name: JobName, needs: Needs, arguments: ExecuteStepArgs) -> JobRequest:
    """The job, run by the Python of this process: all machines must see the same one."""
    return JobRequest(
        name=str(name),
        command=[
            sys.executable,
            "-m",
            "badexp_assets.defs.slurm.job",
            *arguments.get_command_args()[-2:],  # of `dagster api execute_step`
        ],
        log=log_of(home, name),
        folder=home.root,
        cpus=needs.cpus,
        memory_gib=needs.memory_gib,
        hours=needs.hours,
        gpus=needs.gpus,
    )
