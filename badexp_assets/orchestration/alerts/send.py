"""Sending an alert, in bounded time; what goes wrong is returned, never raised, and never names the whole URL."""

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

from badexp_assets.config.alerts import AlertParams
from badexp_assets.orchestration.alerts.message import Alert, payload

_PAUSE = 1.0  # seconds before the second attempt, doubled before every further one


def send(alert: Alert, params: AlertParams, sleep: Callable[[float], None] = time.sleep) -> list[str]:
    """Send `alert` to wherever `params` say; return a sentence for each place that could not be reached.

    It takes at most `attempts` times `timeout` and the pauses between them, for each place. A server that answers 4xx
    (but 429) refuses the message, and is not asked again; redirections are not followed.
    """
    problems = []
    address = params.address()
    if params.url_env and not address:
        problems.append(f"alert not sent: the environment has no {params.url_env} ([alerts] url_env)")
    if address:
        problems += _repeatedly(lambda: _post(address, alert, params.timeout), _host(address), params, sleep)
    if params.command:
        problems += _repeatedly(lambda: _pipe(alert, params), params.command[0], params, sleep)
    return problems


class _RefusedError(Exception):
    """Trying again would not help."""


class _FailedError(Exception):
    """Trying again may help."""


def _repeatedly(
    attempt: Callable[[], None], place: str, params: AlertParams, sleep: Callable[[float], None]
) -> list[str]:
    said = ""
    for number in range(params.attempts):
        if number:
            sleep(_PAUSE * 2 ** (number - 1))
        try:
            attempt()
            return []
        except _RefusedError as error:
            return [f"alert not sent to {place}: {error}"]
        except _FailedError as error:
            said = str(error)
    return [f"alert not sent to {place} in {params.attempts} attempt(s): {said}"]


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        """Follow none: the message is for the address that was given."""


def _post(address: str, alert: Alert, timeout: float) -> None:
    body = json.dumps(payload(alert)).encode()
    try:
        request = urllib.request.Request(address, body, {"content-type": "application/json"})
        with urllib.request.build_opener(_NoRedirect).open(request, timeout=timeout) as answer:
            answer.read(1)
    except urllib.error.HTTPError as error:
        kind = _FailedError if error.code >= 500 or error.code == 429 else _RefusedError
        raise kind(f"the server answers {error.code}") from None  # the error has the URL
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", error)
        raise _FailedError(type(reason).__name__ if isinstance(reason, Exception) else "no connection") from None
    except ValueError:
        raise _RefusedError("its address is no http:// or https:// URL") from None


def _pipe(alert: Alert, params: AlertParams) -> None:
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
        raise _FailedError(f"it took more than {params.timeout:g} s") from None
    except OSError as error:
        raise _RefusedError(error.strerror or type(error).__name__) from None
    if done.returncode:
        last = done.stderr.strip().splitlines()[-1:] or ["no word"]
        raise _FailedError(f"exit code {done.returncode}, {last[0][:200]}")


def _host(address: str) -> str:
    """The part of a URL that is no secret."""
    try:
        return urlsplit(address).hostname or "the server"
    except ValueError:
        return "the server"
