"""One way to make a page: a template of this folder, the shared style, written atomically."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from functools import cache
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from badexp_assets.io.parquet import atomic_path

if TYPE_CHECKING:
    from jinja2 import Environment


def write_page(template: str, path: Path, values: Mapping[str, Any]) -> None:
    """Write the page that `template` (of this folder) makes of `values`; text in them is escaped.

    Every template has `style`, the CSS that all pages share. The file appears at `path` whole or not at all.
    """
    style = resources.files(__package__).joinpath("style.css").read_text(encoding="utf-8")
    page = _environment().get_template(template).stream({**values, "style": style})
    with atomic_path(path) as temporary, temporary.open("wb") as stream:
        page.dump(stream, encoding="utf-8")


def data_uri(picture: bytes | None) -> str | None:
    """Return a PNG or JPEG as an address that holds the picture itself; None where there is none."""
    if picture is None:
        return None
    kind = "jpeg" if picture[:2] == b"\xff\xd8" else "png"
    return f"data:image/{kind};base64,{base64.b64encode(picture).decode()}"


@cache
def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    return Environment(
        loader=PackageLoader("badexp_assets", "reports"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
