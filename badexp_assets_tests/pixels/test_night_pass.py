"""The pass as a whole: nothing is lost silently, and nothing is half written."""

import tracemalloc
from collections import OrderedDict
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from badexp_assets.config.night_options import EntropyParams, PassParams
from badexp_assets.config.settings import load_settings
from badexp_assets.errors import InputError, ModelError
from badexp_assets.io.parquet_reading import read_metadata, read_table
from badexp_assets.io.schemas import SCHEMAS
from badexp_assets.pixels.device_shares import load_pass_setup
from badexp_assets.pixels.night_pass import run_pass
from badexp_assets.pixels.night_tables import BUFFER_ROWS, PASS_TABLES
from badexp_assets.pixels.pass_fingerprint import exposure_key
from badexp_assets.survey.cameras import load_camera
from badexp_assets.survey.seeded_sampling import sample_ccds
from badexp_assets_tests.pixels.stand_in import MeanEmbedder

NIGHT = "2018-05-17"
CAMERA = load_camera()
ENTROPY = EntropyParams(gradient_points=200)
PARAMS = PassParams(n_draw=20, stamps_per_exposure=3, preview_height=128)


def paths(folder: Path) -> dict[str, Path]:
    return {name: folder / name / f"{NIGHT}.parquet" for name in PASS_TABLES}


def go(archive, out, embedder=None, params=PARAMS, **more):
    return run_pass(archive, NIGHT, CAMERA, embedder or MeanEmbedder(), ENTROPY, params, paths(out), **more)


def tables(out):
    return {name: read_table(path) for name, path in paths(out).items()}


def test_a_good_night_fills_every_table_and_the_counts_add_up(tiny_cp, tmp_path):
    for i in range(3):
        tiny_cp.write_cp(tmp_path / "cp", 747382 + i, time=f"04413{i}")
    steps = []
    summary = go(tmp_path / "cp", tmp_path / "out", progress=lambda done, total: steps.append((done, total)))
    found = tables(tmp_path / "out")
    assert (summary.n_found, summary.n_scored, summary.n_ccds_read, summary.n_ccds_failed) == (3, 3, 12, 0)
    assert summary.rows == {name: len(table) for name, table in found.items()}
    assert steps == [(1, 3), (2, 3), (3, 3)]
    for name, table in found.items():
        assert table.columns[: len(SCHEMAS[name].columns)].tolist() == SCHEMAS[name].column_names
        assert not table.duplicated(list(SCHEMAS[name].key)).any()
    ccds = found["night_ccds"]
    assert np.allclose(ccds["sky"], tiny_cp.SKY, atol=2)
    assert np.allclose(ccds["noise"], tiny_cp.NOISE, rtol=0.1)
    vectors = found["night_embeddings"].merge(ccds, on=["expnum", "ccdnum"])
    assert np.allclose(np.stack(vectors["embedding"])[:, 0], vectors["sky"])
    orientations = found["night_orientations"]
    assert (orientations["source_counts"].map(np.sum) == orientations["n_sources"]).all()
    assert (orientations["n_sources"] == ccds["n_sources"]).all()
    assert found["night_stamps"].groupby("expnum").size().le(3).all()
    assert found["night_stamps"]["stamp"].map(len).eq(64 * 64).all()
    assert found["night_previews"]["png"].map(lambda b: b[:4]).eq(b"\x89PNG").all()
    assert set(found["night_previews"]["ccds"]) == {"28,32,35,43"}


