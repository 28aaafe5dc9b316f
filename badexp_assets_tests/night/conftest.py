"""Tiny CP files for the tests of this room, written as in the room of the survey."""

import importlib.util
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def tiny_cp():
    """The module that writes tiny CP files."""
    spec = importlib.util.spec_from_file_location("tiny_cp", Path(__file__).parents[1] / "survey" / "tiny_cp.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
