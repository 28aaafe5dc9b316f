"""A small home to review: 34 candidates of two nights and one exposure that is none, with real files behind them."""

import contextlib
import io
import os
import shutil
import signal
import socket
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
import pytest
from PIL import Image

from badexp_assets.config.night_options import EntropyParams
from badexp_assets.config.settings import Settings, load_settings
from badexp_assets.io.parquet import write_table
from badexp_assets.io.schemas import SCHEMAS
from badexp_assets.pixels.previews import FocalPlane, Tile
from badexp_assets.review.accounts import Reviewers
from badexp_assets.survey.cameras import load_camera
from badexp_assets_tests.browser import chromium
from badexp_assets_tests.forked_commands import ForkedCommands
from badexp_assets_tests.homes import copy_home
from badexp_assets_tests.repository import PYTHON_PATH
from badexp_assets_tests.waiting import LONGEST_WAIT

NIGHTS = ("2018-05-17", "2018-05-18")
FIRST, N = 1001, 34
OTHER = 2001  # no candidate, but its night knows it
BINS = EntropyParams().bins


def table(name: str, rows: list[dict]) -> pd.DataFrame:
    """Rows with all columns of a table, those not given None."""
    return pd.DataFrame(rows, columns=[*dict.fromkeys([*SCHEMAS[name].column_names, *rows[0]])])


def preview(camera, ccds: list[int], seed: int) -> tuple[bytes, tuple[int, int]]:
    plane = FocalPlane(camera, 240, ccds)
    rng = np.random.default_rng(seed)
    for ccdnum in ccds:
        plane.add(ccdnum, Tile(rng.normal(0, 1, plane.slot).astype(np.float32), False))
    return plane.render(), plane.size


def small_png() -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (20, 10), (200, 0, 0)).save(stream, "PNG")
    return stream.getvalue()


def write_night(home, night: str, expnums: list[int], paths: tuple[str, str], ccds: list[int]) -> None:
    camera = load_camera()
    names, pairs = camera.by_number, [(e, c) for e in expnums for c in ccds]
    p_bad = {(e, c): (e % 7 + 1) / 8 if c != ccds[0] else 0.95 for e, c in pairs}
    name = [{"expnum": e, "night": night, "filter": "r" if e % 2 else "g"} for e in expnums]
    header = {"exptime": 90.0, "mjd_obs": 58256.2, "plver": "V5.6S", "n_ccds": 4, "status": "scored", "n_ccds_read": 4}
    header |= {"n_ccds_failed": 0, "airmass": 1.2, "ra": 150.0, "dec": 2.0, "fingerprint": "f", "path": paths[0]}
    images = [preview(camera, ccds, seed) for seed in range(3)]
    rows = {
        "night_exposures": [n | header | {"ood": paths[1]} for n in name],
        "night_ccds": [
            {"expnum": e, "ccdnum": c, "ccdname": names[c].ccdname, "status": "read", "drawn": True}
            | {"sky": 200.0, "noise": 8.0, "fwhm": 4.5}
            for e, c in pairs
        ],
        "night_predictions": [
            {"expnum": e, "ccdnum": c, "category": "psf", "probability": 0.7, "p_bad": p_bad[e, c], "drawn": True}
            | {
                "seen": "image",
                "image_p_bad": p_bad[e, c],
                "focal_plane_p_bad": None,
                "focal_plane_difference": 2 * p_bad[e, c],
                "model": "m1",
            }
            for e, c in pairs
        ],
        "night_exposure_predictions": [
            n
            | {"n_scored": 4, "n_bad": 2, "is_bad": True, "category": "psf", "p_bad": 0.8, "rule": "r", "model": "m1"}
            | {"bad_ccds": f"{ccds[0]},{ccds[1]}"}
            for n in name
        ],
        "night_entropy_scores": [n | {"n_sources": 300, "kl_source": 0.4, "z_source": 7.5} for n in name],
        "night_previews": [
            n
            | {"width": images[i % 3][1][0], "height": images[i % 3][1][1], "png": images[i % 3][0]}
            | {"ccds": ",".join(map(str, ccds))}
            for i, n in enumerate(name)
        ],
        "night_orientations": [
            {"expnum": e, "ccdnum": c, "filter": "r", "n_sources": 80, "n_points": 80}
            | {"source_counts": np.ones(BINS, np.int32), "gradient_counts": np.ones(BINS, np.int32)}
            | {"gradient_halves": np.ones(2 * BINS, np.int32)}
            for e, c in pairs
        ],
    }
    for asset, found in rows.items():
        write_table(table(asset, found), home.table(asset, night), SCHEMAS[asset])