def test_every_fault_is_counted_with_its_reason_and_costs_no_more_than_itself(tiny_cp, tmp_path):
    cp = tmp_path / "cp"
    nan, small = np.full((120, 90), np.nan, np.float32), tiny_cp.tiny_image(0, (41, 51))
    tiny_cp.write_cp(cp, 1, time="040100", images={"N4": nan, "N1": None}, with_ood=False)
    tiny_cp.write_cp(cp, 2, time="040200", images={"N4": small, "N1": small.astype(np.float64)}, packed=False)
    tiny_cp.write_cp(cp, 3, time="040300", header={"EXPTIME": 1.0})
    tiny_cp.write_cp(cp, 4, time="040400", images={"N4": nan}, ccds={"N4": 35})
    truncated = tiny_cp.write_cp(cp, 5, time="040500", extname=False)
    truncated.write_bytes(truncated.read_bytes()[:-3000])
    (truncated.parent / "c4d_180518_040600_ooi_r_ls9.fits.fz").write_bytes(truncated.read_bytes()[:2880])
    tiny_cp.write_cp(cp, 2, time="040200", folder="decam/CP/V4.8.2/CP20180517", header={"PLVER": "V4.8.2"})
    of_the_night_before = {"DTCALDAT": "2018-05-16", "MJD-OBS": 58255.17}
    tiny_cp.write_cp(cp, 7, time="040700", header=of_the_night_before)
    summary = go(cp, tmp_path / "out")
    found = tables(tmp_path / "out")
    exposures = found["night_exposures"].set_index("expnum")
    assert summary.n_found == summary.n_scored + summary.n_failed + summary.n_excluded == len(exposures) == 7
    status = exposures["status"].to_dict()
    assert {n: status[n] for n in (1, 2, 3, 4, 5, 7)} == {
        1: "scored", 2: "scored", 3: "excluded", 4: "failed", 5: "scored", 7: "excluded"
    }  # fmt: skip
    assert exposures.loc[exposures["status"] != "scored", "status_reason"].notna().all()
    assert exposures.loc[exposures["status"] == "scored", "status_reason"].isna().all()
    assert exposures["n_ccds_failed"].to_dict() == {1: 2, 2: 0, 3: 0, 4: 1, 5: 1, 7: 0} | {min(status): 0}
    assert exposures.loc[2, "n_superseded"] == 1
    assert exposures["previous_path"].notna().sum() == 1
    assert exposures.loc[2, "previous_path"].startswith("decam/CP/V4.8.2/CP20180517/")
    assert exposures.loc[2, "plver"] == "V5.6S"
    ccds = found["night_ccds"].set_index(["expnum", "ccdnum"])
    failed = ccds[ccds["status"] == "failed"]
    assert failed.index.tolist() == [(1, 32), (1, 35), (4, 35), (5, 43)]
    assert failed["status_reason"].str.contains(r"\[N").all()
    assert not ccds.loc[1]["has_mask"].any()
    assert ccds.loc[2]["has_mask"].all()
    read = ccds[ccds["status"] == "read"]
    for name in ("night_embeddings", "night_orientations"):
        assert sorted(zip(found[name]["expnum"], found[name]["ccdnum"], strict=True)) == sorted(read.index)
    assert set(found["night_previews"]["expnum"]) == {1, 2, 5}
    planes = found["night_mosaic_embeddings"].set_index("expnum")
    assert planes["n_ccds"].to_dict() == {1: 2, 2: 4, 5: 3}  # an exposure without a readable CCD has no mosaic
    assert set(planes["recipe"]) == {"mosaic-none-1"}
    assert found["night_focal_planes"].groupby("expnum").size().to_dict() == planes["n_ccds"].to_dict()


def test_exposures_of_tables_without_paths_of_previous_reductions_are_not_read_again(tiny_cp, tmp_path):
    tiny_cp.write_cp(tmp_path / "cp", 1, time="040100")
    go(tmp_path / "cp", tmp_path / "out")
    file = paths(tmp_path / "out")["night_exposures"]
    pq.write_table(pq.read_table(file).drop_columns(["previous_path"]), file)  # as an earlier version wrote it
    assert go(tmp_path / "cp", tmp_path / "out").reused
    tiny_cp.write_cp(tmp_path / "cp", 2, time="040200")
    tiny_cp.write_cp(tmp_path / "cp", 2, time="040200", folder="decam/CP/V4.8.2/CP20180517", header={"PLVER": "V4.8.2"})
    assert go(tmp_path / "cp", tmp_path / "out").n_taken_over == 1
    found = tables(tmp_path / "out")["night_exposures"].set_index("expnum")["previous_path"]
    assert found.isna().to_dict() == {1: True, 2: False}
    key = {"expnum": 1, "previous_path": None}
    assert exposure_key({}, key) == exposure_key({}, {"expnum": 1}) != exposure_key({}, key | {"previous_path": "a"})


