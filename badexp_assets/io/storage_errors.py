"""Errors of file servers, raised again as errors of badexp_assets that name the file, without passwords."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator

from badexp_assets.errors import BadExpError, InputError, StorageError, TransientError
from badexp_assets.io.transient_errors import is_transient

_NO_CREDENTIALS = ("NoCredentialsError", "PartialCredentialsError", "ProfileNotFound", "CredentialRetrievalError")


def redact_credentials(text: str) -> str:
    """Return text without the passwords of URLs in it, and without their queries, which may be signatures."""
    return re.sub(r"(https?://[^\s?]*)\?[^\s]*", r"\1", re.sub(r"(://[^/@:]*):[^/@]*@", r"\1@", text))


@contextlib.contextmanager
def translate_errors(file: object, writing: bool = False) -> Iterator[None]:
    """Raise every failure of the block again as one line that names `file`.

    TransientError when trying again may help, else StorageError when `writing` and InputError when reading.
    """
    try:
        yield
    except (BadExpError, MemoryError, AssertionError):
        raise
    except Exception as error:  # every file system has its own kinds
        action = "could not be written" if writing else "can't be read"
        consequence = "; what was there before is untouched" if writing else ""
        reason = redact_credentials(_reason(error))
        if is_transient(error):
            raise TransientError(f"{file}: {action} now ({reason}){consequence}") from error
        raise (StorageError if writing else InputError)(f"{file}: {action} ({reason}){consequence}") from error


def s3_error_code(error: BaseException) -> str:
    """Return the code of the S3 response that caused an error, such as `NoSuchBucket`; "" where there is none."""
    for cause in (error, error.__cause__):
        response = getattr(cause, "response", None)
        if isinstance(response, dict):
            return str(response.get("Error", {}).get("Code", ""))
    return ""


def _reason(error: Exception) -> str:
    kind = type(error).__name__
    text = error.strerror if type(error).__module__ == "builtins" and isinstance(error, OSError) else None
    message = " ".join(str(text or error).split())[:200]
    if isinstance(error, ImportError):
        return f"a package is missing: {message}; the extra `remote` of badexp_assets installs it"
    if kind in _NO_CREDENTIALS:
        return f"no credentials: {message}; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE"
    if s3_error_code(error) == "NoSuchBucket":
        return "no such bucket"
    if isinstance(error, FileNotFoundError):
        return "no such file or folder"
    if isinstance(error, PermissionError):
        return f"access denied: {message or 'no reason given'}"
    return message or kind