def write_whole(home, path: str, ccds: list[int]) -> None:
    expnums = range(FIRST, FIRST + N)
    candidates = [
        {"expnum": e, "night": NIGHTS[e % 2], "filter": "r" if e % 2 else "g", "category": "psf", "p_bad": 0.8}
        | {"why": "classifier: 2 of 4 CCDs called bad", "rank": i + 1, "plver": "V5.6S", "path": path, "z_source": 7.5}
        | {"z_background": None, "z_mse": None, "model": "m1"}
        for i, e in enumerate(expnums)
    ]
    example = f'[{{"expnum": {OTHER}, "ccdnum": {ccds[1]}, "category": "psf", "distance": 0.5}}]'
    explained = {"rank": 1, "expnum": FIRST, "ccdnum": ccds[0], "night": NIGHTS[1], "place": 1, "category": "psf"}
    explained |= {"p_bad": 0.95, "examples": example, "anomaly": 1.5, "anomaly_x": 3, "anomaly_y": 4}
    explained |= {"map_png": small_png(), "model": "m1", "reference": "r1"}
    label = {"ccdnum": ccds[0], "category": "psf", "source": "decals", "n_sources": 1, "conflict": False, "line": 3}
    label |= {"expnum": OTHER, "whole_exposure": True, "file": "f.txt", "reason": "<i>psf</i>"}
    survey = [
        {"expnum": FIRST, "ccdname": "S4", "ccdnum": ccds[0], "night": NIGHTS[1], "filter": "r", "mjd_obs": 58256.2}
        | {"ccd_cuts": (1 << 12) + (1 << 9), "ebv": 0.03, "file": "survey.fits"}
    ]
    reference = [
        {"filter": "r", "kind": kind, "p": np.full(BINS, 1 / BINS), "n_exposures": 9, "version": "v1"}
        | {"p_trimmed": np.full(BINS, 1 / BINS)}
        for kind in ("source", "background")
    ]
    whole = {"review_candidates": candidates, "candidate_explanations": [explained], "bad_ccd_labels": [label]}
    for asset, rows in (whole | {"survey_ccds": survey, "entropy_reference": reference}).items():
        write_table(table(asset, rows), home.table(asset), SCHEMAS[asset])


@pytest.fixture(scope="session")
def _template(tmp_path_factory, tiny_cp) -> Path:
    root = tmp_path_factory.mktemp("review")
    mask = np.zeros((120, 90), np.int32)
    mask[:60] = 3
    ooi = tiny_cp.write_cp(root / "archive", FIRST, masks={"S4": mask})
    paths = tuple(str(p.relative_to(root / "archive")) for p in (ooi, ooi.with_name(ooi.name.replace("ooi", "ood"))))
    (root / "home").mkdir()
    home = load_settings(root / "home").home
    ccds = sorted(tiny_cp.CCDS.values())
    expnums = list(range(FIRST, FIRST + N))
    for night in NIGHTS:
        mine = [e for e in expnums if NIGHTS[e % 2] == night]
        write_night(home, night, mine + ([OTHER] if night == NIGHTS[0] else []), paths, ccds)
    write_whole(home, paths[0], ccds)
    return root


@pytest.fixture
def settings(_template, tmp_path) -> Settings:
    """A home of one's own, with its archive beside it."""
    shutil.copytree(_template / "archive", tmp_path / "archive")
    copy_home(load_settings(_template / "home").home, tmp_path / "home")
    (tmp_path / "home" / "settings.toml").write_text(f'archive = "{tmp_path / "archive"}"\n')
    return load_settings(tmp_path / "home")


@dataclass
class Server:
    """The app as a process of its own."""

    settings: Settings
    port: int
    log: Path
    commands: ForkedCommands
    process: psutil.Process | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def token(self, name: str) -> str:
        return Reviewers(self.settings.verdicts).add(name)

    def start(self) -> None:
        words = ["review", "serve", "--home", str(self.settings.home.root), "--port", str(self.port)]
        clean = {name: value for name, value in os.environ.items() if not name.startswith("BADEXP_")}
        clean["BADEXP_TABLES"] = str(self.settings.home.tables)
        self.process = self.commands.start(words, clean | {"PYTHONPATH": PYTHON_PATH}, self.log)
        deadline = time.monotonic() + LONGEST_WAIT
        while True:
            try:
                urllib.request.urlopen(f"{self.url}/login", timeout=5).close()
                return
            except OSError:
                assert self.process.is_running(), self.log.read_text()
                assert time.monotonic() < deadline, self.log.read_text()
                time.sleep(0.05)

    def kill(self, how: signal.Signals = signal.SIGKILL) -> None:
        if self.process is not None:
            self.process.send_signal(how)
            self.process.wait(timeout=LONGEST_WAIT)
            self.process = None


@pytest.fixture(scope="session")
def commands() -> Iterator[ForkedCommands]:
    """Starts the app, whose imports take two seconds."""
    with ForkedCommands("badexp_assets.review.app.server", "uvicorn.protocols.http.auto", "PIL.Image") as found:
        yield found


@pytest.fixture
def server(settings, tmp_path, commands) -> Iterator[Server]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    found = Server(settings, port, tmp_path / "log.txt", commands)
    try:
        found.start()
        yield found
    finally:
        found.kill(signal.SIGTERM)
    log = found.log.read_text()
    assert "Traceback" not in log, log


@pytest.fixture(scope="module")  # its event loop must be gone before tests that have one of their own
def browser() -> Iterator:
    """A headless Chromium."""
    with chromium() as found:
        yield found


@pytest.fixture
def open_page(browser, server):
    """Open a logged-in tab for a reviewer; an error of a page's script fails the test, and so does another host."""
    with contextlib.ExitStack() as stack:
        troubles: list[str] = []

        def opened(name: str, **options):
            context = stack.enter_context(browser.new_context(base_url=server.url, **options))
            tab = context.new_page()
            tab.set_default_timeout(LONGEST_WAIT * 1000)
            tab.on("pageerror", lambda error: troubles.append(str(error)))
            tab.on("request", lambda request: request.url.startswith(server.url) or troubles.append(request.url))
            tab.goto("/login")
            tab.fill("#token", server.token(name))
            tab.keyboard.press("Enter")
            tab.wait_for_selector(".cell")
            return tab

        yield opened
        assert troubles == []
