"""The job of an attempt: its files in the home, its command, what it needs."""

import sys
from pathlib import Path

from dagster._grpc.types import ExecuteStepArgs

from badexp_assets.config.settings import Home
from badexp_assets.orchestration.slurm.job_name import JobName
from badexp_assets.orchestration.slurm.sbatch_script import JobRequest
from badexp_assets.orchestration.step_resources import Needs


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
            "badexp_assets.orchestration.slurm.job_main",
            *arguments.get_command_args()[-2:],  # of `dagster api execute_step`
        ],
        log=log_of(home, name),
        folder=home.root,
        cpus=needs.cpus,
        memory_gib=needs.memory_gib,
        hours=needs.hours,
        gpus=needs.gpus,
    )
