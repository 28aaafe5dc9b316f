"""Labelled CCDs that were not sampled are read for the training set, and leave the night's tables alone."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from badexp_assets.config.night_options import EntropyParams, PassParams
from badexp_assets.errors import InputError
from badexp_assets.io.parquet_reading import read_table
from badexp_assets.pixels.device_shares import PassSetup
from badexp_assets.pixels.labelled_ccds import read_labelled_ccds
from badexp_assets.pixels.night_pass import run_pass
from badexp_assets.pixels.night_tables import PASS_TABLES
from badexp_assets.survey.cameras import load_camera
from badexp_assets.survey.seeded_sampling import sample_ccds
from badexp_assets_tests.pixels.stand_in import MeanEmbedder

NIGHT = "2018-05-17"
CAMERA = load_camera()
ENTROPY = EntropyParams(gradient_points=100)
PARAMS = PassParams(n_draw=2, preview_height=64, stamps_per_exposure=2)


class Read:
    """A night of two exposures whose pass is done, and the labelled CCDs that are read after it."""

    def __init__(self, folder: Path, tiny_cp) -> None:
        self.archive, self.folder, self.tiny_cp = folder / "cp", folder, tiny_cp
        for expnum in (11, 12):
            tiny_cp.write_cp(self.archive, expnum, time=f"0400{expnum}")
        self.places = {name: folder / name / f"{NIGHT}.parquet" for name in PASS_TABLES}
        self.out = folder / "labelled" / f"{NIGHT}.parquet"
        self.journal = folder / "labelled" / ".journal"
        self.read_night()

    def read_night(self, params=PARAMS) -> None:
        run_pass(self.archive, NIGHT, CAMERA, MeanEmbedder(), ENTROPY, params, self.places)

    def others(self, expnum: int) -> list[int]:
        """CCDs that were not sampled."""
        sampled = sample_ccds(expnum, self.tiny_cp.CCDS.values(), 2)
        return [n for n in sorted(self.tiny_cp.CCDS.values()) if n not in sampled]

    def __call__(self, wanted, embedder=None, params=PARAMS):
        """Return the summary, the table, and the CCDs that were embedded (None: no backbone was loaded)."""
        embedder, loaded = embedder or MeanEmbedder(), []

        def load():
            loaded.append(1)
            return PassSetup(embedder, ENTROPY, params)

        exposures = self.places["night_exposures"]
        summary = read_labelled_ccds(self.archive, NIGHT, CAMERA, wanted, load, exposures, self.out, self.journal)
        return summary, read_table(self.out).set_index(["expnum", "ccdnum"]), embedder.keys if loaded else None


@pytest.fixture
def read(tiny_cp, tmp_path):
    return Read(tmp_path, tiny_cp)


def test_a_labelled_ccd_has_the_vector_and_measurements_that_the_night_pass_would_give(read):
    first, second = read.others(11)
    summary, table, embedded = read({11: {first, second}, 12: {read.others(12)[0]}})
    assert (summary.n_read, summary.n_failed, summary.n_absent, summary.n_new) == (3, 0, 0, 3)
    assert embedded == [(11, first), (11, second), (12, read.others(12)[0])]
    read.read_night(replace(PARAMS, all_ccds=True))
    for name, columns in (
        ("night_ccds", ["sky", "noise", "n_sources", "height", "seeing"]),
        ("night_embeddings", ["embedding", "backbone", "recipe"]),
        ("night_orientations", ["gradient_counts"]),
    ):
        complete = read_table(read.places[name]).set_index(["expnum", "ccdnum"]).loc[table.index]
        for column in columns:
            for mine, its in zip(table[column], complete[column], strict=True):
                np.testing.assert_array_equal(mine, its)


def test_a_label_changes_no_table_of_the_night(read):
    before = {name: place.read_bytes() for name, place in read.places.items()}
    read({11: set(read.others(11))})
    read.read_night()
    assert {name: place.read_bytes() for name, place in read.places.items()} == before


def test_only_missing_ccds_are_read_and_without_any_no_backbone_is_loaded(read):
    first, second = read.others(11)
    read({11: {first}})
    summary, table, embedded = read({11: {first, second}})
    assert (embedded, summary.n_new, len(table)) == ([(11, second)], 1, 2)
    summary, table, embedded = read({11: {first, second}})
    assert (embedded, summary.n_new, len(table)) == (None, 0, 2)
    summary, table, embedded = read({11: {second}})
    assert (embedded, summary.n_new, table.index.tolist()) == (None, 0, [(11, second)])
    assert read({})[1].empty


def test_ccds_that_do_not_exist_or_cannot_be_read_are_rows_with_a_reason(read, tiny_cp):
    first, second = read.others(12)
    names = {number: name for name, number in tiny_cp.CCDS.items()}
    nan = np.full((120, 90), np.nan, np.float32)
    tiny_cp.write_cp(read.archive, 12, time="040012", images={names[first]: nan})
    read.read_night()
    summary, table, _ = read({11: {1}, 12: {first, second, 61}})
    assert (summary.n_read, summary.n_failed, summary.n_absent, summary.n_new) == (1, 1, 2, 4)
    assert table["status"].to_dict() == {
        (11, 1): "absent", (12, first): "failed", (12, second): "read", (12, 61): "absent"
    }  # fmt: skip
    assert table.loc[table["status"] != "read", "status_reason"].notna().all()
    assert table.loc[table["status"] != "read", "embedding"].isna().all()
    assert read({11: {1}, 12: {first, second, 61}})[0].n_new == 0


def test_an_exposure_that_has_gone_since_the_night_was_read_is_counted(read):
    for path in read.archive.rglob("*040011*"):
        path.unlink()
    summary, table, _ = read({11: set(read.others(11)), 12: {read.others(12)[0]}})
    assert (summary.n_read, summary.n_failed) == (1, 2)
    assert table.loc[11, "status_reason"].str.contains("040011").all()


def test_files_and_options_that_changed_are_read_again(read, tiny_cp):
    wanted = {11: {read.others(11)[0]}, 12: {read.others(12)[0]}}
    read(wanted)
    tiny_cp.write_cp(read.archive, 12, time="040012", images={"N4": tiny_cp.tiny_image(99)})
    read.read_night()
    assert {expnum for expnum, _ in read(wanted)[2]} == {12}
    for other, n_new in ((replace(PARAMS, stamps_per_exposure=3), 0), (replace(PARAMS, seed=1), 2)):
        read.read_night(other)
        assert read(wanted, params=other)[0].n_new == n_new


def test_an_interrupted_call_resumes(read):
    class Stops(MeanEmbedder):
        def add_prepared(self, key, prepared):
            if key[0] == 12:
                raise RuntimeError("no more")
            return super().add_prepared(key, prepared)

    wanted = {11: set(read.others(11)), 12: set(read.others(12))}
    with pytest.raises(RuntimeError, match="no more"):
        read(wanted, Stops())
    assert not read.out.exists()
    summary, table, embedded = read(wanted)
    assert {expnum for expnum, _ in embedded} == {12}
    assert (len(table), summary.n_read) == (4, 4)
    assert not read.journal.exists()
    resumed = read.out.read_bytes()
    shutil.rmtree(read.out.parent)
    read(wanted)
    assert read.out.read_bytes() == resumed


def test_a_damaged_table_is_made_again(read):
    wanted = {11: set(read.others(11))}
    read(wanted)
    read.out.write_bytes(read.out.read_bytes()[:100])
    assert read(wanted)[0].n_new == 2
    read.out.write_bytes(b"")
    assert read({})[1].empty


def test_another_backbone_than_that_of_the_night_and_an_unread_exposure_are_refused(read):
    embedder = MeanEmbedder()
    embedder.backbone_id = "median"
    with pytest.raises(InputError, match=r"backbone mean, now it is median; read the night again"):
        read({11: {1}}, embedder)
    with pytest.raises(InputError, match=r"exposure 99 was not read"):
        read({99: {1}})
