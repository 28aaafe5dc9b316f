"""Whether the Dagster UI of a home is running."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from http.client import HTTPException

DEFAULT = "http://127.0.0.1:3000"
"""address of `badexp ui`, unless [alerts] ui names another one"""
_TIMEOUT = 0.5  # seconds


def ui_version(address: str) -> str | None:
    """Return the version of the Dagster UI that answers at an address; None if none does."""
    try:
        with urllib.request.urlopen(f"{address.rstrip('/')}/server_info", timeout=_TIMEOUT) as answer:
            found = json.load(answer)
        return str(found["dagster_webserver_version"])
    except (OSError, HTTPException, ValueError, KeyError, TypeError):  # URLError is an OSError
        return None
