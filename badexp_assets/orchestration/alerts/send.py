"""Sends an alert in bounded time; failures are returned as sentences without the URL, which may be secret."""

from __future__ import annotations

import http.client
import json
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from badexp_assets.config.operation_options import AlertParams
from badexp_assets.orchestration.alerts.messages import Alert

_PAUSE = 1.0  # seconds before the second attempt, doubled before each further one


def send(alert: Alert, params: AlertParams, sleep: Callable[[float], None] = time.sleep) -> list[str]:
    """Send `alert` to the URL and the command of `params`; return one sentence per destination that failed.

    Each destination takes at most `attempts` times `timeout`, plus the pauses. An HTTP status 4xx other than 429 is not
    retried, and redirects are not followed.
    """
    problems = []
    address = params.address()
    if params.url_env and not address:
        problems.append(f"alert not sent: the environment variable {params.url_env} ([alerts] url_env) is not set")
    if address:
        problems += _send_with_retries(lambda: _post(address, alert, params.timeout), _host(address), params, sleep)
    if params.command:
        problems += _send_with_retries(lambda: _run_command(alert, params), params.command[0], params, sleep)
    return problems


class _SendError(Exception):
    """The alert could not be sent."""


class _RejectedError(_SendError):
    """The alert could not be sent, and another attempt would not help."""


def _send_with_retries(
    attempt: Callable[[], None], destination: str, params: AlertParams, sleep: Callable[[float], None]
) -> list[str]:
    problem = ""
    for number in range(params.attempts):
        if number:
            sleep(_PAUSE * 2 ** (number - 1))
        try:
            attempt()
            return []
        except _RejectedError as error:
            return [f"alert not sent to {destination}: {error}"]
        except _SendError as error:
            problem = str(error)
    return [f"alert not sent to {destination} in {params.attempts} attempt(s): {problem}"]


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        """Follow no redirect: the message is meant for the configured address only."""


def _post(address: str, alert: Alert, timeout: float) -> None:
    body = json.dumps(alert.payload()).encode()
    try:
        request = urllib.request.Request(address, body, {"content-type": "application/json"})
        with urllib.request.build_opener(_NoRedirect).open(request, timeout=timeout) as answer:
            answer.read(1)
    except urllib.error.HTTPError as error:
        kind = _SendError if error.code >= 500 or error.code == 429 else _RejectedError
        raise kind(f"the server answers {error.code}") from None  # the original error contains the URL
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", error)
        raise _SendError(type(reason).__name__ if isinstance(reason, Exception) else "no connection") from None
    except ValueError:
        raise _RejectedError("its address is not an http:// or https:// URL") from None


def _run_command(alert: Alert, params: AlertParams) -> None:
    try:
        done = subprocess.run(
            params.command,
            input=alert.text + "\n",
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            timeout=params.timeout,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise _SendError(f"it took more than {params.timeout:g} s") from None
    except OSError as error:
        raise _RejectedError(error.strerror or type(error).__name__) from None
    if done.returncode:
        last = done.stderr.strip().splitlines()[-1:] or ["no message"]
        raise _SendError(f"exit code {done.returncode}, {last[0][:200]}")


def _host(address: str) -> str:
    """Return the host name, the part of a URL that is not secret."""
    try:
        return urlsplit(address).hostname or "the server"
    except ValueError:
        return "the server"
