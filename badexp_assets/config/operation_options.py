"""Options of unattended operation: [checks], [alerts], [slurm]."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from badexp_assets.config.section import AS_GIVEN, Listed, Number, NumberOrInfinity, Share, section
from badexp_assets.errors import InputError

_SBATCH_OPTIONS = {
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
"""Options of sbatch that the platform sets itself, or that change what its answer means, and their short forms."""
_NOT_PER_STEP = ("steps", "poll_seconds", "patience_minutes", "local_steps")
_Limit = Annotated[float, Field(ge=0, allow_inf_nan=True), AS_GIVEN]
_Words = Listed[Annotated[str, Field(min_length=1)]]


@section("checks")
class CheckParams:
    """Limits beyond which a check warns."""

    max_label_loss: Share = 0.2
    """Share of a category's labels, or of all, that may vanish between two runs."""
    max_missing_share: Share = 0.1
    """Share of the labelled CCD images, of exposures that were read, that may be without an image."""
    min_good_share: Share = 0.05
    """Lowest share of good images in the training set."""
    max_good_share: Share = 0.95
    """Highest share of good images in the training set."""
    max_novel_share: Share = 0.02
    """Share of a night's CCDs that may be unlike all training images."""
    max_score_distance: Share = 0.15
    """Kolmogorov-Smirnov distance of a night's P(bad) from that of training."""
    max_embedding_shift: _Limit = 3.0
    """Shift of a night's embeddings from those of training, in units of the scatter of training nights."""
    min_free_gb: _Limit = 20.0
    """Free space that the disk of the home must have, GB (10^9 bytes)."""

    @model_validator(mode="after")
    def _ordered(self) -> CheckParams:
        if self.min_good_share >= self.max_good_share:
            raise ValueError(
                f"min_good_share is {self.min_good_share}; less than max_good_share, {self.max_good_share}, is needed"
            )
        return self


@section("alerts")
class AlertParams:
    """Where alerts are sent, and about what. None is sent as long as neither a URL nor a command is given."""

    url: str = ""
    """URL that receives JSON by POST."""
    url_env: str = ""
    """Environment variable that holds the URL, for a URL that is a secret."""
    command: _Words = ()
    """A program and its arguments, as a list, such as `["mail", "-s", "badexp", "a@b.org"]`; its input is the text."""
    failed_runs: bool = True
    """Alerts are sent about failed runs."""
    min_bad_share: Share = 0.5
    """Share of bad exposures, of those that were processed, from which a night causes an alert; 0: none does."""
    min_exposures: int = Field(default=5, ge=1)
    """Nights with fewer processed exposures cause no alert."""
    max_age_days: NumberOrInfinity = Field(default=14.0, gt=0)
    """Older nights cause no alert, days, so that a backfill sends none."""
    timeout: Number = Field(default=5.0, gt=0, le=20)
    """Time that one attempt may take, s."""
    attempts: int = Field(default=3, ge=1, le=5)
    """Attempts to send an alert."""
    ui: str = ""
    """Address of the Dagster UI, for links; without it, the home page looks at http://127.0.0.1:3000."""

    @field_validator("url")
    @classmethod
    def _http(cls, url: str) -> str:
        if url and (urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).netloc):
            raise ValueError("url is no http:// or https:// address")  # not shown: it may hold a secret
        return url

    @model_validator(mode="after")
    def _one_url(self) -> AlertParams:
        if self.url and self.url_env:
            raise ValueError("url and url_env are both given; one is needed")
        return self

    @property
    def on(self) -> bool:
        """Whether alerts are sent anywhere."""
        return bool(self.url or self.url_env or self.command)

    def address(self, environment: Mapping[str, str] = os.environ) -> str:
        """Return the URL, from the environment if `url_env` names a variable; empty when there is none."""
        return self.url or (environment.get(self.url_env, "") if self.url_env else "")


