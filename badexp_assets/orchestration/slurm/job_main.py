"""What a Slurm job runs: Dagster's own `dagster api execute_step`, ended at once by Slurm's signal.

Dagster takes SIGTERM for an interrupt and writes a failed step, which is final, before anybody knows why Slurm ended
the job: time limit, preemption, node. So here the signal ends the process (files are whole at any time), and the
executor says what Slurm says.
"""

import signal
import sys

from dagster._cli.api import execute_step_command
from dagster._utils import interrupts


def main() -> None:
    """Execute the step of the arguments."""
    interrupts.setup_interrupt_handlers = _leave_the_signal  # it gives SIGTERM the handler of SIGINT, again and again
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    execute_step_command.main(sys.argv[1:], prog_name="execute_step")


def _leave_the_signal() -> None: ...


if __name__ == "__main__":
    main()
