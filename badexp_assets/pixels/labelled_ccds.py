"""Reads labelled CCDs that the night pass did not sample, for the training set alone.

They are kept apart from the night's tables, so that a label can't change what is measured of its exposure.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from badexp_assets.errors import DamagedTableError, InputError
from badexp_assets.io.parquet import write_table
from badexp_assets.io.parquet_reading import read_metadata, read_table
from badexp_assets.io.place import Place, as_place
from badexp_assets.io.schemas import SCHEMAS
from badexp_assets.pixels.device_shares import PassSetup
from badexp_assets.pixels.exposure_stream import PixelReader
from badexp_assets.pixels.journal import Journal, open_journal
from badexp_assets.survey.cameras import Camera

LABELLED_TABLE = "labelled_ccd_embeddings"
_SCHEMA = SCHEMAS[LABELLED_TABLE]
_KEY = ["expnum", "ccdnum"]
_OF_EXPOSURES = ("n_draw", "all_ccds", "focal_plane_step", "preview_height", "stamps_per_exposure")
"""options of the night pass that change no vector and no measurement of a CCD"""
_LISTS = [column.name for column in _SCHEMA.columns if column.type.startswith("list<")]
Wanted = Mapping[int, Collection[int]]


@dataclass(frozen=True)
class LabelledSummary:
    """Counts of CCD images of a night: n_read + n_failed + n_absent = all rows; `n_new` of them were read now."""

    night: str
    n_read: int
    n_failed: int
    n_absent: int
    n_new: int

    def __str__(self) -> str:
        return (
            f"{self.n_read + self.n_failed + self.n_absent} labelled CCDs that were not sampled: {self.n_read} read, "
            f"{self.n_failed} failed, {self.n_absent} not in their file; {self.n_new} were read now"
        )


def read_labelled_ccds(
    archive: Place,
    night: str,
    camera: Camera,
    wanted: Wanted,
    load: Callable[[], PassSetup],
    exposures: Place,
    out: Place,
    journal: Path,
    progress: Callable[[int, int], None] | None = None,
) -> LabelledSummary:
    """Measure and embed the CCDNUMs `wanted` of each exposure of `night`, by expnum, and write them to `out`.

    `exposures`: the `night_exposures` table of the night, whose files, options and code a stored row must match to be
    kept (options that concern whole exposures aside). Only rows that are missing are read, with the setup that `load`
    returns; without any, nothing is loaded. Rows that are no longer wanted are dropped. Every finished exposure is
    stored in the folder `journal`, so an interrupted call resumes where it stopped. A CCD that is not in the file of
    its exposure, or can't be read, gives a row with the reason. `progress` is called with (exposures done, exposures to
    read).

    Raises InputError if `wanted` has an exposure that the night pass did not read, or if `load` returns another
    backbone or recipe than those of the night.
    """
    described = _described(read_metadata(exposures))
    table = read_table(exposures)
    keys = dict(zip(table["expnum"].astype(int), table["fingerprint"], strict=True))
    unknown = sorted(set(wanted) - set(keys))
    if unknown:
        raise InputError(
            f"{exposures}: exposure {unknown[0]} was not read; materialise the night pass of {night} first"
        )
    with open_journal(journal) as open_:
        kept, whole = _stored(out, described, keys, wanted)
        missing = _missing(kept, wanted)
        new = []
        if missing:
            pieces = {expnum: _piece(described, keys[expnum], ccds) for expnum, ccds in missing.items()}
            _read_into(open_, archive, camera, missing, pieces, load(), described, table, progress)
            new = [_rows(open_.read(pieces[expnum]), expnum, ccds) for expnum, ccds in missing.items()]
        result = pd.concat([kept, *new], ignore_index=True).sort_values(_KEY, ignore_index=True)
        if new or not whole:
            names = {str(expnum): keys[expnum] for expnum in sorted(wanted)}
            write_table(result, out, _SCHEMA, {**described, "exposures": names})
        open_.remove()
    n_read, n_failed, n_absent = (int((result["status"] == status).sum()) for status in ("read", "failed", "absent"))
    return LabelledSummary(night, n_read, n_failed, n_absent, n_new=sum(map(len, missing.values())))


def labelled_ccds_are_read(wanted: Wanted, exposures: Place, out: Place) -> bool:
    """Return whether `out` has the rows that `read_labelled_ccds` would write, so that it would read nothing."""
    table = read_table(exposures, ["expnum", "fingerprint"])
    keys = dict(zip(table["expnum"].astype(int), table["fingerprint"], strict=True))
    kept, whole = _stored(out, _described(read_metadata(exposures)), keys, wanted)
    return whole and not _missing(kept, wanted)


def _missing(kept: pd.DataFrame, wanted: Wanted) -> dict[int, list[int]]:
    """Return the CCDNUMs of `wanted` that are not among the rows `kept`, by expnum."""
    missing = {e: sorted(set(ccds) - set(kept.loc[kept["expnum"] == e, "ccdnum"])) for e, ccds in wanted.items()}
    return {expnum: ccds for expnum, ccds in sorted(missing.items()) if ccds}


def _described(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Return the part of a night's metadata that the vectors and measurements of a single CCD depend on."""
    found = {name: value for name, value in metadata.items() if name not in ("exposures", "fingerprint")}
    options = {name: value for name, value in found.get("pass", {}).items() if name not in _OF_EXPOSURES}
    return found | {"pass": options}


