"""Serving the app."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from badexp_assets.config.settings import Settings
from badexp_assets.errors import InputError
from badexp_assets.review.accounts import Reviewers
from badexp_assets.review.app.factory import LOCAL, make_app

_TIME_TO_FINISH = 5  # s that requests get when the server is stopped


def serve(
    settings: Settings, host: str, port: int, names: Sequence[str], proxy: bool, say: Callable[[str], None]
) -> None:
    """Serve the review of a home until it is stopped.

    names: host names by which browsers reach it, besides this machine's own; needed when `host` is another interface.
    proxy: requests come through a TLS proxy on this machine, which says whose they are. Raises InputError for options
    that do not hold.
    """
    import uvicorn

    local = host in LOCAL
    if not local and not names:
        raise InputError(f"--host {host}: name the machine as browsers will (--name review.example.org)")
    app = make_app(settings, [*LOCAL, *names])
    if not local and not proxy:
        say("WARNING: without TLS anybody on the network can read sessions; put a TLS proxy before it, and see --proxy")
    if not Reviewers(settings.verdicts).names():
        say("nobody can log in yet: `badexp review reviewers add NAME` makes a token")
    say(f"review on http://{names[0] if names else host}:{port}  (Ctrl-C stops it)")
    uvicorn.run(
        app,
        host=host,
        port=port,
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=proxy,
        timeout_graceful_shutdown=_TIME_TO_FINISH,
    )
