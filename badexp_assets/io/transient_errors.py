"""Which errors are transient: a short failure of a file server, a network or a database, worth trying again."""

from __future__ import annotations

import errno
import socket
import sys
import urllib.error

from badexp_assets.errors import BadExpError, TransientError

_ERRNOS = {
    errno.EAGAIN,
    errno.EBUSY,
    errno.ECONNABORTED,
    errno.EHOSTDOWN,
    errno.EHOSTUNREACH,
    errno.EIO,
    errno.EMFILE,
    errno.ENETDOWN,
    errno.ENETRESET,
    errno.ENETUNREACH,
    errno.ENFILE,
    errno.ENOBUFS,
    errno.ENOMEM,
    errno.EREMOTEIO,
    errno.ESTALE,
    errno.ETIMEDOUT,
}
"""of an OSError; a missing file, a missing permission, a full or a read-only disk are for people to solve"""

_OF_LIBRARIES = {
    "sqlite3": ("OperationalError",),
    "sqlalchemy.exc": ("OperationalError", "InterfaceError"),
    "botocore.exceptions": ("HTTPClientError", "ConnectionError", "IncompleteReadError"),
    "botocore.parsers": ("ResponseParserError",),
    "aiohttp.client_exceptions": ("ClientConnectionError", "ClientPayloadError"),
}
"""class names by module; a module that nothing has imported is not imported here"""


def is_transient(error: BaseException) -> bool:
    """Whether trying again after `error` may help.

    A BadExpError, which a user must fix, is transient only when it was raised `from` a transient error.
    """
    while not _is_transient_itself(error):
        if not isinstance(error, BadExpError) or error.__cause__ is None:
            return False
        error = error.__cause__
    return True


def _is_transient_itself(error: BaseException) -> bool:
    if isinstance(error, TransientError):  # from another process it comes without its cause
        return True
    if isinstance(error, urllib.error.HTTPError):
        return error.code == 429 or error.code >= 500
    if isinstance(error, TimeoutError | ConnectionError | socket.gaierror):
        return True
    if isinstance(error, urllib.error.URLError):
        return isinstance(error.reason, OSError) and _is_transient_itself(error.reason)
    return (isinstance(error, OSError) and error.errno in _ERRNOS) or any(
        isinstance(error, getattr(sys.modules[module], name, ()))
        for module, names in _OF_LIBRARIES.items()
        if module in sys.modules
        for name in names
    )
