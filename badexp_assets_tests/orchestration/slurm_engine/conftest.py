"""One Slurm for the tests of a module."""

from collections.abc import Iterator

import pytest

from badexp_assets_tests.deployments.slurm import OneMachineSlurm, missing_programs


@pytest.fixture(scope="module")
def slurm() -> Iterator[OneMachineSlurm]:
    """A Slurm of two nodes and one licence `gpu`; its clients are pointed to it."""
    if missing_programs():
        pytest.skip(f"Slurm is not installed here: {', '.join(missing_programs())}")
    with OneMachineSlurm(nodes=2, gpus=1) as started, pytest.MonkeyPatch.context() as patch:
        for name, value in started.environment.items():
            patch.setenv(name, value)
        patch.setenv("TMPDIR", str(started.folder))  # where runs share squeue's answer; it goes with the folder
        yield started
