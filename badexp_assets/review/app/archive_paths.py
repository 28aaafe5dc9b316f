"""Files of the archive, and nothing else: what a table says about a path is not trusted."""

from __future__ import annotations

from pathlib import Path

from badexp_assets.errors import UnreadableImageError


def inside_archive(archive: Path | None, relative: str) -> Path:
    """Return the file `relative` of the archive with all links followed.

    Raises UnreadableImageError when there is no archive or no such file, or when it lies outside of the archive, be it
    by `..`, an absolute path or a link.
    """
    if archive is None:
        raise UnreadableImageError(
            f"{relative}: this home knows no archive; start with --archive, or set BADEXP_ARCHIVE"
        )
    root = archive.resolve()
    try:
        path = (root / relative).resolve(strict=True)
    except (OSError, RuntimeError, ValueError) as error:  # a circle of links, a null byte
        raise UnreadableImageError(f"{relative}: not in the archive") from error
    if not path.is_relative_to(root) or not path.is_file():
        raise UnreadableImageError(f"{relative}: not a file inside the archive; it is not read")
    return path
