"""Presets: the options of a published method. Each is a TOML file in `preset_files`, in the form of `settings.toml`."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib import resources
from pathlib import Path
from typing import Any

from badexp_assets.config.options import Options, as_section
from badexp_assets.config.settings import ENVIRONMENT, Settings
from badexp_assets.errors import InputError

Sections = dict[str, dict[str, Any]]


@dataclass(frozen=True)
class Preset:
    """Options of a published method. `values`: those outside of sections; `sections`: as in `settings.toml`."""

    name: str
    values: Mapping[str, str] = field(default_factory=dict)
    sections: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @property
    def options(self) -> Options:
        """Options of all sections; those that the preset does not name have their defaults."""
        return Options.read(self.sections, Path(self.name))

    @property
    def assignments(self) -> Iterator[tuple[str, str, Any]]:
        """Section, option and value, one after the other."""
        return ((section, name, value) for section, some in self.sections.items() for name, value in some.items())


def preset_names() -> list[str]:
    """Return the names of all presets, sorted."""
    return sorted(file.name.removesuffix(".toml") for file in _folder().iterdir() if file.name.endswith(".toml"))


def load_preset(name: str) -> Preset:
    """Return the preset `name`. Raises InputError, which lists the names, if there is none."""
    if name not in preset_names():
        raise InputError(f"preset {name!r} is not known; known: {', '.join(preset_names())}")
    found = tomllib.loads(_folder().joinpath(f"{name}.toml").read_text(encoding="utf-8"))
    sections = {key: value for key, value in found.items() if isinstance(value, dict)}
    return Preset(name, {key: value for key, value in found.items() if key not in sections}, sections)


def read_assignments(texts: Sequence[str]) -> Preset:
    """Read options from the command line, such as `night_pass.rows=96`. A value is TOML, or else a text as it is.

    Raises InputError for a text without `=` or an unknown section. Options are checked with all others, later.
    """
    sections: Sections = {}
    for text in texts:
        name, equals, value = text.partition("=")
        section, dot, option = (part.strip() for part in name.partition("."))
        if not (equals and dot and option) or section not in Options.model_fields:
            raise InputError(
                f"--set {text}: SECTION.OPTION=VALUE is needed, with one of the sections "
                f"{', '.join(Options.model_fields)}"
            )
        try:
            read = tomllib.loads(f"value = {value.strip()}")["value"]
        except tomllib.TOMLDecodeError:
            read = value.strip()
        sections.setdefault(section, {})[option] = read
    return Preset("--set", {}, sections)


def apply_presets(
    settings: Settings, presets: Sequence[Preset], assigned: Preset, given: Mapping[str, Any]
) -> tuple[Settings, list[str]]:
    """Return `settings` with the options of the presets, and lines on every value that differs from a preset.

    Values that are `given` and options that are `assigned` on the command line take precedence over the presets, and
    these over the environment and the home's file; a line names each value that gives way. Raises InputError if two
    presets have different values of an option that is not assigned, or the home's file has another value
    where a section is needed.
    """
    lines: list[str] = []
    file = settings.home.settings_file
    sections: Sections = {name: dict(as_section(name, found, file)) for name, found in settings.sections.items()}
    values: dict[str, Any] = {}
    earlier: dict[tuple[str, str], tuple[Any, str]] = {}
    known = file.exists()
    for preset in presets:
        for name, value in preset.values.items():
            found = getattr(settings, name)
            if given.get(name):
                lines += [] if found == value else [f"{preset.name}: {name} = {value!r} gives way to --{name} {found}"]
                continue
            if found != value and (known or os.environ.get(ENVIRONMENT[name])):
                lines.append(f"{preset.name}: {name} = {value!r} replaces {found!r}")
            values[name] = value
        for section, option, value in preset.assignments:
            place = f"[{section}] {option}"
            if option in assigned.sections.get(section, {}):
                other = assigned.sections[section][option]
                lines += [] if other == value else [f"{preset.name}: {place} = {_toml(value)} gives way to --set"]
                continue
            of_other, name = earlier.setdefault((section, option), (value, preset.name))
            if of_other != value:
                raise InputError(
                    f"--preset: {place} is {_toml(of_other)} in {name} and {_toml(value)} in {preset.name}; choose "
                    f"with --set {section}.{option}=VALUE"
                )
            mine = sections.setdefault(section, {})
            if option in mine and mine[option] != value:
                lines.append(f"{preset.name}: {place} = {_toml(value)} replaces {_toml(mine[option])}")
            mine[option] = value
    for section, option, value in assigned.assignments:
        sections.setdefault(section, {})[option] = value
    return replace(settings, **values, sections=sections), lines


def _toml(value: Any) -> str:
    import tomlkit

    return tomlkit.item(value).as_string()


def _folder() -> Any:
    return resources.files(__package__).joinpath("preset_files")
