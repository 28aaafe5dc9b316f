"""The Slurm of `deployments/slurm/one_machine.py`, for tests."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

DEPLOYMENT = Path(__file__).parents[2] / "deployments" / "slurm"


def _load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("one_machine", DEPLOYMENT / "one_machine.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


_script = _load()
OneMachineSlurm = _script.OneMachineSlurm
missing_programs = _script.missing_programs
