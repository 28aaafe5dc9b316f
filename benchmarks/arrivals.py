"""Benchmark of scanning an archive of the size of DECam's for arrivals: first scan, no changes, and a new night."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date, timedelta
from functools import partial
from pathlib import Path

from badexp_assets.config.night_options import ArrivalParams
from badexp_assets.survey.arrivals.archive_state import StateStore
from badexp_assets.survey.arrivals.due_nights import DueNights, find_due_nights
from badexp_assets.survey.arrivals.scan import scan_archive
from badexp_assets.survey.cameras import load_camera
from benchmarks.measure import BenchOptions, Record, compare

_FIRST = date(2012, 9, 1)
_DAY = 86400.0
_PRODUCTS = ("ooi", "ood", "oow")


def bench_arrivals(options: BenchOptions) -> Iterator[Record]:
    """Yield files/s of scanning 283,633 exposures in 5,000 nights, with one and with three files per exposure.

    The files are sparse, one FITS block each. The baseline is os.walk with a stat of every file. `first scan` starts
    without a state and stores one; `scan without changes` reads the state, scans, and stores the new state, as every
    tick of the sensor does. Then 300 exposures arrive in one night.
    """
    nights, exposures = (50, 500) if options.quick else (5000, 283_633)
    for products in (1, 3):
        archive = options.folder / f"{products}"
        for n in range(nights):
            first, last = exposures * n // nights, exposures * (n + 1) // nights
            _make_night(archive, _FIRST + timedelta(days=n), last - first, products)
        case = f"{exposures} exposures of {products} file(s) in {nights} nights"
        scanner = _Scanner(archive, options.folder / f"state-{products}")
        assert not scanner.first().changes
        size = sum(path.stat().st_size for path in scanner.folder.iterdir())
        variants: dict[str, Callable[[], object]] = {
            "plain walk": partial(_walk, archive),
            "first scan": scanner.first,
            "scan without changes": scanner.again,
        }
        notes = {
            "first scan": f"{size / 1e6:.3f} MB of state, a cursor of {len(scanner.cursor)} bytes",
            "scan without changes": f"{len(scanner.again().changes)} nights due",
        }
        n_files = exposures * products
        for record in compare("arrivals", case, n_files, "files", variants, options.repeats, warm_up=False):
            yield replace(record, note=notes.get(record.variant, ""))
        yield scanner.new_night(case, 300, products)
        shutil.rmtree(archive)


class _Scanner:
    """Scans an archive as the sensor does, a day after its files were written."""

    def __init__(self, archive: Path, folder: Path) -> None:
        self._archive, self.folder = archive, folder
        self._params = ArrivalParams(scan_seconds=600)
        self._now = time.time() + _DAY
        self.cursor = ""

    def scan(self, cursor: str) -> DueNights:
        store = StateStore(self.folder)
        self._now += 30
        state, _ = store.load(cursor)
        look = scan_archive(self._archive, load_camera(), state, self._params, self._now)
        found = find_due_nights(state, look, self._now, self._params, lambda night: None)
        self.cursor = store.save(found.state, self.cursor)
        return found

    def first(self) -> DueNights:
        return self.scan("")

    def again(self) -> DueNights:
        return self.scan(self.cursor)

    def new_night(self, case: str, exposures: int, products: int) -> Record:
        """Let exposures arrive in a night, and scan until the night was requested and does not change any more."""
        _make_night(self._archive, _FIRST + timedelta(days=10_000), exposures, products)
        requests, seconds = [], []
        for _ in range(4):
            started = time.perf_counter()
            requests.append(len(self.again().changes))
            seconds.append(time.perf_counter() - started)
        note = f"run requests of the scans after {exposures} exposures arrived in one night: {requests}"
        rate = exposures * products / sum(seconds)
        return Record("arrivals", case, "a new night", exposures * products, "files", tuple(seconds), rate, note=note)


def _make_night(archive: Path, night: date, exposures: int, products: int) -> None:
    folder = archive / "CP" / "V5.6" / f"CP{night:%Y%m%d}"
    folder.mkdir(parents=True)
    for number in range(exposures):
        clock = f"{number // 3600:02d}{number // 60 % 60:02d}{number % 60:02d}"
        for product in _PRODUCTS[:products]:
            handle = os.open(folder / f"c4d_{night:%y%m%d}_{clock}_{product}_r_ls9.fits.fz", os.O_CREAT | os.O_WRONLY)
            os.ftruncate(handle, 2880)
            os.close(handle)


def _walk(archive: Path) -> int:
    return sum(os.stat(os.path.join(folder, name)).st_size for folder, _, names in os.walk(archive) for name in names)