def test_sampled_ccds_are_measured_and_no_others(tiny_cp, tmp_path):
    tiny_cp.write_cp(tmp_path / "cp", 11)
    drawn = sample_ccds(11, tiny_cp.CCDS.values(), 2)
    params = replace(PARAMS, n_draw=2)
    go(tmp_path / "cp", tmp_path / "out", params=params)
    found = tables(tmp_path / "out")
    for name in ("night_ccds", "night_embeddings", "night_orientations"):
        assert sorted(found[name]["ccdnum"]) == sorted(drawn)
    assert found["night_ccds"]["drawn"].all()
    assert set(found["night_stamps"]["ccdnum"]) <= set(drawn)
    go(tmp_path / "cp", tmp_path / "all", params=replace(params, all_ccds=True))
    assert len(tables(tmp_path / "all")["night_ccds"]) == 4


def test_a_night_without_files_gives_empty_tables(tmp_path):
    (tmp_path / "cp" / "CP20180517").mkdir(parents=True)
    summary = go(tmp_path / "cp", tmp_path / "out")
    assert summary.n_found == 0
    assert set(summary.rows.values()) == {0}
    assert go(tmp_path / "cp", tmp_path / "out").reused


@pytest.mark.slow
def test_an_unchanged_night_is_not_read_again_and_a_changed_one_is(tiny_cp, tmp_path):
    cp, out = tmp_path / "cp", tmp_path / "out"
    ooi = tiny_cp.write_cp(cp, 11)
    first, again = MeanEmbedder(), MeanEmbedder()
    one, two = go(cp, out, first), go(cp, out, again)
    assert (one.reused, two.reused, first.seen, again.seen) == (False, True, 4, 0)
    assert (one.n_found, one.n_scored, one.rows) == (two.n_found, two.n_scored, two.rows)
    assert read_metadata(paths(out)["night_stamps"])["fingerprint"]
    assert not go(cp, out, params=replace(PARAMS, seed=1)).reused
    assert go(cp, out, params=replace(PARAMS, seed=1, batch_size=2)).reused
    paths(out)["night_previews"].unlink()
    assert not go(cp, out, params=replace(PARAMS, seed=1)).reused
    ooi.touch()
    assert not go(cp, out, params=replace(PARAMS, seed=1)).reused


def test_an_error_in_the_middle_changes_no_table_and_leaves_no_vector_behind(tiny_cp, tmp_path):
    cp, out = tmp_path / "cp", tmp_path / "out"
    tiny_cp.write_cp(cp, 11)
    go(cp, out)
    before = {path: path.read_bytes() for path in paths(out).values()}
    for i in (12, 13):
        tiny_cp.write_cp(cp, i, time=f"0500{i}")

    class Breaks(MeanEmbedder):
        def add_prepared(self, *arguments):
            if self.seen == 5:
                raise ModelError("the network broke")
            return super().add_prepared(*arguments)

    embedder = Breaks()
    with pytest.raises(ModelError, match="broke"):
        go(cp, out, embedder=embedder)
    assert embedder.waiting == []
    assert {path: path.read_bytes() for path in paths(out).values()} == before
    rest = MeanEmbedder()
    summary = go(cp, out, embedder=rest)
    assert (summary.n_taken_over, summary.n_resumed, summary.n_discarded, rest.seen) == (1, 1, 0, 4)
    assert sorted(p.name for p in out.rglob("*") if p.is_file()) == [f"{NIGHT}.parquet"] * len(PASS_TABLES)


def test_a_backbone_that_loses_an_image_is_found_out(tiny_cp, tmp_path):
    tiny_cp.write_cp(tmp_path / "cp", 11)
    with pytest.raises(ModelError, match="no vector for"):
        go(tmp_path / "cp", tmp_path / "out", embedder=MeanEmbedder(loses=1))


