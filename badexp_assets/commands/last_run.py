"""What the last run of a home was made from and said: while nothing has changed since, a run has nothing to do."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

import badexp_assets
from badexp_assets.config.home import Home
from badexp_assets.config.settings import Settings
from badexp_assets.errors import BadExpError
from badexp_assets.io.parquet import atomic_path
from badexp_assets.io.place import Place, Url
from badexp_assets.io.schemas import SCHEMAS


@dataclass(frozen=True)
class LastRun:
    """A run that did all it could: hashes of its `inputs` and of what was `stored` at its end, and what it printed."""

    inputs: str
    stored: str
    ended: str
    lines: list[str]


def hash_inputs(settings: Settings, nights: str | None) -> str | None:
    """Return a hash of all that a run over `nights` (as given by the user) depends on, from names, sizes and times.

    That is the archive, label files, answers of reviewers, weights, settings, the files and folders that settings name,
    and the code. None if one of them can't be read: the run will say which.
    """
    from badexp_assets.labels.label_files import find_label_files
    from badexp_assets.review.store import VerdictStore
    from badexp_assets.survey.file_account import archive_stamps

    try:
        files = find_label_files(settings.labels, settings.home.labels)
        return _hash(
            [repr(settings), str(nights), str(VerdictStore(settings.verdicts).state())],
            archive_stamps(settings.archive_folder()),
            (f"{name}|{_file_stamp(path)}" for path, name in sorted(files.names.items())),
            _named_stamps(settings),
            _stamps(settings.home.weights),
            _stamps(Path(badexp_assets.__file__).parent),
        )
    except (BadExpError, OSError):
        return None


def hash_stored(home: Home) -> str:
    """Return a hash of the tables, models, reports and exported files of `home`, and of the nights that Dagster knows.

    Journals of nights that were cut off, and temporary files, count too.
    """
    import dagster as dg

    from badexp_assets.orchestration.failures import one_line_errors

    folders = (home.tables, home.root / "journals", home.models, home.reports, home.export)
    with one_line_errors(home), dg.DagsterInstance.from_config(str(home.dagster)) as instance:
        nightly = [dg.AssetKey(name) for name in sorted(SCHEMAS) if name.startswith("night_")]
        known = [f"{key}|{len(instance.get_materialized_partitions(key))}" for key in nightly]
    return _hash(known, *map(_stamps, folders))


def find_unchanged(home: Home, inputs: str | None) -> LastRun | None:
    """Return the last run if it had these `inputs` and what it stored is still there."""
    try:
        last = LastRun(**json.loads(_file(home).read_text(encoding="utf-8")))
        return last if last.inputs == inputs and last.stored == hash_stored(home) else None
    except (OSError, ValueError, TypeError):  # missing or damaged: the run will do it again
        return None


def record_run(home: Home, inputs: str, lines: Sequence[str]) -> None:
    """Store that a run with these `inputs` has ended and what it printed; it must have left nothing to try again."""
    _write(home, LastRun(inputs, hash_stored(home), f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC", list(lines)))


def _write(home: Home, last: LastRun) -> None:
    with atomic_path(_file(home)) as path:
        path.write_text(json.dumps(asdict(last), indent=1) + "\n", encoding="utf-8")


def _file(home: Home) -> Path:
    return home.dagster / "last_run.json"


def _named_stamps(settings: Settings) -> Iterator[str]:
    """Yield a text for every file that the settings name, and for every file in a folder that they name.

    Each text of each section may be a path, so that no option has to be listed here. Sections on which no result
    depends are left out: an argument of the alert command may be the name of the home, which every run changes. So is
    the store of answers, whose state is hashed.
    """
    sections = settings.options.model_dump(exclude={"alerts": True, "slurm": True, "review": {"store"}}).values()
    values = [value for section in sections for value in section.values()]
    texts = [text for value in values for text in (value if isinstance(value, tuple) else [value])]
    for named in (settings.camera, settings.taxonomy, *texts):
        if isinstance(named, str | Path) and os.path.exists(named):
            below = sorted(os.listdir(named)) if os.path.isdir(named) else []
            yield from (f"{path}|{_file_stamp(path)}" for path in (named, *(os.path.join(named, n) for n in below)))


def _stamps(folder: Place) -> Iterator[str]:
    """Yield a text for every file below `folder`, which changes when the file is written again; by path.

    Links are followed; what is below a folder is listed once.
    """
    if isinstance(folder, Url):
        yield from sorted(f"{file.path}|{file.version}" for file in folder.list_below())
        return
    seen: set[str] = set()
    for place, below, names in os.walk(folder, followlinks=True):
        real = os.path.realpath(place)
        below[:] = [] if real in seen else sorted(set(below) - {"__pycache__"})
        seen.add(real)
        yield place
        yield from (f"{name}|{_file_stamp(os.path.join(place, name))}" for name in sorted(names))


def _file_stamp(path: str | Path) -> str:
    try:
        found = os.stat(path)
    except FileNotFoundError:  # removed since it was listed
        return "gone"
    return f"{found.st_size}|{found.st_mtime_ns}"


def _hash(*parts: Iterable[str]) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for part in parts:
        for text in part:
            digest.update(text.encode(errors="surrogateescape") + b"\n")
        digest.update(b"\0")
    return digest.hexdigest()
