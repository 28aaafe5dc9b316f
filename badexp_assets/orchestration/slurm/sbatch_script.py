"""What is asked of sbatch for one step: its arguments, and the script of the job."""

from __future__ import annotations

import math
import os
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from badexp_assets.config.slurm import SlurmParams
from badexp_assets.errors import StorageError

_TAIL_BYTES = 4000

_SCRIPT = """\
#!/bin/bash
# {name}
# Slurm may start a job again that had ended (requeue); its step must not be repeated then.
[ -e {done} ] && exit 0
export BADEXP_CPUS=${{SLURM_CPUS_PER_TASK:-{cpus}}}
{setup}
{command}
code=$?
[ $code -eq 0 ] && touch {done}
exit $code
"""


@dataclass(frozen=True)
class JobRequest:
    """A job that is to be: `name` is its identity, and that of its files `<log>`, `<log>.sh` and `<log>.done`.

    command: program and arguments. folder: where the job works. hours: after which Slurm ends it.
    """

    name: str
    command: Sequence[str]
    log: Path
    folder: Path
    cpus: int
    memory_gib: int
    hours: float
    gpus: int = 0

    @property
    def script(self) -> Path:
        """The script that is given to sbatch; it stays, for people to read."""
        return self.log.with_name(f"{self.log.name}.sh")

    def write_script(self, params: SlurmParams) -> None:
        """Write the script of the job. Raises StorageError for a folder that can't be written."""
        text = _SCRIPT.format(
            name=self.name,
            done=shlex.quote(str(self.log.with_name(f"{self.log.name}.done"))),
            cpus=self._cpus(params),
            setup="\n".join(params.setup),
            command=shlex.join(self.command),
        )
        try:
            self.log.parent.mkdir(parents=True, exist_ok=True)
            self.script.write_text(text, encoding="utf-8")
        except OSError as error:
            raise StorageError(f"{self.script}: {error.strerror}; the job was not submitted") from error

    def arguments(self, params: SlurmParams) -> list[str]:
        """The arguments of sbatch; options of `params` go before what the step asks for itself."""
        memory = self.memory_gib if params.memory_gib is None else params.memory_gib
        hours = self.hours if params.hours is None else params.hours
        gpus = self.gpus if params.gpus is None else params.gpus
        words = [
            "--parsable",
            f"--job-name={self.name}",
            f"--output={_literal(self.log)}",
            "--open-mode=append",
            f"--chdir={self.folder}",
            "--nodes=1",
            "--ntasks=1",
            f"--cpus-per-task={self._cpus(params)}",
            f"--mem={memory}G" if memory else "--mem=0",
            f"--time={max(1, math.ceil(hours * 60))}",
        ]
        for name in ("partition", "account", "qos", "constraint"):
            if getattr(params, name):
                words.append(f"--{name}={getattr(params, name)}")
        if gpus and params.gpu_option:
            words.append(params.gpu_option.format(gpus=gpus))
        return [*words, *params.extra, str(self.script)]

    def _cpus(self, params: SlurmParams) -> int:
        return self.cpus if params.cpus is None else params.cpus


def tail(log: Path, lines: int = 15) -> str:
    """The last lines of what a job printed; what is wrong with the file, if it can't be read."""
    try:
        with log.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - _TAIL_BYTES))
            text = file.read().decode("utf-8", errors="replace")
    except OSError as error:
        return f"({log}: {error.strerror})"
    return "\n".join(text.splitlines()[-lines:])


def _literal(path: Path) -> str:
    """The path as sbatch takes it literally: % begins a pattern."""
    return str(path).replace("%", "%%")
