"""Where the repository of these tests is."""

import os
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]
PYTHON_PATH = f"{REPOSITORY / 'badexp_assets_tests' / 'child_process'}{os.pathsep}{REPOSITORY}"
"""PYTHONPATH of processes that tests start: this checkout, and what spares them the waits for the disk"""
