"""Slurm: an executor that submits every heavy step as a Slurm job."""
