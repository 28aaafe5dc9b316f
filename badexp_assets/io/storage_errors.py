"""What servers of files answer, as errors of ours that name the URL: what may pass, and what people must act on."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from badexp_assets.errors import BadExpError, InputError, PassingError, StorageError
from badexp_assets.io.transient_errors import may_pass

if TYPE_CHECKING:
    from badexp_assets.io.place import Url

_NO_CREDENTIALS = ("NoCredentialsError", "PartialCredentialsError", "ProfileNotFound", "CredentialRetrievalError")
_OTHER_STATE = ("PreconditionFailed", "412")


@contextlib.contextmanager
def told(url: Url, writing: bool = False) -> Iterator[None]:
    """Raise every failure of the block again as one line: PassingError where it may pass, else InputError, or
    StorageError when `writing`.
    """
    try:
        yield
    except (BadExpError, MemoryError, AssertionError):
        raise
    except Exception as error:  # every file system has its own kinds
        what = "could not be written" if writing else "can't be read"
        after = "; what was there before is untouched" if writing else ""
        reason = _reason(error)
        if may_pass(error):
            raise PassingError(f"{url}: {what} now ({reason}){after}") from error
        raise (StorageError if writing else InputError)(f"{url}: {what} ({reason}){after}") from error


def is_another_state(error: BaseException) -> bool:
    """Whether a server refused to read because the file is not in the state that was asked for."""
    return _code(error) in _OTHER_STATE


def _reason(error: Exception) -> str:
    kind, said = type(error).__name__, " ".join(str(getattr(error, "strerror", None) or error).split())[:200]
    if isinstance(error, ImportError):
        return f"a package is missing: {said}; the extra `remote` of badexp_assets has it"
    if kind in _NO_CREDENTIALS:
        return f"no credentials: {said}; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE"
    if _code(error) == "NoSuchBucket":
        return "no such bucket"
    if isinstance(error, PermissionError):
        return f"access denied: {said or 'no reason given'}"
    return said or kind


def _code(error: BaseException) -> str:
    """The code in an answer of S3 that an error was made of; "" where there is none."""
    for cause in (error, error.__cause__):
        response = getattr(cause, "response", None)
        if isinstance(response, dict):
            return str(response.get("Error", {}).get("Code", ""))
    return ""
