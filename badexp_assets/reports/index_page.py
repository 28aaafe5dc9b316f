"""The list of all reports of a home with its key numbers, for homes without a server."""

from __future__ import annotations

import os
from pathlib import Path

from badexp_assets.config.home import Home
from badexp_assets.reports.page import write_page
from badexp_assets.review.home_overview import INDEX, summarise_home


def write_index_page(home: Home) -> Path:
    """Write `<home>/reports/index.html`, atomically, from what is stored now, and return its path.

    Raises StorageError if it cannot be written, and DamagedTableError if a table cannot be read.
    """
    found = summarise_home(home)
    files = [(path.name, Path(os.path.relpath(path, home.reports)).as_posix()) for path in found.reject_files]
    page = home.reports / INDEX
    write_page("index.html.j2", page, {"home": home.root.resolve().name, "found": found, "reject_files": files})
    return page