@section("slurm")
class SlurmParams:
    """Jobs of Slurm; `[slurm.steps.NAME]` overrides the options for one step."""

    partition: str = ""
    """Option of sbatch; empty: the default of the site."""
    account: str = ""
    """Option of sbatch; empty: the default of the site."""
    qos: str = ""
    """Option of sbatch; empty: the default of the site."""
    constraint: str = ""
    """Option of sbatch; empty: the default of the site."""
    gpu_option: str = "--gpus={gpus}"
    """Option of sbatch that asks for GPUs, such as `--gres=gpu:a100:{gpus}`; empty: none."""
    extra: _Words = ()
    """More options of sbatch, such as `--exclusive`."""
    setup: _Words = ()
    """Lines of shell with which a job begins, such as `module load cudatoolkit`."""
    cpus: int | None = Field(default=None, ge=1)
    """Cores; left out: what the step needs."""
    memory_gib: int | None = Field(default=None, ge=0)
    """Memory of the node, GiB; 0: all; left out: what the step needs."""
    hours: Annotated[float, Field(ge=0.01), AS_GIVEN] | None = None
    """Time limit of the job, h; left out: what the step needs."""
    gpus: int | None = Field(default=None, ge=0)
    """GPUs; left out: what the step needs."""
    poll_seconds: Number = Field(default=5.0, ge=1, le=10)
    """Slurm is queried at most once in this time, s, for all jobs of all runs of this user on this machine."""
    patience_minutes: Number = Field(default=60.0, ge=0)
    """Time for which a job is offered that Slurm does not accept (controller away, limit of jobs reached), min."""
    local_steps: int = Field(default=1, ge=1)
    """Light steps of one run that work at the same time, on the machine of the run."""
    steps: Mapping[str, Mapping[str, Any]] = Field(default_factory=dict)
    """Options of single steps, by the step's name."""

    def of_step(self, name: str) -> SlurmParams:
        """Return the options that hold for a step."""
        return replace(self, steps={}, **self.steps.get(name, {}))

    @field_validator("partition", "account", "qos", "constraint", mode="before")
    @classmethod
    def _word(cls, word: Any, info: Any) -> Any:
        if not isinstance(word, str) or re.search(r"\s", word) or word.startswith("-"):
            raise ValueError(f"{info.field_name} is {word!r}; one word is needed, as it follows --{info.field_name}")
        return word

    @field_validator("gpu_option")
    @classmethod
    def _with_gpus(cls, option: str) -> str:
        if option and ("{gpus}" not in option or not option.startswith("-")):
            raise ValueError(f"gpu_option is {option!r}; an option of sbatch with {{gpus}} for their number is needed")
        if re.search(r"[{}]", option.replace("{gpus}", "")):
            raise ValueError(f"gpu_option is {option!r}; only {{gpus}} may stand in braces")
        return option

    @field_validator("extra")
    @classmethod
    def _options(cls, words: tuple[str, ...]) -> tuple[str, ...]:
        for word in words:
            if not word.startswith("-"):
                raise ValueError(f"extra has {word!r}; options of sbatch are needed, each as one text: --nice=100")
            for long, short in _SBATCH_OPTIONS.items():
                is_short = short and not word.startswith("--") and word.startswith(short)
                if word.partition("=")[0] == long or is_short:
                    raise ValueError(f"extra has {word!r}; {long} is set by the platform")
        return words

    @field_validator("steps", mode="before")
    @classmethod
    def _sections(cls, steps: Any) -> Any:
        for name, given in steps.items() if isinstance(steps, Mapping) else ():
            if not isinstance(given, Mapping):
                raise ValueError(f"steps.{name} is {given!r}; a section [slurm.steps.{name}] is needed")
        return steps

    @model_validator(mode="after")
    def _check_steps(self) -> SlurmParams:
        known = [option.name for option in fields(self) if option.name not in _NOT_PER_STEP]
        for name, given in self.steps.items():
            unknown = sorted(set(given) - set(known))
            if unknown:
                raise ValueError(f"steps.{name}: unknown name(s) {', '.join(unknown)}; allowed: {', '.join(known)}")
            try:
                self.of_step(name)
            except InputError as error:
                raise ValueError(f"steps.{name}: {str(error).removeprefix('[slurm]: ')}") from error
        return self
