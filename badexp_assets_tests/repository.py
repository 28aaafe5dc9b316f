"""Where the repository of these tests is."""

from pathlib import Path

REPOSITORY = Path(__file__).parents[1]
