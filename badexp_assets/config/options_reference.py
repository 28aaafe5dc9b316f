"""Prints the tables of all options for docs/configuration.md: `python -m badexp_assets.config.options_reference`."""

from __future__ import annotations

import inspect
from typing import Any

import tomlkit

from badexp_assets.config.options import Options
from badexp_assets.config.section import allowed, option_schemas


def options_reference() -> str:
    """Return a Markdown table per section of `settings.toml`: option, default, allowed values, meaning."""
    lines = []
    for name, field in Options.model_fields.items():
        kind: Any = field.annotation
        lines += [f"### [{name}]", "", inspect.getdoc(kind) or "", ""]
        lines += ["| option | default | allowed | meaning |", "|---|---|---|---|"]
        for option, schema in option_schemas(kind).items():
            default = schema.get("default")
            shown = "" if default is None else f"`{tomlkit.item(default).as_string()}`"
            meaning = " ".join(schema["description"].split())
            lines.append(f"| `{option}` | {shown} | {allowed(schema)} | {meaning} |")
        lines.append("")
    return "\n".join(lines)


if __name__ == "__main__":
    print(options_reference(), end="")
