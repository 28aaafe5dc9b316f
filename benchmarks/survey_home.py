"""Homes of any number of nights, fabricated from the tables and the archive of one that `badexp run` has made."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from badexp_assets.config.home import Home
from badexp_assets.config.settings import Settings, load_settings, save_settings
from badexp_assets.defs.assets.autoencoder import stored_reconstruction_errors
from badexp_assets.defs.assets.entropy import stored_entropy_scores
from badexp_assets.defs.assets.scoring import TABLES, stored_predictions
from badexp_assets.defs.stored_scores import INPUTS, StoredScores
from badexp_assets.io.models import current_version
from badexp_assets.io.parquet import METADATA_KEY, encoding
from badexp_assets.io.parquet_reading import read_metadata, read_table, stored_nights
from badexp_assets.io.place import Place
from badexp_assets.pixels.labelled_ccds import LABELLED_TABLE
from badexp_assets.pixels.night_tables import BUFFER_ROWS, PASS_TABLES
from badexp_assets.survey.archive import list_night_files
from badexp_assets.survey.cameras import load_camera
from badexp_assets.survey.night_folders import NightFolder
from badexp_assets.survey.night_range import record_night_range

SCORES = (*TABLES, "night_entropy_scores", "night_reconstruction_errors")
NIGHTLY = (*PASS_TABLES, LABELLED_TABLE, *SCORES)
_LABELS = ("bad_ccd_labels", "decals_bad_exposures", "des_bad_ccds", "delve_bad_ccds", "survey_ccds")
_FIRST = date(2013, 1, 1)
_LABELLED = 0.065  # share of exposures with labels: 18,317 on the lists of Luo et al. 2025, of 283,633
_LISTED = {  # exposures of DR10.2 and DELVE lists by category, as `badexp labels` counts them (docs/labels.md)
    "saturated": 73, "clouds_transparency": 301, "psf": 47, "nonoptimal_exposure": 2444, "ghost_scatter": 4208,
    "nobjects": 136, "bad_ccd": 4015, "noise": 365, "wonky": 32, "telescope_moving": 73, "out_of_focus": 39,
}  # fmt: skip
_CCDS_LISTED = {"ghost_scatter": 4, "bad_ccd": 1, "noise": 8}  # labelled CCDs of an exposure; all in other categories
_KNOWN = 0.02  # share of exposures in the truth file; reviewers see as many candidates of DR11
_NOISE = 0.05  # of embeddings, relative to the scatter of each component: no two CCDs have the same
_FEWEST_KNOWN = 40  # exposures with labels, and in the truth file, in a home of few nights
_MOST_LABELLED = 0.5
_BLOCK = bytes(2880)


def fabricate_home(source: Home, root: Path, nights: int, exposures: int, seed: int = 0) -> Settings:
    """Make the home `root` of `nights` nights of `exposures` exposures, and its archive of empty files beside it.

    Exposures are those of `source`, drawn at random (`seed`), with other numbers and slightly other embeddings. Labels
    of an exposure go with it. As many exposures have some as in DR11, but at least 40 or half of all, in the
    proportions of its categories, so that training thins the largest ones. The truth file has 2 % of the exposures.
    Models and all other tables are those of `source`. Tables say that they were made from the files of the archive, so
    that nights are up to date. Return the settings.
    """
    shutil.copytree(source.root, root, ignore=lambda folder, names: set(names) & {*NIGHTLY, "nights", "dagster"})
    settings = replace(load_settings(root), archive=root.with_name(f"{root.name}-archive"))
    truth, of_source = root / "truth_exposures.csv", settings.options.comparison.truth
    if of_source:
        comparison = {**settings.sections["comparison"], "truth": str(truth)}
        settings = replace(settings, sections={**settings.sections, "comparison": comparison})
    save_settings(settings)
    rng = np.random.default_rng(seed)
    rows = {asset: _Rows(source.tables / asset, rng) for asset in NIGHTLY}
    numbers = rows["night_exposures"].expnums
    labelled = min(max(_LABELLED, _FEWEST_KNOWN / (nights * exposures)), _MOST_LABELLED)
    share = _shares(numbers, read_table(source.table("bad_ccd_labels"), ["expnum", "category"]), labelled)
    chosen: list[npt.NDArray[np.int64]] = []
    stored, camera = _stored(settings), load_camera(settings.camera)
    for number in range(nights):
        night = str(_FIRST + timedelta(days=number))
        drawn = np.sort(rng.choice(numbers, exposures, p=share))
        new = 1_000_000 + number * exposures + np.arange(exposures)
        _write_files(settings.archive_folder(), night, exposures)
        folders = {night: [NightFolder(_folder_name(night))]}
        files = list_night_files(settings.archive_folder(), night, camera, folders=folders)
        about = {"night": night, "fingerprint": files.fingerprint, "exposures": dict.fromkeys(map(str, new), "")}
        for asset in (*PASS_TABLES, LABELLED_TABLE):
            table = rows[asset].of_night(night, drawn, new)
            if asset == "night_exposures":
                paths = pa.array([exposure.ooi for exposure in files.exposures])
                table = table.set_column(table.column_names.index("path"), "path", paths)
            _write(table, settings.home.table(asset, night), rows[asset].about | about)
        for asset in SCORES:
            path = settings.home.table(asset, night)
            scores = rows[asset].of_night(night, drawn, new)
            (made,) = stored[asset].reuse_or_make(night, lambda night: [pd.DataFrame()])
            _write(scores, path, rows[asset].about | {"fingerprint": files.fingerprint, INPUTS: made.attrs[INPUTS]})
        chosen.append(np.stack([drawn, new]))
    drawn, new = np.concatenate(chosen, axis=1)
    for asset in _LABELS:
        path = settings.home.table(asset)
        labels = _Rows(path, rng).of_night(None, drawn, new)
        _write(_as_listed(labels) if asset == "bad_ccd_labels" else labels, path, read_metadata(path))
    if of_source:
        some = rng.random(len(new)) < max(_KNOWN, _FEWEST_KNOWN / len(new))
        known = pd.DataFrame({"expnum": drawn[some], "new": new[some]})
        known = known.merge(pd.read_csv(of_source), on="expnum").drop(columns="expnum")
        known.rename(columns={"new": "expnum"}).to_csv(truth, index=False)
    record_night_range(settings.home, camera, settings.home.nights("night_exposures"))
    return settings


class _Rows:
    """The rows of an asset by exposure number."""

    def __init__(self, place: Place, rng: np.random.Generator) -> None:
        files = stored_nights(place) if place.is_dir() else [place]
        tables = [pq.read_table(file) for file in files]
        table = pa.concat_tables([found.replace_schema_metadata(None) for found in tables if len(found)] or tables[:1])
        self._rng, self.about = rng, read_metadata(files[0])
        numbers = table["expnum"].to_numpy(zero_copy_only=False)
        order = np.argsort(numbers, kind="stable")
        self._table, self._numbers = table.take(order), numbers[order]
        self.expnums = np.unique(self._numbers)

    def of_night(self, night: str | None, drawn: npt.NDArray[np.int64], new: npt.NDArray[np.int64]) -> pa.Table:
        """Return the rows of the exposures `drawn` with the numbers `new`, as rows of `night`."""
        first, end = (np.searchsorted(self._numbers, drawn, side) for side in ("left", "right"))
        places = np.concatenate([np.arange(a, b) for a, b in zip(first, end, strict=True)])
        table = self._table.take(places)
        names = table.column_names
        numbers = pa.array(np.repeat(new, end - first)).cast(table.schema.field("expnum").type)
        table = table.set_column(names.index("expnum"), "expnum", numbers)
        if night is not None and "night" in names:
            table = table.set_column(names.index("night"), "night", pa.array([night] * len(table)))
        if "embedding" in names and len(table):
            vectors = table["embedding"].combine_chunks()
            flat = vectors.values.to_numpy(zero_copy_only=False)
            flat = flat + _NOISE * flat.std() * self._rng.standard_normal(len(flat), np.float32)
            noisy = pa.FixedSizeListArray.from_arrays(flat, vectors.type.list_size, mask=vectors.is_null())
            table = table.set_column(names.index("embedding"), "embedding", noisy)
        return table


def _shares(expnums: npt.NDArray[np.int64], labels: pd.DataFrame, labelled: float) -> npt.NDArray[np.float64]:
    """Return how often each exposure is drawn, labelled ones together with this share.

    Exposures of categories that are not trained on are not drawn.
    """
    category = labels.drop_duplicates("expnum").set_index("expnum")["category"].astype(str).reindex(expnums)
    n = category.map(category.value_counts()).fillna(1).to_numpy(np.float64)
    share = np.array([_LISTED.get(name, 0) for name in category.fillna("")]) / n
    share *= labelled / max(share.sum(), 1e-9)
    good = category.isna().to_numpy()
    return np.where(good, (1 - share.sum()) / good.sum(), share)


def _as_listed(labels: pa.Table) -> pa.Table:
    """Return as many labelled CCDs of each exposure as lists name."""
    keys = labels.select(["expnum", "category"]).to_pandas()
    place = keys.groupby("expnum").cumcount()
    most = np.array([_CCDS_LISTED.get(str(name), np.inf) for name in keys["category"]])
    return labels.filter(pa.array(place.to_numpy() < most))


def _stored(settings: Settings) -> Mapping[str, StoredScores]:
    models = settings.home.models
    reference = read_table(settings.home.table("entropy_reference"), ["version"])
    classifier = stored_predictions(settings, current_version(models / "fitted_classifier") or "")
    return {
        **dict.fromkeys(TABLES, classifier),
        "night_entropy_scores": stored_entropy_scores(settings, reference),
        "night_reconstruction_errors": stored_reconstruction_errors(
            settings, current_version(models / "stamp_autoencoder") or ""
        ),
    }


def _write(table: pa.Table, path: Any, metadata: Mapping[str, Any]) -> None:
    """Write a table as the night pass does, but without waiting for the disk."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(metadata, sort_keys=True).encode()
    table = table.replace_schema_metadata({METADATA_KEY: text})
    rows = BUFFER_ROWS.get(path.parent.name)  # of a row group, as the night pass writes them
    pq.write_table(table, path, row_group_size=rows, **encoding(table.schema))


def _folder_name(night: str) -> str:
    return f"CP{night.replace('-', '')}"


def _write_files(archive: Any, night: str, exposures: int) -> None:
    folder = archive / _folder_name(night)
    folder.mkdir(parents=True)
    date = str(np.datetime64(night) + 1).replace("-", "")[2:]  # UT, after midnight
    for number in range(exposures):
        clock = f"03{number // 60:02d}{number % 60:02d}"
        for product in ("ooi", "ood"):
            with open(folder / f"c4d_{date}_{clock}_{product}_r_v1.fits.fz", "wb") as file:
                file.write(_BLOCK)
