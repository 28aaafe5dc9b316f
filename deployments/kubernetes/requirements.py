"""Print what a pyproject.toml requires, with extras: a layer of dependencies that changes of the code leave alone.

python requirements.py PYPROJECT EXTRA...
"""

import sys
import tomllib
from pathlib import Path


def requirements(pyproject: Path, extras: list[str]) -> list[str]:
    """Return the requirements of the project and of its `extras`."""
    project = tomllib.loads(pyproject.read_text(encoding="utf-8"))["project"]
    return project["dependencies"] + [line for name in extras for line in project["optional-dependencies"][name]]


if __name__ == "__main__":
    print("\n".join(requirements(Path(sys.argv[1]), sys.argv[2:])))
