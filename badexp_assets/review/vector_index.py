"""Embeddings of the focal planes of all nights in one memory-mapped file, which follows the tables of the nights."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from badexp_assets.config.home import Home
from badexp_assets.errors import DamagedTableError, StorageError
from badexp_assets.io.parquet import atomic_path
from badexp_assets.io.parquet_reading import open_table
from badexp_assets.io.place import Place, change_tokens

_LOGGER = logging.getLogger(__name__)
_ASSET = "night_mosaic_embeddings"
_COLUMNS = ["expnum", "backbone", "recipe", "embedding"]
_SCHEMA = pa.schema([("expnum", pa.int64()), ("embedding", pa.list_(pa.float32()))])
_ABOUT = ("night", "version", "kind")  # metadata of each batch


@dataclass(frozen=True)
class NightVectors:
    """Vectors (n, d) of exposures `expnum` (n,) of a night, all finite and of one kind: backbone, recipe and d.

    `version` changes when the table of the night is written again.
    """

    night: str
    version: str
    kind: str
    expnum: npt.NDArray[np.int64]
    vectors: npt.NDArray[np.float32]


class VectorIndex:
    """The vectors of all nights of a home, from an Arrow file, which may be deleted. It is thread-safe.

    Opening a Parquet file for each of 5,000 nights takes twenty times as long as comparing their vectors. Processes may
    share the file: it is replaced as a whole.
    """

    def __init__(self, home: Home) -> None:
        self._home, self._file = home, home.vector_index
        self._lock = threading.Lock()
        self._parts: list[NightVectors] = []  # with an empty one of each night without vectors
        self._nights: list[NightVectors] = []

    def nights(self) -> list[NightVectors]:
        """Return the vectors of all nights in order, and bring the file up to date first.

        Vectors that are not finite are left out, and so are those of a damaged table, which is logged. If the file
        can't be written, this is logged too, and new vectors are kept in memory: 6 kB an exposure.
        """
        with self._lock:
            found = change_tokens(self._home.tables / _ASSET, "[0-9]*.parquet")
            paths = {path.stem: path for path in sorted(found, key=lambda path: path.stem)}
            versions = {night: found[path] for night, path in paths.items()}
            if not self._parts:
                self._open()
            if versions != {part.night: part.version for part in self._parts}:
                self._renew(paths, versions)
            return self._nights

    def _open(self) -> None:
        """Map the file into memory; one that is missing or damaged has no nights."""
        parts = []
        try:
            file = pa.ipc.open_file(pa.memory_map(str(self._file)))
            if file.schema == _SCHEMA:
                parts = [_of_batch(*file.get_batch_with_custom_metadata(k)) for k in range(file.num_record_batches)]
        except (OSError, ValueError, LookupError, pa.ArrowException) as error:  # damage has many, also of Unicode
            _LOGGER.info("vectors of all nights are collected: %s", error)
        self._take(parts)

    def _take(self, parts: list[NightVectors]) -> None:
        self._parts, self._nights = parts, [part for part in parts if len(part.expnum)]

    def _renew(self, paths: Mapping[str, Place], versions: Mapping[str, str]) -> None:
        try:
            self._write(self._current(paths, versions))
            self._open()  # what another process has written meanwhile, if so: the next call compares it again
        except StorageError as error:
            _LOGGER.warning("vectors of all nights are kept in memory: %s", error)
            self._take(list(self._current(paths, versions)))

    def _current(self, paths: Mapping[str, Place], versions: Mapping[str, str]) -> Iterator[NightVectors]:
        """Yield the vectors of each night, from its table if they are not known, and an empty one if it has none."""
        known: dict[tuple[str, str], list[NightVectors]] = {}
        for part in self._parts:
            known.setdefault((part.night, part.version), []).append(part)
        for night, version in versions.items():
            parts = known.get((night, version))
            parts = parts or [part for part in _read_night(paths[night], night, version) if len(part.expnum)]
            none = NightVectors(night, version, "", np.zeros(0, np.int64), np.zeros((0, 0), np.float32))
            yield from parts or [none]

    def _write(self, parts: Iterator[NightVectors]) -> None:
        with atomic_path(self._file) as temporary, pa.ipc.new_file(str(temporary), _SCHEMA) as writer:
            for part in parts:
                about = {name: getattr(part, name) for name in _ABOUT}
                writer.write_batch(_batch(part), custom_metadata=about)


def _read_night(path: Place, night: str, version: str) -> Iterator[NightVectors]:
    """Yield the vectors of the table of a night, by kind."""
    try:
        with open_table(path) as file:  # by arrow, which makes no object of each vector
            if not set(_COLUMNS) <= set(file.schema_arrow.names):
                return
            rows = file.read(columns=_COLUMNS, use_threads=False)
    except DamagedTableError as error:
        _LOGGER.warning("its exposures are not compared: %s", error)
        return
    rows = rows.filter(pc.greater(pc.list_value_length(rows["embedding"]), 0)).combine_chunks()
    made_by = [rows["backbone"].to_pylist(), rows["recipe"].to_pylist()]
    lengths = pc.list_value_length(rows["embedding"]).to_pylist()
    kinds = np.array([f"{b}|{r}|{n}" for b, r, n in zip(*made_by, lengths, strict=True)])
    for kind in dict.fromkeys(kinds.tolist()):
        part = rows if (kinds == kind).all() else rows.filter(kinds == kind).combine_chunks()
        vectors = part["embedding"].combine_chunks().flatten().to_numpy(zero_copy_only=False)
        vectors = vectors.reshape(part.num_rows, -1).astype(np.float32, copy=False)
        finite = np.isfinite(vectors).all(axis=1)
        yield NightVectors(night, version, kind, part["expnum"].to_numpy()[finite], vectors[finite])


def _batch(part: NightVectors) -> pa.RecordBatch:
    n, dim = part.vectors.shape
    ends = pa.array(np.arange(n + 1, dtype=np.int32) * dim)
    embedding = pa.ListArray.from_arrays(ends, pa.array(part.vectors.ravel()))
    return pa.record_batch([pa.array(part.expnum), embedding], schema=_SCHEMA)


def _of_batch(batch: pa.RecordBatch, about: Mapping[bytes, bytes]) -> NightVectors:
    batch.validate(full=True)  # Arrow follows damaged offsets out of the file, which ends the process
    night, version, kind = (about[name.encode()].decode() for name in _ABOUT)
    vectors = batch["embedding"].flatten().to_numpy()
    n = batch.num_rows
    return NightVectors(night, version, kind, batch["expnum"].to_numpy(), vectors.reshape(n, len(vectors) // max(n, 1)))
