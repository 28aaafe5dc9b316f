"""Where and how steps run: Slurm, Kubernetes, run launcher, recovery, pruning, alerts, resource planning."""