def test_a_missing_archive_and_a_missing_path_are_named(tmp_path):
    with pytest.raises(InputError, match="no such folder"):
        go(tmp_path / "cp", tmp_path / "out")
    (tmp_path / "cp").mkdir()
    out = {k: v for k, v in paths(tmp_path).items() if k != "night_stamps"}
    with pytest.raises(InputError, match="night_stamps"):
        run_pass(tmp_path / "cp", NIGHT, CAMERA, MeanEmbedder(), ENTROPY, PARAMS, out)


def test_two_passes_give_the_same_tables(tiny_cp, tmp_path):
    tiny_cp.write_cp(tmp_path / "cp", 11)
    for out in ("a", "b"):
        go(tmp_path / "cp", tmp_path / out)
    for name in PASS_TABLES:
        assert paths(tmp_path / "a")[name].read_bytes() == paths(tmp_path / "b")[name].read_bytes()


@pytest.mark.slow
def test_memory_does_not_grow_with_the_number_of_exposures(tiny_cp, tmp_path, monkeypatch):
    # buffers smaller than a night, so that what is kept for the whole night would show
    for name in PASS_TABLES:
        monkeypatch.setitem(BUFFER_ROWS, name, 4)
    for i in range(8):
        images = {name: tiny_cp.tiny_image(i, (400, 300)) for name in tiny_cp.CCDS}
        tiny_cp.write_cp(tmp_path / ("few" if i < 2 else "many"), 20 + i, time=f"04010{i}", images=images)
        if i < 2:
            tiny_cp.write_cp(tmp_path / "many", 20 + i, time=f"04010{i}", images=images)
    params = replace(PARAMS, n_draw=4)  # as many CCDs as are measured ahead, which "few" fill as "many" do
    go(tmp_path / "few", tmp_path / "warm", params=params)  # imports and compiled code are not what is measured
    peaks = {}
    for archive in ("few", "many"):
        tracemalloc.start()
        go(tmp_path / archive, tmp_path / f"out-{archive}", params=params)
        peaks[archive] = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peaks["many"] < 1.15 * peaks["few"] + 200_000


@pytest.mark.slow
def test_the_real_backbone_embeds_the_real_cutouts(shared_data, tmp_path):
    settings = load_settings(tmp_path / "home")
    options = {
        "night_pass": {"rows": 64, "columns": 32, "focal_plane_size": 160, "batch_size": 4, "preview_height": 128}
    }
    machine = load_pass_setup(replace(settings, sections=options))
    archive = shared_data / "cutouts" / "case6" / "images"
    out = {name: tmp_path / f"{name}.parquet" for name in PASS_TABLES}
    summary = run_pass(archive, "2018-12-14", CAMERA, *machine, out)
    assert (summary.n_scored, summary.n_ccds_failed) == (2, 0)
    vectors = np.stack(read_table(out["night_embeddings"])["embedding"])
    assert vectors.shape == (2, machine.embedder.dim)
    assert np.isfinite(vectors).all()


@pytest.mark.slow
def test_the_second_night_of_a_process_compiles_no_network(tiny_cp, tmp_path, monkeypatch):
    openvino = pytest.importorskip("openvino")
    tiny_cp.write_cp(tmp_path / "cp", 11)
    compile_model, compiled = openvino.Core.compile_model, []

    def counted(self, network, *options):
        compiled.append(tuple(network.input().shape))
        return compile_model(self, network, *options)

    monkeypatch.setattr(openvino.Core, "compile_model", counted)
    monkeypatch.setattr("badexp_assets.vision.openvino_engine._compiled", OrderedDict())
    options = {"rows": 128, "columns": 32, "focal_plane_size": 192, "preview_height": 0}
    settings = replace(load_settings(tmp_path / "home"), sections={"night_pass": options})
    for night in ("first", "second"):
        machine = load_pass_setup(settings)
        run_pass(tmp_path / "cp", NIGHT, CAMERA, *machine, paths(tmp_path / night))
        assert len(compiled) == len(set(compiled)) == 3  # CCDs, the focal plane, and for the tokens of its CCDs


def test_unknown_options_are_named(tmp_path):
    settings = replace(load_settings(tmp_path), sections={"night_pass": {"n_drawn": 3}})
    with pytest.raises(InputError, match=r"n_drawn.*n_draw"):
        load_pass_setup(settings)
