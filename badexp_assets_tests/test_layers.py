"""Importing rooms is cheap: nothing heavy is loaded before it is used. Floors are checked by import-linter."""

import subprocess
import sys
from pathlib import Path

import badexp_assets

HEAVY = [
    "dagster",
    "torch",
    "sklearn",
    "matplotlib",
    "galsim",
    "numba",
    "hdbscan",
    "openvino",
    "plotly",
]
WITH_DAGSTER = {"commands", "defs", "orchestration"}
CODE = f"""
import importlib, pkgutil, sys, badexp_assets
for room in sys.argv[1:]:
    module = importlib.import_module(f"badexp_assets.{{room}}")
    for found in pkgutil.iter_modules(module.__path__):
        if found.ispkg:
            importlib.import_module(f"badexp_assets.{{room}}.{{found.name}}")
    print(room, *[name for name in {HEAVY!r} if name in sys.modules])
"""


def test_no_room_of_the_science_floor_imports_dagster_or_a_heavy_library():
    folders = [path.name for path in Path(badexp_assets.__file__).parent.iterdir() if (path / "__init__.py").exists()]
    rooms = sorted(set(folders) - WITH_DAGSTER)
    assert len(rooms) > 10
    found = subprocess.run([sys.executable, "-c", CODE, *rooms], capture_output=True, text=True, check=True)
    assert found.stdout.split("\n")[:-1] == rooms
