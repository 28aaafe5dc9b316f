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
from badexp_assets.errors import DamagedTableError
from badexp_assets.io.parquet import atomic_path
from badexp_assets.io.parquet_reading import open_table
from badexp_assets.io.place import Place, change_tokens

_LOGGER = logging.getLogger(__name__)
_ASSET = "night_mosaic_embeddings"
_COLUMNS = ["expnum", "backbone", "recipe", "embedding"]
_SCHEMA = pa.schema(
    [
        ("night", pa.string()),
        ("version", pa.string()),
        ("kind", pa.string()),
        ("expnum", pa.int64()),
        ("embedding", pa.list_(pa.float32())),
    ]
)


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
        self._nights: list[NightVectors] = []
        self._seen: dict[str, str] = {}  # versions of nights that are in the file, or have no vectors

    def nights(self) -> list[NightVectors]:
        """Return the vectors of all nights in order, and bring the file up to date first.

        Vectors that are not finite are left out, and so are those of a damaged table, which is logged. Raises
        StorageError if the file can't be written.
        """
        with self._lock:
            found = change_tokens(self._home.tables / _ASSET, "[0-9]*.parquet")
            paths = {path.stem: path for path in sorted(found, key=lambda path: path.stem)}
            versions = {night: found[path] for night, path in paths.items()}
            if versions == self._seen:
                return self._nights
            if not self._seen:
                self._open()
            known = self._seen.items() & versions.items()
            if len(known) < max(len(self._seen), len(versions)):
                without = self._write(paths, versions, {night for night, _ in known})
                self._open()  # what another process has written meanwhile, if so: the next call compares it again
                self._seen |= {night: versions[night] for night in without - self._seen.keys()}
            else:
                self._seen = versions
            return self._nights

    def _open(self) -> None:
        """Map the file into memory; one that is missing or damaged has no nights."""
        self._nights = []
        try:
            file = pa.ipc.open_file(pa.memory_map(str(self._file)))
            if file.schema == _SCHEMA:
                self._nights = [_of_batch(file.get_batch(k)) for k in range(file.num_record_batches)]
        except (OSError, ValueError, pa.ArrowException) as error:  # damage has many, also of Unicode
            _LOGGER.info("vectors of all nights are collected: %s", error)
        self._seen = {found.night: found.version for found in self._nights}

    def _write(self, paths: Mapping[str, Place], versions: Mapping[str, str], known: set[str]) -> set[str]:
        """Write the file anew, from what it has of the nights `known` and from the tables of the others.

        Return the nights without vectors, which are not in the file.
        """
        without = set(paths)
        old: dict[str, list[NightVectors]] = {}
        for found in self._nights:
            old.setdefault(found.night, []).append(found)
        with atomic_path(self._file) as temporary, pa.ipc.new_file(str(temporary), _SCHEMA) as writer:
            for night, path in paths.items():
                for part in old.get(night, ()) if night in known else _read_night(path, night, versions[night]):
                    if len(part.expnum):
                        writer.write_batch(_batch(part))
                        without.discard(night)
        return without


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


def _batch(found: NightVectors) -> pa.RecordBatch:
    n, dim = found.vectors.shape
    same = (pa.array([text] * n, pa.string()) for text in (found.night, found.version, found.kind))
    ends = pa.array(np.arange(n + 1, dtype=np.int32) * dim)
    embedding = pa.ListArray.from_arrays(ends, pa.array(found.vectors.ravel()))
    return pa.record_batch([*same, pa.array(found.expnum), embedding], schema=_SCHEMA)


def _of_batch(batch: pa.RecordBatch) -> NightVectors:
    batch.validate(full=True)  # Arrow follows damaged offsets out of the file, which ends the process
    night, version, kind = (batch[name][0].as_py() for name in ("night", "version", "kind"))
    vectors = batch["embedding"].flatten().to_numpy()
    return NightVectors(night, version, kind, batch["expnum"].to_numpy(), vectors.reshape(batch.num_rows, -1))
