"""Which errors may be gone when the same thing is tried again: a hiccup of a file server, a network or a database."""

from __future__ import annotations

import errno
import http.client
import socket
import sys
import urllib.error
from collections.abc import Iterator

from badexp_assets.errors import BadExpError, PassingError

_ERRNOS = {
    errno.EAGAIN,
    errno.EBUSY,
    errno.ECONNABORTED,
    errno.EHOSTDOWN,
    errno.EHOSTUNREACH,
    errno.EIO,
    errno.ENETDOWN,
    errno.ENETRESET,
    errno.ENETUNREACH,
    errno.ENFILE,
    errno.ENOBUFS,
    errno.EREMOTEIO,
    errno.ESTALE,
    errno.ETIMEDOUT,
}
"""of an OSError; no such file, no permission, a full disk or a read-only one are for people"""

_OF_LIBRARIES = {
    "sqlite3": ("OperationalError",),
    "sqlalchemy.exc": ("OperationalError", "InterfaceError"),
    "botocore.exceptions": ("HTTPClientError", "ConnectionError", "IncompleteReadError"),
    "botocore.parsers": ("ResponseParserError",),
    "aiohttp.client_exceptions": ("ClientConnectionError", "ClientPayloadError"),
}
"""by module, which is looked into only where something has imported it; a server that restarts, a locked SQLite file"""


def may_pass(error: BaseException) -> bool:
    """Whether to try again after `error`: whether it, or what it was made of, is a hiccup.

    An error that a user must fix (BadExpError) is one only when it was raised `from` a hiccup.
    """
    return any(_is_hiccup(cause) for cause in _chain(error))


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The error and what it was raised from; only a BadExpError is a wrapper that is looked through."""
    yield error
    while isinstance(error, BadExpError) and error.__cause__ is not None:
        error = error.__cause__
        yield error


def _is_hiccup(error: BaseException) -> bool:
    if isinstance(error, PassingError):  # whatever it was made of, which does not come along from another process
        return True
    if isinstance(error, urllib.error.HTTPError):
        return error.code == 429 or error.code >= 500
    if isinstance(error, TimeoutError | ConnectionError | socket.gaierror | http.client.RemoteDisconnected):
        return True
    if isinstance(error, urllib.error.URLError):
        return isinstance(error.reason, OSError) and _is_hiccup(error.reason)
    return (isinstance(error, OSError) and error.errno in _ERRNOS) or any(
        isinstance(error, getattr(sys.modules[module], name, ()))
        for module, names in _OF_LIBRARIES.items()
        if module in sys.modules
        for name in names
    )