def _stored(
    out: Place, described: Mapping[str, Any], keys: Mapping[int, str], wanted: Wanted
) -> tuple[pd.DataFrame, bool]:
    """Return the stored rows that are wanted and were made from the present files with the present options, and whether
    the stored table has no others."""
    nothing = pd.DataFrame(columns=_SCHEMA.column_names)
    try:
        found = read_metadata(out) if out.exists() else {}
        made_from = found.pop("exposures", {})
        if found != described:
            return nothing, False
        table = read_table(out)
    except DamagedTableError:
        return nothing, False
    valid = {int(expnum) for expnum, key in made_from.items() if keys.get(int(expnum)) == key}
    rows = [e in valid and c in wanted.get(e, ()) for e, c in zip(table["expnum"], table["ccdnum"], strict=True)]
    return table[np.array(rows, bool)], all(rows)


def _piece(described: Mapping[str, Any], fingerprint: str, ccds: Collection[int]) -> str:
    """Return the key in the journal of some CCDs of an exposure with this fingerprint of its files."""
    parts = json.dumps([described, fingerprint, sorted(map(int, ccds))], sort_keys=True)
    return hashlib.blake2b(parts.encode(), digest_size=16).hexdigest()


def _read_into(
    journal: Journal,
    archive: Place,
    camera: Camera,
    missing: Wanted,
    pieces: Mapping[int, str],
    setup: PassSetup,
    described: Mapping[str, Any],
    exposures: pd.DataFrame,
    progress: Callable[[int, int], None] | None,
) -> None:
    """Read the `missing` CCDs that are not in the journal yet. `exposures`: the `night_exposures` of the night."""
    params = replace(setup.params, preview_height=0, stamps_per_exposure=0)
    reader = PixelReader(as_place(archive), camera, setup.embedder, setup.entropy, params, only=missing)
    ids = reader.embedding_ids._asdict()
    differs = {name: described.get(name) for name, value in ids.items() if described.get(name) != value}
    if differs:
        name, before = next(iter(differs.items()))
        raise InputError(
            f"night {described['night']}: made with {name} {before}, now it is {ids[name]}; read the night again first"
        )
    journal.keep(set(pieces.values()))
    done = journal.keys()
    left = [expnum for expnum, piece in pieces.items() if piece not in done]
    todo = exposures[exposures["expnum"].isin(left)].sort_values("expnum")
    rows = [{str(k): v for k, v in row.items()} for row in todo.assign(ooi=todo["path"]).to_dict("records")]
    report = progress or (lambda done, total: None)
    for n, exposure in enumerate(reader.read(rows), start=len(done) + 1):
        journal.write(pieces[rows[exposure.place]["expnum"]], exposure.tables)
        report(n, len(pieces))


def _rows(tables: Mapping[str, pa.Table], expnum: int, ccds: Collection[int]) -> pd.DataFrame:
    """Return the table's rows of one exposure, one for each of `ccds`, from its rows of the night's tables."""
    found = pd.DataFrame({"expnum": expnum, "ccdnum": sorted(ccds)})
    outcome = tables["night_exposures"].to_pylist()[0]
    for name in ("night_ccds", "night_embeddings", "night_orientations"):
        if name in tables:
            part = tables[name].to_pandas()
            new = [column for column in part if column in _SCHEMA.column_names and column not in found]
            found = found.merge(part[[*_KEY, *new]], on=_KEY, how="left")
    found = found.reindex(columns=_SCHEMA.column_names)
    for name in _LISTS:
        found[name] = pd.Series([v if isinstance(v, np.ndarray) else None for v in found[name]], dtype=object)
    unread = found["status"].isna()  # of an exposure that could not be opened
    return found.astype({"status": object, "status_reason": object}).assign(
        status=found["status"].mask(unread, "failed"),
        status_reason=found["status_reason"].mask(unread, outcome["status_reason"]),
    )
