"""Jobs of Slurm: what is asked of sbatch, what squeue says of all of them at once, and how each one ended."""

from badexp_assets.slurm.client import Slurm
from badexp_assets.slurm.jobs import Job
from badexp_assets.slurm.params import SlurmParams
from badexp_assets.slurm.queue import Queue, Snapshot
from badexp_assets.slurm.request import JobRequest, tail

__all__ = ["Job", "JobRequest", "Queue", "Slurm", "SlurmParams", "Snapshot", "tail"]
