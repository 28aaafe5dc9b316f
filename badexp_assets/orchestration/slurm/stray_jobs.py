"""Jobs whose run has ended without cancelling them: its process was killed, or Slurm was away."""

import dagster as dg

from badexp_assets.orchestration.slurm.client import Slurm
from badexp_assets.orchestration.slurm.database_outages import through_outages
from badexp_assets.orchestration.slurm.job_name import JobName
from badexp_assets.orchestration.slurm.job_state import Job
from badexp_assets.orchestration.slurm.queue_snapshot import Queue


def cancel_stray_jobs(instance: dg.DagsterInstance, queue: Queue, slurm: Slurm) -> list[Job]:
    """Cancel the jobs of runs of this instance that have ended, and return them; jobs of other instances are left."""
    active = [(JobName.parse(job.name), job) for job in queue.snapshot().jobs if job.is_active]
    jobs = [(name, job) for name, job in active if name is not None]
    if not jobs:
        return []
    of_jobs = dg.RunsFilter(run_ids=sorted({name.run_id for name, _ in jobs}))
    runs = through_outages(lambda: instance.get_runs(of_jobs))
    ended = {run.run_id for run in runs if run.is_finished}
    stray = [job for name, job in jobs if name.run_id in ended]
    slurm.cancel([job.number for job in stray])
    return stray
