"""Label files behind a URL and a taxonomy of the users, through Dagster on a home in which the whole graph has run."""

import dagster as dg
import fsspec
import pytest

from badexp_assets.commands.asset_text import load
from badexp_assets.commands.dagster_home import environment
from badexp_assets.commands.graph_run import Runner
from badexp_assets.config.home import Home
from badexp_assets.config.settings import load_settings
from badexp_assets.defs import jobs
from badexp_assets.defs.resources import Progress
from badexp_assets.errors import InputError
from badexp_assets.io.models import load_current
from badexp_assets.io.parquet_reading import read_metadata
from badexp_assets.labels.taxonomy_file import load_taxonomy
from badexp_assets_tests.homes import copy_home, read_bytes

TAXONOMY = """extends = "packaged"
categories = ["tracking_lost"]

[[entry]]
source = "decals"
pattern = 'telescope|tracking'
category = "tracking_lost"
why = "A name of our own for the telescope moving."
"""
MEMORY = "memory://survey/labels"


@pytest.fixture
def bucket(simulated_survey):
    store = fsspec.filesystem("memory")
    store.put(str(simulated_survey / "labels"), "/survey/", recursive=True)
    yield store
    if store.exists("/survey"):
        store.rm("/survey", recursive=True)


@pytest.fixture
def settings(finished_home, tmp_path, bucket):
    copy_home(Home(finished_home), tmp_path / "home")
    (tmp_path / "mine.toml").write_text(TAXONOMY)
    return load_settings(tmp_path / "home", labels=MEMORY, taxonomy=tmp_path / "mine.toml")


def runner(settings, monkeypatch) -> Runner:
    monkeypatch.setenv("BADEXP_LABELS", ",".join(settings.labels))
    monkeypatch.setenv("BADEXP_TAXONOMY", str(settings.taxonomy))
    return Runner(settings, lambda line: None, Progress())


@pytest.mark.slow
def test_a_category_of_the_users_reaches_the_training_set_and_the_classifier(settings, monkeypatch):
    home = settings.home
    before = load(home, "bad_ccd_labels")
    night = "2018-03-10"
    first = read_metadata(home.table("night_embeddings", night))
    with environment(settings):
        run = runner(settings, monkeypatch)
        [note] = run.execute(jobs.READ_LABELS)
        assert "labels lost since the last run: telescope_moving" in note
        run.execute(jobs.READ_NIGHT, night)
        run.execute(jobs.FIT_CLASSIFIER, assets=["training_set", "fitted_pipeline"])
        with dg.DagsterInstance.get() as instance:
            event = instance.get_latest_materialization_event(dg.AssetKey("bad_ccd_labels"))
    after = load(home, "bad_ccd_labels")
    renamed = before["category"].eq("telescope_moving") & before["source"].eq("decals")
    assert renamed.any()
    expected = before["category"].where(~renamed, "tracking_lost")
    assert after["category"].tolist() == expected.tolist()
    assert after["file"].tolist() == before["file"].tolist()
    assert "tracking_lost" in set(load(home, "training_set")["category"])
    assert "tracking_lost" in load_current(home.models / "fitted_pipeline").categories
    taxonomy = load_taxonomy(settings.taxonomy)
    recorded = event.asset_materialization.metadata["taxonomy"].value
    assert recorded == f"{settings.taxonomy}, extends packaged (sha256 {taxonomy.sha256[:16]})"
    # the same CCDs have a label, so no pixels are read again
    assert read_metadata(home.table("night_embeddings", night)) == first


@pytest.mark.slow
def test_a_source_that_can_not_be_read_fails_the_run_and_its_labels_stay(settings, bucket, monkeypatch):
    with environment(settings):
        run = runner(settings, monkeypatch)
        run.execute(jobs.READ_LABELS)
        stored = read_bytes(settings.home.table("bad_ccd_labels"))
        bucket.rm("/survey", recursive=True)
        with pytest.raises(InputError, match=f"{MEMORY}: can't be read"):
            run.execute(jobs.READ_LABELS)
        assert read_bytes(settings.home.table("bad_ccd_labels")) == stored
        run.execute(jobs.PUBLISH_REJECTS)  # on the state of the source that the labels were made from


@pytest.mark.slow
def test_assets_below_label_files_read_one_state_of_a_source(settings, bucket, monkeypatch):
    with environment(settings):
        run = runner(settings, monkeypatch)
        run.execute(jobs.READ_LABELS)
        before = load(settings.home, "decals_bad_exposures")
        name = next(path for path in bucket.find("/survey/labels") if "bad_expid" in path)
        bucket.pipe(name, b"1 1\n")
        run.execute(jobs.READ_LABELS, assets=["decals_bad_exposures"])
        assert load(settings.home, "decals_bad_exposures").equals(before)
        run.execute(jobs.READ_LABELS)
        assert load(settings.home, "decals_bad_exposures")["expnum"].tolist() == [1]


@pytest.mark.slow
def test_an_asset_whose_source_was_never_fetched_says_what_to_do(settings, monkeypatch):
    with environment(settings):
        run = runner(settings, monkeypatch)
        with pytest.raises(InputError, match=f"{MEMORY}: not fetched yet; materialise label_files first"):
            run.execute(jobs.READ_LABELS, assets=["decals_bad_exposures"])


@pytest.mark.slow
def test_several_sources_are_told_apart_in_the_tables(settings, simulated_survey, monkeypatch):
    both = load_settings(settings.home.root, labels=[MEMORY, simulated_survey / "labels"], taxonomy=settings.taxonomy)
    with environment(both):
        runner(both, monkeypatch).execute(jobs.READ_LABELS)
    listed = load(both.home, "label_files")
    assert listed["file"].is_unique
    assert listed["file"].str.startswith(f"{MEMORY}/").sum() * 2 == len(listed)
    labels = load(both.home, "bad_ccd_labels")
    assert (labels["n_sources"] >= 2).all()
