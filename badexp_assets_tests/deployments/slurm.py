"""The Slurm of `deployments/slurm/one_machine.py`, for tests."""

from __future__ import annotations

import importlib.util
from types import ModuleType

from badexp_assets_tests.repository import REPOSITORY

DEPLOYMENT = REPOSITORY / "deployments" / "slurm"


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
