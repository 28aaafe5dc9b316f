"""Files of the archive, and nothing else: what a table says about a path is not trusted."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from badexp_assets.errors import UnreadableImageError
from badexp_assets.io.place import Place, Url


def inside_archive(archive: Place | None, relative: str) -> Place:
    """Return the file `relative` of the archive with all links followed; behind a URL, in its present state.

    Raises UnreadableImageError when there is no archive or no such file, or when it lies outside of the archive, be it
    by `..`, an absolute path or a link.
    """
    if archive is None:
        raise UnreadableImageError(
            f"{relative}: this home knows no archive; start with --archive, or set BADEXP_ARCHIVE"
        )
    return _below_url(archive, relative) if isinstance(archive, Url) else _below_folder(archive, relative)


def _below_folder(archive: Path, relative: str) -> Path:
    root = archive.resolve()
    try:
        path = (root / relative).resolve(strict=True)
    except (OSError, RuntimeError, ValueError) as error:  # a circle of links, a null byte
        raise UnreadableImageError(f"{relative}: not in the archive") from error
    if not path.is_relative_to(root) or not path.is_file():
        raise UnreadableImageError(f"{relative}: not a file inside the archive; it is not read")
    return path


def _below_url(archive: Url, relative: str) -> Url:
    parts = PurePosixPath(relative).parts
    if not parts or relative.startswith("/") or ".." in parts or "::" in relative or not relative.isprintable():
        raise UnreadableImageError(f"{relative}: not a file inside the archive; it is not read")
    try:
        return (archive / relative).pin_version()
    except FileNotFoundError as error:
        raise UnreadableImageError(f"{relative}: not in the archive") from error
