"""The engine that makes a Slurm job of every heavy step; light steps stay on the machine of the run."""
