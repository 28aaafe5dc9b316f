"""Headers of files behind URLs that were walked on this machine, so that no process walks them again.

They lie compressed in the folder of temporary files (TMPDIR), by URL and state: some 100 KB for a file of 60 CCDs. What
is missing or damaged there, or is another user's, is fetched again.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
import zlib
from itertools import count
from pathlib import Path

from badexp_assets.errors import StorageError
from badexp_assets.io.parquet import atomic_path
from badexp_assets.io.place import Url
from badexp_assets.survey.fits_validation import Hdu

KEPT = 4096
"""files whose headers are kept"""
_EVERY = 256  # files after which the oldest are looked for
_VERSION = "1"
_kept = count()


def kept_headers(url: Url) -> list[Hdu] | None:
    """Return what `keep_headers` kept for this state of a file; None where there is nothing."""
    try:
        place = _place(url)
        if place.parent.stat().st_uid != os.getuid():
            return None
        stored = zlib.decompress(place.read_bytes())
        spans, _, headers = stored.partition(b"\n")
        found, done = [], 0
        for start, data, end in json.loads(spans):
            found.append(Hdu(start, data, end, headers[done : done + data - start]))
            done += data - start
        return found if done == len(headers) else None
    except (OSError, zlib.error, ValueError):
        return None


def keep_headers(url: Url, hdus: list[Hdu]) -> None:
    """Keep the headers of a pinned file; where the folder can't be written, go without."""
    spans = json.dumps([(hdu.start, hdu.data, hdu.end) for hdu in hdus])
    text = spans.encode() + b"\n" + b"".join(hdu.header for hdu in hdus)
    place = _place(url)
    with contextlib.suppress(OSError, StorageError):
        place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if place.parent.stat().st_uid != os.getuid():
            return
        with atomic_path(place) as path:
            path.write_bytes(zlib.compress(text, 1))
        if next(_kept) % _EVERY == 0:
            _remove_oldest(place.parent)


def _place(url: Url) -> Path:
    name = hashlib.blake2b(
        "|".join(map(str, (_VERSION, url, *(url.pinned or ())))).encode(), digest_size=16
    ).hexdigest()
    return Path(tempfile.gettempdir()) / f"badexp-headers-{os.getuid()}" / f"{name}.z"


def _remove_oldest(folder: Path) -> None:
    written: list[tuple[float, Path]] = []
    for path in folder.glob("*.z"):
        with contextlib.suppress(FileNotFoundError):
            written.append((path.stat().st_mtime, path))
    for _, path in sorted(written)[:-KEPT]:
        path.unlink(missing_ok=True)
