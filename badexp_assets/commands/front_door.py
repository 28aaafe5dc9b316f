"""`badexp open`: the home page of a home, and on request its Dagster UI."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import webbrowser
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import click

from badexp_assets.commands.options import HOME
from badexp_assets.config.settings import Settings, load_settings
from badexp_assets.errors import InputError

_TIME_TO_END = 30  # seconds that the Dagster UI gets


@click.command("open")
@HOME
@click.option("--archive", help="Root of the CP tree: a folder or URL [BADEXP_ARCHIVE, the home's].")
@click.option("--port", "-p", default=8765, show_default=True)
@click.option("--ui", "with_ui", is_flag=True, help="Start the Dagster UI, too, as `badexp ui` does.")
@click.option(
    "--browser/--no-browser", default=None, help="Open the page in a browser [if this machine has a display]."
)
def open_home(home: Path | None, archive: str | None, port: int, with_ui: bool, browser: bool | None) -> None:
    """Serve the home page: latest night, review, quality, completeness, reject list, reports, Dagster UI.

    It is part of the review app, with the same login; see docs/review.md.
    """
    from badexp_assets.review.app.server import serve

    settings = load_settings(home, archive=archive)
    shown = _has_display() if browser is None else browser

    def show(address: str) -> None:
        if shown:
            webbrowser.open(f"{address}/home")

    with _dagster_ui(settings) if with_ui else contextlib.nullcontext():
        serve(settings, "127.0.0.1", port, (), False, click.echo, show)


def _heed_interrupts() -> None:
    """Be ended by SIGINT, also where a shell started this in its background, whose processes ignore that."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def _has_display() -> bool:
    return sys.platform in ("darwin", "win32") or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


@contextlib.contextmanager
def _dagster_ui(settings: Settings) -> Iterator[None]:
    """Run the Dagster UI of a home during the block, unless one answers already; its output goes to a file."""
    from badexp_assets.review.app.dagster_ui import DEFAULT, ui_version

    address = settings.options.alerts.ui or DEFAULT
    where = urlsplit(address)
    if where.hostname not in ("127.0.0.1", "localhost"):
        raise InputError(f"--ui: [alerts] ui is {address}, and only a UI on this machine (127.0.0.1) can be started")
    if ui_version(address) is not None:
        click.echo(f"Dagster UI on {address}  (was running already)")
        yield
        return
    log = settings.home.root / "dagster" / "ui.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    words = ["ui", "--home", str(settings.home.root), "-p", str(where.port or 3000)]
    with log.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "badexp_assets.commands.cli", *words],
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # so that Ctrl-C reaches it once, from here
            preexec_fn=_heed_interrupts,
        )
    click.echo(f"Dagster UI on {address}  (starting, which takes some seconds; its output is in {log})")

    def end() -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        with contextlib.suppress(ProcessLookupError):  # it has ended by itself
            os.killpg(process.pid, signal.SIGINT)
        try:
            process.wait(_TIME_TO_END)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def terminate(*_: object) -> None:  # by no exception, which may be raised where it is ignored
        end()
        os._exit(128 + signal.SIGTERM)

    signal.signal(signal.SIGTERM, terminate)
    if hasattr(signal, "SIGHUP"):  # of a terminal that is closed
        signal.signal(signal.SIGHUP, lambda *_: signal.raise_signal(signal.SIGTERM))
    try:
        yield
    finally:
        end()
