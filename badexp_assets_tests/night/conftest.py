"""Tiny CP files and damage to them, as in the room of the survey."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest


def _load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, Path(__file__).parents[1] / "survey" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def tiny_cp():
    """The module that writes tiny CP files."""
    return _load("tiny_cp")


@pytest.fixture(scope="session")
def mutations():
    """The module that damages files."""
    return _load("mutations")
