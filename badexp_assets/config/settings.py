"""Settings that a run works with: command line, then environment, then `settings.toml` of the home, then defaults.

Nothing is read at import.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from badexp_assets.config.home import Home
from badexp_assets.config.options import Options, read_section
from badexp_assets.config.settings_file import read_settings_file, update_settings_file
from badexp_assets.errors import InputError
from badexp_assets.io.place import Place, as_place, is_url, normalize_source

ENVIRONMENT = {
    "archive": "BADEXP_ARCHIVE",
    "labels": "BADEXP_LABELS",
    "backbone": "BADEXP_BACKBONE",
    "camera": "BADEXP_CAMERA",
    "taxonomy": "BADEXP_TAXONOMY",
    "tables": "BADEXP_TABLES",
}
VERDICTS = "BADEXP_VERDICTS"  # not in ENVIRONMENT, whose values are written into the home: a URL may hold a password
DEFAULT_HOME = "var"
DEFAULT_BACKBONE = "efficientnet_lite0"
DEFAULT_CAMERA = "decam"


@dataclass(frozen=True)
class Settings:
    """Where things are and which options hold.

    labels: sources of label files (absolute paths of files or folders, URLs). taxonomy: the users' own taxonomy file.
    sections: sections of `settings.toml` as written there; `options` are the same, checked and with defaults.
    """

    home: Home
    archive: Place | None
    labels: tuple[str, ...] = ()
    backbone: str = DEFAULT_BACKBONE
    camera: str = DEFAULT_CAMERA
    taxonomy: Path | None = None
    sections: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @cached_property
    def options(self) -> Options:
        """Options of all sections. Raises InputError for an option that is unknown or has a value out of range."""
        return Options.read(self.sections, self.home.settings_file)

    def section(self, name: str) -> Any:
        """Return the options of one section. Raises InputError if it is wrong; other sections are not checked."""
        return read_section(name, self.sections.get(name, {}), self.home.settings_file)

    @property
    def tables(self) -> Place | None:
        """Where the tables are, if not in the home."""
        return None if self.home == Home(self.home.root) else self.home.tables

    @property
    def verdicts(self) -> str:
        """Where answers are stored: BADEXP_VERDICTS, then `store` of [review], then the SQLite file of the home."""
        return os.environ.get(VERDICTS) or self.section("review").store or str(self.home.verdicts)

    def archive_folder(self) -> Place:
        """Return the root of the archive. Raises InputError where none is given."""
        if self.archive is None:
            raise InputError("no archive given: set BADEXP_ARCHIVE or --archive to the root of the CP image tree")
        return self.archive


def load_settings(
    home: str | Path | None = None,
    *,
    labels: str | Path | Sequence[str | Path] | None = None,
    **given: str | Path | None,
) -> Settings:
    """Return the settings: values given here (archive, tables, labels, backbone, camera, taxonomy) take precedence over
    those of the environment, and these over those of the home's file.

    `labels` is one source or several; the environment's BADEXP_LABELS separates several by commas, because paths can
    contain blanks, and URLs colons. Raises InputError for a settings file that is not TOML or has unknown names.
    """
    if is_url(str(home or os.environ.get("BADEXP_HOME") or "")):
        raise InputError("home: a folder is needed; tables alone can lie behind a URL (--tables, BADEXP_TABLES)")
    root = Path(home or os.environ.get("BADEXP_HOME") or DEFAULT_HOME).expanduser().absolute()
    if match := re.search(r"\?|%[0-9A-Fa-f]{2}", str(root)):
        raise InputError(
            f"home {root}: {match[0]!r} is not allowed in the path, since databases are opened by URLs, where it has a "
            "meaning of its own"
        )
    file = Home(root).settings_file
    stored = read_settings_file(file, tuple(ENVIRONMENT))
    value: dict[str, Any] = {}
    for name, variable in ENVIRONMENT.items():
        if name != "labels" and not isinstance(stored.get(name, ""), str):
            raise InputError(f"{file}: {name} is {stored[name]!r}; a text is needed")
        value[name] = given.get(name) or os.environ.get(variable) or stored.get(name)
    if not labels:
        given_sources = os.environ.get(ENVIRONMENT["labels"], "").split(",")
        named = [source.strip() for source in given_sources if source.strip()]
        labels = named or _stored_sources(stored.get("labels", ()), file)
    several = [labels] if isinstance(labels, str | Path) else labels
    return Settings(
        home=Home(root, as_place(value["tables"])) if value["tables"] else Home(root),
        archive=as_place(value["archive"]) if value["archive"] else None,
        labels=tuple(dict.fromkeys(normalize_source(source) for source in several)),
        backbone=str(value["backbone"] or DEFAULT_BACKBONE),
        camera=_camera(str(value["camera"] or DEFAULT_CAMERA)),
        taxonomy=Path(value["taxonomy"]).expanduser().absolute() if value["taxonomy"] else None,
        sections={name: stored[name] for name in stored if name not in ENVIRONMENT},
    )


def environment_values(settings: Settings) -> dict[str, str | None]:
    """Return the variables of ENVIRONMENT with which `load_settings` finds these settings again; None: not set.

    A list of sources with a comma in one of them, or a blank at its end, can't be given by BADEXP_LABELS, only by the
    home's file.
    """
    values = _texts(settings)
    values["tables"] = str(settings.home.tables)
    apart = any("," in source or source != source.strip() for source in settings.labels)
    values["labels"] = None if apart else ",".join(settings.labels) or None
    return {variable: values[name] for name, variable in ENVIRONMENT.items()}


def save_settings(settings: Settings) -> None:
    """Store the settings in `settings.toml` of the home, so that the UI runs with those of the command line.

    Only values that differ from the stored ones are changed. Check the settings before.
    """
    values = _texts(settings) | {"labels": list(settings.labels) or None}
    update_settings_file(settings.home.settings_file, values, settings.sections)


def _texts(settings: Settings) -> dict[str, str | None]:
    return {name: str(value) if (value := getattr(settings, name)) else None for name in ENVIRONMENT}


def _camera(named: str) -> str:
    """Return the name of a camera, or the absolute path of its file."""
    return str(Path(named).expanduser().absolute()) if named.endswith(".toml") else named


def _stored_sources(found: Any, file: Path) -> str | list[str]:
    if isinstance(found, str) or (isinstance(found, list | tuple) and all(isinstance(s, str) and s for s in found)):
        return found if isinstance(found, str) else list(found)
    raise InputError(f"{file}: labels is {found!r}; a path or URL, or a list of them, is needed")
