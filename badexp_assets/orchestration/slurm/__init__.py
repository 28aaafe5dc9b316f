"""Slurm: an executor that submits every heavy step as a job, and what it asks of sbatch, squeue and scancel."""
