"""Order in which the files of tests are started, so that the processes end at about the same time."""

from collections.abc import Sequence
from pathlib import Path

# the slowest first; tests of one file run in one process
LONGEST = (
    "app/test_browser.py",
    "commands/test_killed_runs.py",
    "commands/test_faults.py",
    "benchmarks/test_measure.py",
    "slurm_engine/test_engine.py",
    "defs/test_unattended.py",
    "app/test_front_door.py",
    "commands/test_other_surveys.py",
    "defs/test_object_store.py",
    "deployments/test_services.py",
    "defs/test_ui.py",
    "app/test_browser_filters.py",
    "commands/test_presets.py",
    "defs/test_run.py",
    "pixels/test_multi_device.py",
    "app/test_browser_reranking.py",
    "app/test_compare.py",
    "pixels/test_resume.py",
    "pixels/test_remote_archive.py",
    "commands/test_demonstration.py",
    "commands/test_camera.py",
    "app/test_speed.py",
)


def start_order(tests: Sequence[tuple[str, Sequence[str]]]) -> dict[str, int]:
    """Return the place of each file of `tests`, which are pairs of a file and the names of its fixtures.

    One file that needs `finished_home` is first: it builds the home, which takes a minute, while other processes run
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
