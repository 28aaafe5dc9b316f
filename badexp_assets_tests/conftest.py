"""Fixtures for all rooms."""

import os
from pathlib import Path

import pytest

_REPOSITORY = Path(__file__).parents[1]


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real label files, image cutouts and tables; tests that need them skip where they are absent."""
    folder = Path(os.environ.get("BADEXP_SHARED_DATA", _REPOSITORY.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"real survey data are not at {folder} (set BADEXP_SHARED_DATA)")
    return folder


@pytest.fixture(autouse=True)
def _no_survey_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """A test must not see the survey that the developer's shell points to."""
    for name in ("BADEXP_HOME", "BADEXP_ARCHIVE", "BADEXP_LABELS", "BADEXP_BACKBONE", "BADEXP_CAMERA", "DAGSTER_HOME"):
        monkeypatch.delenv(name, raising=False)
