"""Order in which the files of tests are started, so that two processes end at about the same time."""

from collections.abc import Sequence
from pathlib import Path

# the slowest first; tests of one file run in one process
LONGEST = (
    "commands/test_killed_runs.py",
    "benchmarks/test_measure.py",
    "commands/test_other_surveys.py",
    "defs/test_object_store.py",
    "deployments/test_services.py",
    "pixels/test_resume.py",
    "defs/test_unattended.py",
    "pixels/test_multi_device.py",
    "commands/test_presets.py",
    "slurm_engine/test_engine.py",
    "commands/test_demonstration.py",
    "defs/test_run.py",
    "commands/test_faults.py",
)


def start_order(tests: Sequence[tuple[str, Sequence[str]]]) -> dict[str, int]:
    """Return the place of each file of `tests`, which are pairs of a file and the names of its fixtures.

    One file that needs `finished_home` is first: it builds the home, which takes a minute, while the other process runs
    files that do not need it. The other files that need it are last. In each of the two groups the LONGEST are first.
    """
    files = list(dict.fromkeys(file for file, _ in tests))
    at_home = {file for file, fixtures in tests if "finished_home" in fixtures}
    builder = min((file for file in files if file in at_home), key=_rank, default=None)
    ordered = sorted(files, key=lambda file: (file != builder, file in at_home, _rank(file)))
    return {file: place for place, file in enumerate(ordered)}


def _rank(file: str) -> int:
    path = Path(file).as_posix()
    return next((number for number, name in enumerate(LONGEST) if path.endswith(name)), len(LONGEST))
