"""Light steps: processes on the machine of the run, forked from one that has imported the code location."""

import contextlib
import multiprocessing
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.process import BaseProcess

from dagster._cli.api import execute_step_command
from dagster._grpc.types import ExecuteStepArgs

_CODE_LOCATION = "badexp_assets.definitions"
_SECONDS_TO_STOP = 30.0


class LocalSteps:
    """Starts steps in processes of their own, `at_once` at a time, in the order in which they come."""

    def __init__(self, at_once: int) -> None:
        # a fork of the run itself would share its connections; importing the code anew takes seconds for each step
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload([_CODE_LOCATION])
        self._waiting = ThreadPoolExecutor(at_once, thread_name_prefix="light-step")
        self._processes: dict[str, BaseProcess] = {}

    def start(self, step: str, arguments: ExecuteStepArgs) -> None:
        """Start a step as soon as there is room."""
        process = self._context.Process(target=_execute, args=(arguments.get_command_args()[-1],), name=step)
        self._processes[step] = process
        self._waiting.submit(self._run, step, process)

    def died(self, step: str) -> str | None:
        """How the process of a step ended if not well; None while it waits or works, or when it ended well."""
        process = self._processes.get(step)
        if process is None:
            return "its process went with an earlier process of this run"
        code = process.exitcode if process.pid is not None else None
        return f"its process ended with exit code {code}" if code else None

    def stop(self, step: str) -> None:
        """End a step, or forget it if it still waits."""
        process = self._processes.pop(step, None)
        if process is None or process.pid is None:
            return
        process.terminate()
        process.join(_SECONDS_TO_STOP)
        with contextlib.suppress(ValueError):
            process.kill()

    def _run(self, step: str, process: BaseProcess) -> None:
        if self._processes.get(step) is process:  # not stopped while it waited
            process.start()
            process.join()


def _execute(arguments: str) -> None:
    execute_step_command.main(["--compressed-input-json", arguments], prog_name="execute_step")
