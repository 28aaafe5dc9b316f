"""Looking for arrivals in a tree of the size of DECam's: the first look, a quiet one, and a new night."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from functools import partial
from pathlib import Path

from badexp_assets.config.arrivals import ArrivalParams
from badexp_assets.survey.arrivals.due_nights import Decision, decide
from badexp_assets.survey.arrivals.scan import take_look
from badexp_assets.survey.arrivals.state_file import StateStore
from benchmarks.measure import BenchOptions, Record, compare

_FIRST = date(2012, 9, 1)
_DAY = 86400.0
_PRODUCTS = ("ooi", "ood", "oow")


def bench_arrivals(options: BenchOptions) -> Iterator[Record]:
    """Yield files/s of a look at 283,633 exposures in 5,000 nights, of one file and of three each.

    Files are one empty FITS block, sparse. The baseline is a plain walk that stats every file. `first look` starts from
    nothing and ends with a stored state; `quiet look` reads that state, looks, and stores what follows, as every tick
    of the sensor does. Then 300 exposures arrive in one night.
    """
    nights, exposures = (50, 500) if options.quick else (5000, 283_633)
    for products in (1, 3):
        archive = options.folder / f"{products}"
        started = time.perf_counter()
        n_files = _make_tree(archive, nights, exposures, products)
        made = time.perf_counter() - started
        case = f"{exposures} exposures of {products} file(s) in {nights} nights"
        watch = _Watch(archive, options.folder / f"state-{products}")
        assert not watch.first().changes
        size = sum(path.stat().st_size for path in watch.folder.iterdir())
        variants: dict[str, Callable[[], object]] = {
            "plain walk": partial(_walk, archive),
            "first look": watch.first,
            "quiet look": watch.quiet,
        }
        notes = {
            "plain walk": f"the tree was made in {made:.0f} s",
            "first look": f"{size / 1e6:.3f} MB of state, a cursor of {len(watch.cursor)} bytes",
            "quiet look": f"{len(watch.quiet().changes)} nights due",
        }
        for record in compare("arrivals", case, n_files, "files", variants, options.repeats, warm_up=False):
            yield Record(**{**vars(record), "note": notes[record.variant]})
        yield watch.new_night(case, 300, products)
        shutil.rmtree(archive)


class _Watch:
    """Looks at a tree as the sensor does, a day after its files were made."""

    def __init__(self, archive: Path, folder: Path) -> None:
        self._archive, self.folder = archive, folder
        self._params = ArrivalParams(scan_seconds=600)
        self._now = time.time() + _DAY
        self.cursor = ""

    def look(self, cursor: str) -> Decision:
        store = StateStore(self.folder)
        self._now += 30
        state, _ = store.load(cursor)
        look = take_look(self._archive, state, self._params, self._now)
        found = decide(state, look, self._now, self._params, lambda night: None)
        self.cursor = store.save(found.state, self.cursor)
        return found

    def first(self) -> Decision:
        return self.look("")

    def quiet(self) -> Decision:
        return self.look(self.cursor)

    def new_night(self, case: str, exposures: int, products: int) -> Record:
        """Let exposures arrive in a night, and look until the night was requested and is quiet again."""
        _fill(self._archive, _FIRST + timedelta(days=10_000), 0, exposures, products)
        requests, seconds = [], []
        for _ in range(4):
            started = time.perf_counter()
            requests.append(len(self.quiet().changes))
            seconds.append(time.perf_counter() - started)
        note = f"run requests of the looks after {exposures} exposures arrived in one night: {requests}"
        rate = exposures * products / sum(seconds)
        return Record("arrivals", case, "a new night", exposures * products, "files", tuple(seconds), rate, note=note)


def _make_tree(archive: Path, nights: int, exposures: int, products: int) -> int:
    for n in range(nights):
        first, last = exposures * n // nights, exposures * (n + 1) // nights
        _fill(archive, _FIRST + timedelta(days=n), first, last, products)
    return exposures * products


def _fill(archive: Path, night: date, first: int, last: int, products: int) -> None:
    folder = archive / "CP" / "V5.6" / f"CP{night:%Y%m%d}"
    folder.mkdir(parents=True)
    for number in range(last - first):
        clock = f"{number // 3600:02d}{number // 60 % 60:02d}{number % 60:02d}"
        for product in _PRODUCTS[:products]:
            handle = os.open(folder / f"c4d_{night:%y%m%d}_{clock}_{product}_r_ls9.fits.fz", os.O_CREAT | os.O_WRONLY)
            os.ftruncate(handle, 2880)
            os.close(handle)


def _walk(archive: Path) -> int:
    return sum(os.stat(os.path.join(folder, name)).st_size for folder, _, names in os.walk(archive) for name in names)
