"""A verdict reads at most the CCD that it names, leaves every night fresh, and reaches the classifier."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from badexp_assets.commands.asset_text import load
from badexp_assets.commands.dagster_home import environment
from badexp_assets.commands.graph_run import Runner
from badexp_assets.commands.run_output import TerminalProgress
from badexp_assets.config.home import Home
from badexp_assets.config.settings import load_settings
from badexp_assets.defs import jobs
from badexp_assets.defs.assets.labelled_ccds import nights_to_read
from badexp_assets.io.models import current_version, list_models
from badexp_assets.io.place import change_tokens
from badexp_assets.pixels.night_tables import PASS_TABLES
from badexp_assets.review.store import VerdictStore
from badexp_assets_tests.homes import copy_home
from badexp_assets_tests.repository import PYTHON_PATH, REPOSITORY

pytestmark = pytest.mark.slow

# nightly tables that no label and no model made from labels has an influence on
INDEPENDENT = (*PASS_TABLES, "night_entropy_scores", "night_reconstruction_errors")


def stale_nights(home: Home, nights: list[str]) -> set[tuple[str, str]]:
    """(asset, night) of INDEPENDENT that Dagster does not call fresh."""
    per_night = " ".join(f'n{i}: staleStatus(partition: "{night}")' for i, night in enumerate(nights))
    keys = ", ".join(f'{{path: ["{name}"]}}' for name in INDEPENDENT)
    query = f"{{ assetNodes(assetKeys: [{keys}]) {{ assetKey {{ path }} {per_night} }} }}"
    command = [Path(sys.executable).with_name("dagster-graphql"), "-w", "workspace.yaml", "-t", query]
    given = {"DAGSTER_HOME": str(home.dagster), "BADEXP_HOME": str(home.root), "PYTHONPATH": PYTHON_PATH}
    result = subprocess.run(command, cwd=REPOSITORY, env=os.environ | given, capture_output=True, text=True, check=True)
    answer = next(line for line in result.stdout.splitlines() if line.startswith("{"))  # others are of the code server
    nodes = {n["assetKey"]["path"][-1]: n for n in json.loads(answer)["data"]["assetNodes"]}
    return {(name, night) for name in INDEPENDENT for i, night in enumerate(nights) if nodes[name][f"n{i}"] != "FRESH"}


def test_a_verdict_reads_one_ccd_leaves_all_nights_fresh_and_refits_the_classifier(finished_home, tmp_path):
    home = copy_home(Home(finished_home), tmp_path / "home")
    ccds, listed = load(home, "night_ccds"), set(load(home, "bad_ccd_labels")["expnum"])
    exposures = load(home, "night_exposures")
    expnum = int(exposures.loc[(exposures["status"] == "scored") & ~exposures["expnum"].isin(listed), "expnum"].min())
    read = set(ccds.loc[ccds["expnum"] == expnum, "ccdnum"])
    labelled = load(home, "labelled_ccd_embeddings")
    other = next(n for n in sorted(set(labelled["ccdnum"])) if n not in read)
    nights = home.nights("night_exposures")
    assert stale_nights(home, nights) == set()
    before = {name: change_tokens(home.tables / name, "*.parquet") for name in INDEPENDENT}
    model = current_version(home.models / "fitted_classifier")

    answer = {"expnum": expnum, "verdict": "bad", "category": "psf"}
    rows = [answer | {"ccdnum": ccdnum, "reviewer": name} for ccdnum in (other, min(read)) for name in ("ana", "ben")]
    VerdictStore(load_settings(home.root).verdicts).add(pd.DataFrame(rows))
    settings = load_settings(home.root)
    with environment(settings):
        runner = Runner(settings, lambda text: None, TerminalProgress())
        runner.execute(jobs.READ_LABELS)
        night = str(exposures.loc[exposures["expnum"] == expnum, "night"].iloc[0])
        assert night in nights_to_read(settings, nights)
        for each in nights_to_read(settings, nights):
            runner.execute(jobs.READ_LABELLED_CCDS, each)
        runner.execute(jobs.FIT_CLASSIFIER, assets=["labels_without_image", "training_set", "fitted_pipeline"])
        runner.execute(jobs.FIT_CLASSIFIER, assets=["fitted_classifier"])

    assert {name: change_tokens(home.tables / name, "*.parquet") for name in INDEPENDENT} == before
    after = load(home, "labelled_ccd_embeddings")
    both = after.merge(labelled[["expnum", "ccdnum"]], on=["expnum", "ccdnum"], how="left", indicator=True)
    assert both.loc[both["_merge"] == "left_only", ["expnum", "ccdnum"]].to_numpy().tolist() == [[expnum, other]]
    assert stale_nights(home, nights) == set()
    used = load(home, "training_set").set_index(["expnum", "ccdnum"])["category"]
    assert used[expnum].to_dict() == {min(read): "psf", other: "psf"}
    versions = set(list_models(home.models / "fitted_classifier")["version"])
    assert versions > {model}
