"""Light steps: processes on the machine of the run, forked from one that has imported the code location."""

import contextlib
import multiprocessing
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.process import BaseProcess
from typing import Any

from dagster._cli.api import execute_step_command

_CODE_LOCATION = "badexp_assets.definitions"
_SECONDS_TO_STOP = 30.0


class LocalSteps:
    """Runs steps in processes of their own, at most `max_processes` at a time, first come, first served."""

    def __init__(self, max_processes: int) -> None:
        # a fork of the run's process would share its connections; a new interpreter would import the code for seconds
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload([_CODE_LOCATION])
        self._threads = ThreadPoolExecutor(max_processes, thread_name_prefix="light-step")
        self._processes: dict[str, BaseProcess] = {}

    def start(self, step: str, execute_step_args: Any) -> None:
        """Start a step as soon as a process is free."""
        arguments = execute_step_args.get_command_args()[-2:]
        process = self._context.Process(target=execute_step, args=(arguments,), name=step)
        self._processes[step] = process
        self._threads.submit(self._run, step, process)

    def failure(self, step: str) -> str | None:
        """Return how the process of a step failed; None while it waits or runs, and if it succeeded."""
        process = self._processes.get(step)
        if process is None:
            return "its process ended with an earlier process of this run"
        code = process.exitcode if process.pid is not None else None
        return f"its process ended with exit code {code}" if code else None

    def stop(self, step: str) -> None:
        """End a running step, or drop a waiting one."""
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


def execute_step(arguments: list[str]) -> None:
    """Run `dagster api execute_step` with `arguments` in this process."""
    execute_step_command.main(arguments, prog_name="execute_step")
