"""Program of a Slurm job: runs `dagster api execute_step`, and ends at once when Slurm sends SIGTERM.

Dagster handles SIGTERM like an interrupt and logs the step as failed, which is final, before the run knows why Slurm
ended the job: time limit, preemption or node failure. Here the signal ends the process, and the executor logs Slurm's
reason. Files are written atomically, so they stay whole.
"""

import signal
import sys

from badexp_assets.orchestration.dagster_internals import interrupts
from badexp_assets.orchestration.slurm.local_steps import execute_step


def main() -> None:
    """Execute the step that the command-line arguments describe."""
    interrupts.setup_interrupt_handlers = keep_handlers  # Dagster's function sets the handler of SIGTERM repeatedly
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    execute_step(sys.argv[1:])


def keep_handlers() -> None:
    """Replace Dagster's function: leave all signal handlers as they are."""


if __name__ == "__main__":
    main()
