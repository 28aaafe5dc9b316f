"""`badexp run --preset`: the published methods on a small simulated survey."""

import pandas as pd
import pytest

from badexp_assets.config.home import Home
from badexp_assets.config.settings import load_settings
from badexp_assets.io.parquet_reading import read_table
from badexp_assets_tests.commands.homes import part_of_survey

SMALL = [
    "night_pass.device=cpu",
    "night_pass.focal_plane_size=160",
    "entropy.gradient_points=500",
    "autoencoder.epochs=3",
    "clusters.n_images_3d=0",
    "report.draws=20",
    "report.night_folds=0",
]


def all_rows(home: Home, asset: str) -> pd.DataFrame:
    return pd.concat([read_table(home.table(asset, night)) for night in home.nights(asset)])


def sets(*assigned: str) -> list[str]:
    return [word for text in (*SMALL, *assigned) for word in ("--set", text)]


@pytest.mark.slow
def test_vit_knn_runs_with_dinov2_and_its_vote_decides(badexp, tmp_path, simulated_survey, tables_in_folder):
    from benchmarks.embedding import random_dinov2, save_network

    weights = tmp_path / "model.safetensors"
    save_network(random_dinov2("dinov2_vitb14_reg", 0, small=True), weights)
    home = Home(tmp_path / "home")
    code, _, error = badexp("weights", "fetch", "dinov2_vitb14_reg", "--source", weights, "--home", home.root)
    assert (code, error) == (0, "")
    words = ["--home", home.root, "--archive", simulated_survey / "images", "--labels", simulated_survey / "labels"]
    small = sets("night_pass.rows=56", "night_pass.columns=28", "training.max_ebv=inf")
    code, said, error = badexp("run", "--preset", "vit-knn-2025", *words, *small)
    assert (code, error) == (0, ""), said
    assert "vit-knn-2025: [night_pass] rows = 2352 gives way to --set" in said
    verdicts = all_rows(home, "night_exposure_predictions")
    assert verdicts["rule"].str.contains(r"\(10 of 20\)").all()
    embeddings = all_rows(home, "night_embeddings")
    assert embeddings["backbone"].str.startswith("dinov2_vitb14_reg-").all()
    assert set(embeddings["recipe"]) == {"paper-1-56x28"}
    settings = load_settings(home.root)
    assert (settings.backbone, settings.options.classifier.kind) == ("dinov2_vitb14_reg", "paper")
    page = home.report.read_text()
    assert "as in their Figure 5" in page
    assert "as in Figure 9 of Luo et al. 2025" in page


@pytest.mark.slow
def test_entropy_ranks_by_the_divergence_of_all_ccds(badexp, tmp_path, simulated_survey, tables_in_folder):
    part_of_survey(simulated_survey, tmp_path / "survey", 2, 12)
    home = Home(tmp_path / "home")
    words = ["--home", home.root, "--archive", tmp_path / "survey" / "images"]
    small = sets("night_pass.n_draw=2", "night_pass.rows=64", "night_pass.columns=32")
    code, said, error = badexp("run", "--preset", "entropy-2024", *words, *small)
    assert (code, error) == (0, ""), said
    assert "entropy-2024: [entropy] gradient_points = 10000 gives way to --set" in said
    scores = all_rows(home, "night_entropy_scores")
    assert (scores.loc[scores["n_ccds"] > 0, "n_ccds"] > 2).all()
    stamps = all_rows(home, "night_stamps").groupby("expnum").size()
    sources = scores.set_index("expnum")["n_sources"]
    assert (stamps == sources.reindex(stamps.index)).all()
    candidates = read_table(home.table("review_candidates"))
    found = candidates["why"].str.contains("KL = ")
    assert found.any()
    assert not candidates["why"].str.contains("entropy of [a-z ]* z = ").any()
    highest = scores[scores["night"].notna()].sort_values("kl_source").groupby("filter")["expnum"].last()
    assert set(highest) <= set(candidates.loc[candidates["why"].str.contains("sources KL"), "expnum"])
