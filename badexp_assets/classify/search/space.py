"""Search space of the pipeline parameters, read from a TOML file."""

from __future__ import annotations

import math
import tomllib
from dataclasses import dataclass, fields
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from badexp_assets.config.classifier_options import METRICS, SCALERS, PipelineParams
from badexp_assets.errors import InputError

if TYPE_CHECKING:
    from optuna.trial import Trial

_CHOICES = {"scaler": SCALERS, "metric": METRICS}
_WHOLE = ("n_components", "n_neighbors")
_KEYS = tuple(f.name for f in fields(PipelineParams) if f.name != "seed")


@dataclass(frozen=True)
class SearchSpace:
    """Choices (a tuple) or a range (a dict of low, high and step or log) per searched parameter of PipelineParams."""

    found: dict[str, tuple[Any, ...] | dict[str, Any]]

    def pipeline(self, trial: Trial, seed: int) -> PipelineParams:
        """Sample the parameters of `trial`; parameters that are not searched keep the value of Luo et al. 2025."""
        sampled = {}
        for key, values in self.found.items():
            if isinstance(values, tuple):
                sampled[key] = trial.suggest_categorical(key, values)
            else:
                suggest = trial.suggest_int if key in _WHOLE else trial.suggest_float
                sampled[key] = suggest(key, **values)
        return PipelineParams(**sampled, seed=seed)

    def highest(self, key: str) -> int:
        """Return the highest value that `key` (n_components or n_neighbors) can have."""
        values = self.found.get(key, (getattr(PipelineParams(), key),))
        return int(max(values) if isinstance(values, tuple) else values["high"])


def load_space(path: str | Path | None = None) -> SearchSpace:
    """Read a search space; without a path the packaged one, after Luo et al. 2025.

    Raises InputError with file, key, what was found and what is allowed.
    """
    name = str(path) if path else "space.toml"
    try:
        text = (Path(path) if path else resources.files(__package__).joinpath("space.toml")).read_text(encoding="utf-8")
        found = tomllib.loads(text)
    except OSError as error:
        raise InputError(f"{name}: search space can't be read ({error.strerror or error})") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{name}: not a TOML file: {error}") from error
    if not found:
        raise InputError(f"{name}: no parameter to search; at least one of {', '.join(_KEYS)} is needed")
    for key in found:
        if key not in _KEYS:
            raise InputError(f"{name}: {key} is not a parameter of the pipeline; allowed: {', '.join(_KEYS)}")
    return SearchSpace({key: _values(name, key, found[key]) for key in _KEYS if key in found})


def _values(name: str, key: str, found: Any) -> tuple[Any, ...] | dict[str, Any]:
    if isinstance(found, list):
        if not found:
            raise InputError(f"{name}: {key} is an empty list; allowed: {_allowed(key)}")
        for value in found:
            _check(name, key, value)
        return tuple(dict.fromkeys(found))
    if not isinstance(found, dict) or key in _CHOICES:
        raise InputError(f"{name}: {key} is {found!r}; a list is needed of {_allowed(key)}")
    step_or_log = "step" if key in _WHOLE else "log"
    if not {"low", "high"} <= set(found) <= {"low", "high", step_or_log}:
        given = ", ".join(found) or "nothing"
        raise InputError(f"{name}: {key} has {given}; low and high are needed, {step_or_log} is allowed")
    for end in ("low", "high"):
        _check(name, key, found[end], f"{key}.{end}")
    if found["low"] > found["high"]:
        raise InputError(f"{name}: {key}.low is {found['low']}, {key}.high {found['high']}; low must not be above high")
    step, log = found.get("step", 1), found.get("log", False)
    if isinstance(step, bool) or not isinstance(step, int) or step < 1:
        raise InputError(f"{name}: {key}.step is {step!r}; a whole number from 1 is needed")
    if not isinstance(log, bool) or (log and found["low"] <= 0):
        raise InputError(f"{name}: {key}.log is {log!r}; true or false is needed, true only with low above 0")
    if key in _WHOLE:  # Optuna needs a range that is a multiple of the step
        return {"low": found["low"], "high": found["high"] - (found["high"] - found["low"]) % step, "step": step}
    return {"low": float(found["low"]), "high": float(found["high"]), "log": log}


def _check(name: str, key: str, value: Any, place: str | None = None) -> None:
    if key in _CHOICES:
        right = value in _CHOICES[key]
    elif key in _WHOLE:
        right = isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= 10_000
    else:
        right = isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < math.inf
    if not right:
        raise InputError(f"{name}: {place or key} has {value!r}; allowed: {_allowed(key)}")


def _allowed(key: str) -> str:
    if key in _CHOICES:
        return ", ".join(_CHOICES[key])
    return "whole numbers from 1 to 10000" if key in _WHOLE else "numbers from 0"
