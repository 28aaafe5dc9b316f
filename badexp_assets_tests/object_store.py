"""A server that speaks S3, on 127.0.0.1: moto behind a layer that counts what it sends, and can fail on request."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Any

from badexp_assets.io.place import Url

_numbers = count()
_ENVIRONMENT = {"AWS_MAX_ATTEMPTS": "2", "AWS_EC2_METADATA_DISABLED": "true"}
_KEY = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing", "AWS_DEFAULT_REGION": "us-east-1"}
_SLOW_DOWN = b'<?xml version="1.0"?><Error><Code>%s</Code><Message>Please reduce your request rate.</Message></Error>'


@dataclass(frozen=True)
class Request:
    """What was asked: method, path with query, bytes that were sent back."""

    method: str
    path: str
    sent: int


@dataclass
class ObjectStore:
    """Use as a context manager. `environment`: variables that make boto clients talk to it.

    requests: all that were answered. `fail`: called with (method, path) of a request; a status such as "503 SlowDown"
    is answered instead. `before`: called with (method, path) ahead of a request.
    """

    requests: list[Request] = field(default_factory=list)
    fail: Callable[[str, str], str | None] | None = None
    before: Callable[[str, str], None] | None = None

    def __enter__(self) -> ObjectStore:
        from moto.backends import get_backend
        from moto.server import DomainDispatcherApplication, create_backend_app
        from werkzeug.serving import make_server

        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        get_backend("s3").reset()
        self._app = DomainDispatcherApplication(create_backend_app)
        self._server = make_server("127.0.0.1", 0, self._answer, threaded=True)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def environment(self) -> dict[str, str]:
        return _KEY | _ENVIRONMENT | {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{self._server.server_port}"}

    def new_bucket(self) -> Url:
        """Make a bucket and return its URL."""
        name = f"bucket-{next(_numbers)}"
        self.client().create_bucket(Bucket=name)
        return Url(f"s3://{name}")

    def upload(self, folder: Path, url: Url) -> None:
        """Put all files below a folder below a URL."""
        bucket, _, top = url.path.partition("/")
        client = self.client()
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                client.upload_file(str(path), bucket, f"{top}/{path.relative_to(folder)}".lstrip("/"))

    def client(self) -> Any:
        """A boto client of the server, beside ours."""
        import boto3

        keys = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing", "region_name": "us-east-1"}
        return boto3.client("s3", endpoint_url=self.environment["AWS_ENDPOINT_URL"], **keys)

    def count(self, method: str = "", part: str = "") -> tuple[int, int]:
        """Number and bytes of the requests of a method whose path has `part` in it."""
        chosen = [r for r in self.requests if r.method.startswith(method) and part in r.path]
        return len(chosen), sum(r.sent for r in chosen)

    def _answer(self, environ: dict[str, Any], start: Callable) -> Iterable[bytes]:
        method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
        if environ.get("QUERY_STRING"):
            path += f"?{environ['QUERY_STRING']}"
        if self.before is not None:
            self.before(method, path)
        status = self.fail(method, path) if self.fail is not None else None
        if status:
            environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
            body = b"" if method == "HEAD" else _SLOW_DOWN % status.partition(" ")[2].encode()
            start(status, [("Content-Type", "application/xml"), ("Content-Length", str(len(body)))])
            self.requests.append(Request(method, path, len(body)))
            return [body]
        body = b"".join(self._app(environ, start))
        self.requests.append(Request(method, path, len(body)))
        return [body]
