"""File systems of fsspec, opened by URL, and the requests to S3 for which fsspec has no general method."""

from __future__ import annotations

import contextlib
import os
import re
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from badexp_assets.errors import InputError
from badexp_assets.io.storage_errors import redact_credentials, s3_error_code, translate_errors
from badexp_assets.io.transient_errors import is_transient

ATOMIC = ("s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "adl", "memory")
"""protocols of object stores: an object is written whole or not at all, and one listing gives all below a prefix"""
_PLAIN = re.compile(r"(?P<root>(?P<protocol>[a-z][a-z0-9+.-]*)://[^/?#]*)/?(?P<path>[^?#]*)")
_ENVIRONMENT = ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
_PART = 16 * 2**20  # bytes of one part of a large object; two are in memory
_BODY_ATTEMPTS = 3  # attempts to read the body of a response
_STALE = 2 * 86400.0  # seconds; the same as for temporary files of `io.parquet`

# Names under which file systems give the version of a file's content, and the time of its last change.
_ETAGS = (
    "ETag", "etag", "generation", "md5Hash", "Content-MD5", "Digest", "CRC", "checksum", "sha", "hex", "Last-Modified",
)  # fmt: skip
_TIMES = ("LastModified", "last_modified", "mtime", "modified", "modificationTime", "updated", "created")

_systems: dict[tuple[Any, ...], tuple[Any, str]] = {}
_lock = threading.Lock()


class FileVersion(NamedTuple):
    """One version of a file: size in bytes (0: unknown), the server's name for the version ("": none), and the time of
    the last change in ns since 1970 (0: unknown).
    """

    size: int
    etag: str
    mtime_ns: int

    @property
    def is_known(self) -> bool:
        """Whether the file system gives anything that changes with the content."""
        return bool(self.etag or self.mtime_ns)


def open_file_system(address: str) -> tuple[Any, str]:
    """Return the fsspec file system of a URL, and the path of the URL in it.

    A process keeps one file system per server or bucket, without caching listings; it may be used from many threads.
    That of a chained URL (`zip::...`) or of one with a query is opened anew, so that a replaced archive is seen.
    """
    from fsspec.core import url_to_fs

    plain = _PLAIN.fullmatch(address) if "::" not in address else None
    if plain is None:
        return url_to_fs(address, skip_instance_cache=True)
    key = (plain["root"], os.getpid(), *map(os.environ.get, _ENVIRONMENT))
    with _lock:
        if key not in _systems:
            system, root = url_to_fs(plain["root"], use_listings_cache=False, skip_instance_cache=True)
            if is_s3(system):
                system.retries = 1  # botocore repeats requests (AWS_MAX_ATTEMPTS), and Dagster repeats the step
            _systems[key] = (system, root.rstrip("/"))
    system, root = _systems[key]
    return system, f"{root}/{plain['path']}" if plain["path"] else root


def check_protocol(address: str) -> None:
    """Raise InputError when fsspec does not know the protocol of a URL or a package for it is missing.

    No server is contacted.
    """
    with translate_errors(redact_credentials(address)):
        import fsspec
        from fsspec.utils import get_protocol

        for part in address.split("::"):
            fsspec.get_filesystem_class(part if "://" not in part and "/" not in part else get_protocol(part))


def has_protocol(system: Any, *protocols: str) -> bool:
    """Whether a file system of fsspec is of one of these protocols."""
    own = system.protocol
    return not set(protocols).isdisjoint((own,) if isinstance(own, str) else own)


def is_s3(system: Any) -> bool:
    """Whether a file system of fsspec is S3."""
    return has_protocol(system, "s3")


def to_version(info: dict[str, Any]) -> FileVersion:
    """Return the version of a file as a file system describes it."""
    etag = next((str(info[name]) for name in _ETAGS if info.get(name) is not None), "")
    time = next((info[name] for name in _TIMES if info.get(name)), None)
    return FileVersion(int(info.get("size") or 0), etag, _nanoseconds(time))


def walk(system: Any, top: str, folder: str, entries: list[dict[str, Any]]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield path below `top` and description of all files in the listing `entries` of `folder`, at any depth."""
    for info in entries:
        name = path_below(info["name"], top)
        if not path_below(info["name"], folder) or re.search(r"[?#]|::|(^|/)\.\.?(/|$)", name):
            continue  # the folder itself, or a link of a web page that leads out of it
        if info["type"] == "directory":
            yield from walk(system, top, info["name"], system.ls(info["name"], detail=True))
        else:
            yield name, info


def path_below(name: str, folder: str) -> str:
    """Return the path of a listed file relative to the folder; "" for the folder itself and for what is not in it."""
    name, folder = name.strip("/"), folder.strip("/")
    if folder and not name.startswith(f"{folder}/"):
        return ""
    return name[len(folder) :].strip("/")


def read_s3_range(system: Any, path: str, start: int, end: int, etag: str) -> bytes:
    """Return bytes `start` to `end` (exclusive) of an S3 object, by a request that fails unless its ETag is `etag`."""
    from fsspec.asyn import sync

    async def read(body: Any) -> bytes:
        async with body:
            return await body.read()

    bucket, key, _ = system.split_path(path)
    wanted = f"bytes={start}-{end - 1}"
    for attempt in range(_BODY_ATTEMPTS):  # botocore's own attempts end where the body begins
        try:
            response = system.call_s3("get_object", Bucket=bucket, Key=key, Range=wanted, IfMatch=etag)
            return sync(system.loop, read, response["Body"])
        except Exception as error:
            if attempt == _BODY_ATTEMPTS - 1 or isinstance(error, OSError) or not is_transient(error):
                raise
    raise AssertionError("not reached")


def is_other_version(error: BaseException) -> bool:
    """Whether S3 refused to read because the object no longer has the ETag that was asked for."""
    return s3_error_code(error) in ("PreconditionFailed", "412")


def put_s3_file(system: Any, local: Path, path: str) -> None:
    """Upload a local file to S3, a large one in parts; parts that killed writers of this object left are removed."""
    if local.stat().st_size >= 2 * _PART:
        with contextlib.suppress(PermissionError):  # without the permission, a rule of the bucket has to remove them
            _abort_stale_uploads(system, path)
    system.put_file(str(local), path, chunksize=_PART, max_concurrency=2)


def raise_without_bucket(where: object, error: BaseException) -> None:
    """Raise InputError when a file was not found because its bucket does not exist."""
    message = f"{error} {error.__cause__ or error.__context__ or ''}".lower()
    if "nosuchbucket" in message or "bucket does not exist" in message:
        raise InputError(f"{where}: no such bucket") from error


def _abort_stale_uploads(system: Any, path: str) -> None:
    """Abort the uploads of this object that began so long ago that no living writer can be at work on them."""
    bucket, key, _ = system.split_path(path)
    listed = system.call_s3("list_multipart_uploads", Bucket=bucket, Prefix=key)
    for upload in listed.get("Uploads", []):
        age = (datetime.now(UTC) - upload["Initiated"]).total_seconds()
        if upload["Key"] == key and age > _STALE:
            system.call_s3("abort_multipart_upload", Bucket=bucket, Key=key, UploadId=upload["UploadId"])


def _nanoseconds(time: Any) -> int:
    if isinstance(time, str):
        try:
            time = datetime.fromisoformat(time)
        except ValueError:
            return 0
    if isinstance(time, datetime):
        return round(time.replace(tzinfo=time.tzinfo or UTC).timestamp() * 1e6) * 1000
    return int(time * 1e9) if isinstance(time, int | float) else 0
