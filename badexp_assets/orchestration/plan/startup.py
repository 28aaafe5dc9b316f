"""What a job costs before it reads its first exposure: a process, its imports, the network, and its first batch."""

from __future__ import annotations

import subprocess
import sys
import time

PASS_IMPORTS = (
    "import badexp_assets.pixels.multi_device, badexp_assets.pixels.reader_process, badexp_assets.vision.backbones"
)
NETWORK = """
import sys
from dataclasses import replace
import torch
from badexp_assets.pixels.device_shares import build_machine
from badexp_assets.config.settings import load_settings
home, device, rows, columns = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
options = {"night_pass": {"device": device, "rows": rows, "columns": columns}}
machine = build_machine(replace(load_settings(home), options=options))
recipe = machine.embedder.recipe
machine.embedder.backbone.embed(torch.zeros(machine.embedder.batch_size, 3, recipe.rows, recipe.columns))
"""
JOB = "import badexp_assets.definitions\n" + PASS_IMPORTS + NETWORK
"""what a job runs before its first exposure; takes home, device, rows and columns"""


def start_seconds(code: str, *arguments: str) -> float:
    """Return how long a new interpreter takes to run `code`. Raises CalledProcessError where that fails."""
    started = time.perf_counter()
    subprocess.run([sys.executable, "-c", code, *arguments], check=True, capture_output=True, text=True)
    return time.perf_counter() - started
