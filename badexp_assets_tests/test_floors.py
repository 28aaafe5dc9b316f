"""The ground floor is science: it imports neither Dagster nor, before it is used, anything heavy."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

import badexp_assets

ROOMS = [
    "alerts",
    "arrivals",
    "survey",
    "labels",
    "training",
    "vision",
    "classify",
    "entropy",
    "entropy_trial",
    "autoencoder",
    "night",
    "plan",
    "explain",
    "reports",
    "review",
    "export",
    "injection",
    "simulate",
    "slurm",
    "storage",
    "tables",
]
HEAVY = [
    "dagster",
    "torch",
    "sklearn",
    "matplotlib",
    "transformers",
    "galsim",
    "numba",
    "hdbscan",
    "openvino",
    "plotly",
]


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_imports_neither_dagster_nor_a_heavy_library(room):
    code = f"import sys, badexp_assets.{room}; print(*[name for name in {HEAVY!r} if name in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.split() == []


def test_no_module_of_a_room_imports_dagster_later():
    package = Path(badexp_assets.__file__).parent
    modules = [path for room in ROOMS for path in (package / room).rglob("*.py")]
    assert len(modules) > len(ROOMS)
    assert [path for path in modules if re.search(r"^\s*(import|from) dagster", path.read_text(), re.M)] == []
