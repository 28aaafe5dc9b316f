"""Homes and their tables, wherever these lie: copied, damaged, removed."""

import contextlib
import shutil
import sqlite3
import tempfile
from pathlib import Path

from badexp_assets.config.home import Home
from badexp_assets.io.place import Place, Url

QUICK_OPTIONS = """
[night_pass]
rows = 64  # of the size of a mosaic, so that the network is compiled once
columns = 64
n_draw = 4
focal_plane_size = 160  # whose network takes a tenth of the time

[entropy]
gradient_points = 500

[autoencoder]
epochs = 3

[classifier]
candidates = ["discriminant", "logistic"]
n_components = [24]

[report]
draws = 40
night_folds = 2

[clusters]
n_images = 150
n_images_3d = 50
"""


# for homes whose classifier no test looks at closely: one head, and no fits without some of the nights
FEWER_FITS = QUICK_OPTIONS.replace('["discriminant", "logistic"]', '["discriminant"]').replace(
    "night_folds = 2", "night_folds = 0"
)


def copy_home(home: Home, root: Path) -> Home:
    """Copy a home with its tables to `root`, where each has its usual place; other processes may read it meanwhile."""
    # they come and go with the connections of others
    beside_databases = shutil.ignore_patterns("*-wal", "*-shm", "*-journal")
    shutil.copytree(home.root, root, ignore=beside_databases, copy_function=_copy)
    again = Home(root)
    if isinstance(home.tables, Url):
        for file in home.tables.list_below():
            write_bytes(again.tables / file.path, read_bytes(home.tables / file.path))
    return again


def _copy(file: str, to: str) -> None:
    if not file.endswith(".db"):
        shutil.copy2(file, to)
        return
    with contextlib.closing(sqlite3.connect(file)) as database, contextlib.closing(sqlite3.connect(to)) as copy:
        copy.execute("PRAGMA synchronous = OFF")
        database.backup(copy)  # with what is still beside the file


def read_bytes(place: Place) -> bytes:
    """The content of a file."""
    if not isinstance(place, Url):
        return place.read_bytes()
    with tempfile.TemporaryDirectory() as folder:
        place.fetch(Path(folder) / "file")
        return (Path(folder) / "file").read_bytes()


def write_bytes(place: Place, content: bytes) -> None:
    """Give a file other content."""
    if not isinstance(place, Url):
        place.write_bytes(content)
        return
    with tempfile.NamedTemporaryFile() as file:
        file.write(content)
        file.flush()
        place.put(Path(file.name))


def remove(place: Place) -> None:
    """Remove a file."""
    if isinstance(place, Url):
        place.remove()
    else:
        place.unlink()
