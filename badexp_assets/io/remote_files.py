"""What is said to servers of files: questions about files and folders, reading ranges of one state, atomic writes."""

from __future__ import annotations

import contextlib
import os
import threading
from dataclasses import dataclass
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, NamedTuple

from badexp_assets.errors import ChangedFileError, InputError
from badexp_assets.io.place import Place, Url
from badexp_assets.io.storage_errors import is_another_state, told
from badexp_assets.io.transient_errors import may_pass

# A put of these appears whole or not at all.
ATOMIC = ("s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "adl", "memory")
_S3 = ("s3", "s3a")
_PART = 16 * 2**20  # bytes of one part of a large object; two are in memory
_BODIES = 3  # attempts to read what a server has begun to send
_STALE = 2 * 86400.0  # seconds; as of temporary files, see `tables.parquet`
_ASKED_BY = ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")

_systems: dict[tuple[Any, ...], Any] = {}
_lock = threading.Lock()


class Found(NamedTuple):
    """A state of a file: its size in bytes, what the server calls this state ("" if nothing), when it was written, ns
    since 1970 (0: not told).
    """

    size: int
    state: str
    mtime_ns: int


@dataclass(frozen=True)
class FoundBelow:
    """A file below a folder, by its path relative to it."""

    path: str
    found: Found


def stamp(place: Place) -> str | None:
    """Return text that changes when the file is written again; None where there is no file."""
    if isinstance(place, Url):
        found = look(place)
        return None if found is None else "|".join(map(str, found))
    try:
        return str(place.stat().st_mtime_ns)
    except FileNotFoundError:
        return None


def stamps(folder: Place, pattern: str) -> dict[Place, str]:
    """Return the `stamp` of every file in a folder whose name matches `pattern`; behind a URL by one listing."""
    if isinstance(folder, Url):
        below = (file for file in list_below(folder) if fnmatchcase(file.path, pattern))
        return {folder / file.path: "|".join(map(str, file.found)) for file in below}
    found = ((path, stamp(path)) for path in folder.glob(pattern))
    return {path: written for path, written in found if written is not None}


def look(url: Url) -> Found | None:
    """Return the state of a file as it is now; None where there is no file."""
    with told(url):
        try:
            info = _system(url).info(url.path)
            return None if info["type"] == "directory" else _found(info)
        except FileNotFoundError as error:
            _raise_without_bucket(url, error)
            return None


def pin(url: Url) -> Url:
    """Return the file in the state that it is in now, or that it is pinned to. Raises FileNotFoundError."""
    if url.pinned is not None:
        return url
    found = look(url)
    if found is None:
        raise FileNotFoundError(str(url))
    return url.with_state(found)


def as_it_is(place: Place) -> Place:
    """Return a file behind a URL in the state that it is in now; a path, and a file that is not there, as given."""
    if not isinstance(place, Url):
        return place
    try:
        return pin(place)
    except FileNotFoundError:
        return place


def is_folder(url: Url) -> bool:
    """Whether something lies below the URL."""
    with told(url):
        try:
            return bool(_system(url).ls(url.path, detail=False))
        except (FileNotFoundError, NotADirectoryError) as error:
            _raise_without_bucket(url, error)
            return False


def list_names(url: Url) -> tuple[list[str], list[str]]:
    """Return the names of the files in a folder, and of the folders in it, in order; none where there is no folder."""
    with told(url):
        try:
            entries = _system(url).ls(url.path, detail=True)
        except FileNotFoundError as error:
            _raise_without_bucket(url, error)
            return [], []
    names: tuple[list[str], list[str]] = [], []
    for entry in entries:
        name = _relative(entry["name"], url)
        if name:  # not the folder itself
            names[entry["type"] == "directory"].append(name)
    return sorted(names[0]), sorted(names[1])


def list_below(url: Url) -> list[FoundBelow]:
    """Return all files below a folder, by path; one request for a thousand on object stores."""
    with told(url):
        try:
            entries = _system(url).find(url.path, detail=True)
        except FileNotFoundError as error:
            _raise_without_bucket(url, error)
            return []
    found = (FoundBelow(_relative(entry["name"], url), _found(entry)) for entry in entries.values())
    return sorted((file for file in found if file.path), key=lambda file: file.path)


def read_range(url: Url, start: int, end: int) -> bytes:
    """Return bytes `start` to `end` (exclusive) of a pinned file.

    Raises ChangedFileError when the file is not in that state any more: bytes of two states never come together.
    """
    assert url.pinned is not None, "pin the file first"
    if end <= start:
        return b""
    with told(url):
        system = _system(url)
        try:
            if url.protocol in _S3:
                data = _read_s3(system, url, start, end)
            else:
                data = system.cat_file(url.path, start=start, end=end)
                if _found(system.info(url.path)) != url.pinned:
                    raise ChangedFileError(f"{url}: was written again while it was read")
        except FileNotFoundError as error:
            raise ChangedFileError(f"{url}: is gone since it was opened") from error
        except OSError as error:
            if is_another_state(error):
                raise ChangedFileError(f"{url}: was written again while it was read") from error
            raise
    if len(data) != end - start:
        raise ChangedFileError(f"{url}: {len(data)} bytes came where {end - start} were asked for")
    return data


def fetch(url: Url, path: Path) -> None:
    """Write a whole file, in one state, to `path`. Raises FileNotFoundError, and ChangedFileError."""
    pinned = pin(url)
    assert pinned.pinned is not None
    with path.open("wb") as file:
        for start in range(0, pinned.pinned.size, _PART):
            file.write(read_range(pinned, start, min(start + _PART, pinned.pinned.size)))


def put(url: Url, path: Path) -> None:
    """Write the file `path` to the URL: it appears there whole or not at all.

    Large ones go in parts, which are one object when all have come; parts that killed writers left are removed.
    """
    check_atomic(url)
    with told(url, writing=True):
        system = _system(url)
        if url.protocol not in _S3:
            system.put_file(str(path), url.path)
            return
        if path.stat().st_size >= 2 * _PART:
            with contextlib.suppress(PermissionError):  # a rule of the bucket may do it
                _abort_stale(system, url)
        system.put_file(str(path), url.path, chunksize=_PART, max_concurrency=2)


def check_atomic(url: Url) -> None:
    """Raise InputError for a protocol whose writes are not known to be atomic."""
    if url.protocol not in ATOMIC:
        raise InputError(f"{url}: {url.protocol}:// can't hold tables; allowed: {', '.join(ATOMIC)}, or a folder")


def _system(url: Url) -> Any:
    """The file system of fsspec, one for the process: it is made for many threads, and listings are never kept."""
    import fsspec

    key = (url.protocol, url.path.partition("/")[0], os.getpid(), *map(os.environ.get, _ASKED_BY))
    with _lock:
        if key not in _systems:
            system, _ = fsspec.core.url_to_fs(str(url), use_listings_cache=False, skip_instance_cache=True)
            if url.protocol in _S3:
                system.retries = 1  # botocore tries again already (AWS_MAX_ATTEMPTS), and so does the step
            _systems[key] = system
        return _systems[key]


def _read_s3(system: Any, url: Url, start: int, end: int) -> bytes:
    from fsspec.asyn import sync

    bucket, key, _ = system.split_path(url.path)
    assert url.pinned is not None
    given = {"Bucket": bucket, "Key": key, "Range": f"bytes={start}-{end - 1}", "IfMatch": url.pinned.state}

    async def get() -> bytes:
        response = await system._call_s3("get_object", **given)
        async with response["Body"] as body:
            return await body.read()

    for _ in range(_BODIES - 1):  # botocore's own attempts end where the body begins
        try:
            return sync(system.loop, get)
        except Exception as error:
            if not may_pass(error) or isinstance(error, OSError):
                raise
    return sync(system.loop, get)


def _abort_stale(system: Any, url: Url) -> None:
    """Remove the parts of uploads of this object that no living writer can have begun."""
    bucket, key, _ = system.split_path(url.path)
    listed = system.call_s3("list_multipart_uploads", Bucket=bucket, Prefix=key)
    for upload in listed.get("Uploads", []):
        age = (datetime.now(UTC) - upload["Initiated"]).total_seconds()
        if upload["Key"] == key and age > _STALE:
            system.call_s3("abort_multipart_upload", Bucket=bucket, Key=key, UploadId=upload["UploadId"])


def _found(info: dict[str, Any]) -> Found:
    state = next((str(info[name]) for name in ("ETag", "etag", "generation", "md5Hash") if info.get(name)), "")
    times = (info.get(name) for name in ("LastModified", "last_modified", "mtime", "updated", "created"))
    return Found(int(info.get("size") or 0), state, _nanoseconds(next((time for time in times if time), None)))


def _nanoseconds(time: Any) -> int:
    if isinstance(time, str):
        time = datetime.fromisoformat(time)
    if isinstance(time, datetime):
        return round(time.replace(tzinfo=time.tzinfo or UTC).timestamp() * 1e6) * 1000
    return int(time * 1e9) if isinstance(time, int | float) else 0


def _relative(name: str, url: Url) -> str:
    """Path of what a listing names, relative to the folder; "" for the folder itself."""
    return name.lstrip("/").rstrip("/").removeprefix(url.path.rstrip("/")).strip("/")


def _raise_without_bucket(url: Url, error: BaseException) -> None:
    """Nothing in a bucket and no bucket at all are two things: the latter is for people."""
    said = f"{error} {error.__cause__ or error.__context__ or ''}".lower()
    if "nosuchbucket" in said or "bucket does not exist" in said:
        raise InputError(f"{url}: no such bucket") from error
