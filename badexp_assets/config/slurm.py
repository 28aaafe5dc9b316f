"""Options of the jobs, for all steps and for single ones."""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

_OWN_OPTIONS = {
    "--array": "-a",
    "--chdir": "-D",
    "--error": "-e",
    "--job-name": "-J",
    "--open-mode": "",
    "--output": "-o",
    "--parsable": "",
    "--test-only": "",
    "--wait": "-W",
    "--wrap": "",
}
"""options of sbatch that the platform gives itself, or that change what its answer means, and their short forms"""

_WORDS = ("partition", "account", "qos", "constraint")
_OF_THE_ENGINE = ("steps", "poll_seconds", "patience_minutes", "local_steps")


@dataclass(frozen=True)
class SlurmParams:
    """Section [slurm] of the settings; `[slurm.steps.NAME]` overrides it for one step. Raises ValueError by name."""

    partition: str = ""
    """of sbatch, as the three that follow; empty: what the site takes where nothing is asked for"""
    account: str = ""
    qos: str = ""
    constraint: str = ""
    gpu_option: str = "--gpus={gpus}"
    """how the site wants to be asked for GPUs; `--gres=gpu:a100:{gpus}`, `--licenses=gpu:{gpus}`. Empty: not at all"""
    extra: tuple[str, ...] = ()
    """more options of sbatch, such as `--exclusive`"""
    setup: tuple[str, ...] = ()
    """lines of shell that a job begins with, such as `module load cudatoolkit`"""
    cpus: int | None = None
    """cores; this and the three that follow are what the step itself asks for, where nothing is given"""
    memory_gib: int | None = None
    """memory of the node, GiB; 0 is all of it"""
    hours: float | None = None
    """time after which Slurm ends the job"""
    gpus: int | None = None
    poll_seconds: float = 5.0
    """Slurm is asked at most once in this time, for all jobs of all runs of this user on this machine"""
    patience_minutes: float = 60.0
    """a job that Slurm does not take now (controller away, limit of submitted jobs) is offered to it for so long"""
    local_steps: int = 1
    """light steps of one run that work at the same time, on the machine of the run"""
    steps: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """options of single steps, by the step's name"""

    def __post_init__(self) -> None:
        for name in _WORDS:
            value = getattr(self, name)
            if not isinstance(value, str) or re.search(r"\s", value) or value.startswith("-"):
                raise ValueError(f"{name} is {value!r}; one word is needed, as it stands behind --{name}")
        self._check_lists()
        self._check_gpu_option()
        for name, low, whole in (("cpus", 1, True), ("memory_gib", 0, True), ("hours", 0.01, False), ("gpus", 0, True)):
            if getattr(self, name) is not None:
                self._check_number(name, low, whole)
        for name, low, whole in (("poll_seconds", 1, False), ("patience_minutes", 0, False), ("local_steps", 1, True)):
            self._check_number(name, low, whole)
        if self.poll_seconds > 10:
            raise ValueError(f"poll_seconds is {self.poll_seconds}; at most 10 is allowed")
        self._check_steps()

    def of_step(self, name: str) -> SlurmParams:
        """The options that hold for a step."""
        return dataclasses.replace(self, steps={}, **self.steps.get(name, {}))

    def _check_lists(self) -> None:
        for name in ("extra", "setup"):
            value = getattr(self, name)
            if isinstance(value, str) or not all(isinstance(word, str) and word for word in value):
                raise ValueError(f"{name} is {value!r}; a list of texts is needed")
            object.__setattr__(self, name, tuple(value))
        for word in self.extra:
            given = word.partition("=")[0]
            if not word.startswith("-"):
                raise ValueError(f"extra has {word!r}; options of sbatch are needed, each as one text: --nice=100")
            for long, short in _OWN_OPTIONS.items():
                if given == long or (short and not word.startswith("--") and word.startswith(short)):
                    raise ValueError(f"extra has {word!r}; {long} is the platform's own")

    def _check_gpu_option(self) -> None:
        given = self.gpu_option
        if not isinstance(given, str) or (given and ("{gpus}" not in given or not given.startswith("-"))):
            raise ValueError(f"gpu_option is {given!r}; an option of sbatch with {{gpus}} for their number is needed")
        if re.sub(r"\{gpus\}", "", given) != re.sub(r"[{}]", "", given.replace("{gpus}", "")):
            raise ValueError(f"gpu_option is {given!r}; only {{gpus}} may stand in braces")

    def _check_number(self, name: str, low: float, whole: bool) -> None:
        value = getattr(self, name)
        kind = int if whole else int | float
        if isinstance(value, bool) or not isinstance(value, kind) or not math.isfinite(value) or value < low:
            what = "a whole number" if whole else "a number"
            raise ValueError(f"{name} is {value!r}; {what} of at least {low} is needed")

    def _check_steps(self) -> None:
        known = [option.name for option in dataclasses.fields(self) if option.name not in _OF_THE_ENGINE]
        for step, given in self.steps.items():
            if not isinstance(given, Mapping):
                raise ValueError(f"steps.{step} is {given!r}; a section [slurm.steps.{step}] is needed")
            unknown = sorted(set(given) - set(known))
            if unknown:
                raise ValueError(f"steps.{step}: unknown name(s) {', '.join(unknown)}; allowed: {', '.join(known)}")
            try:
                self.of_step(step)
            except ValueError as error:
                raise ValueError(f"steps.{step}: {error}") from error
