"""Presets: the options of the papers, and what takes precedence over what."""

import math
import re
import tomllib

import pytest

from badexp_assets.config.options import Options
from badexp_assets.config.presets import apply_presets, load_preset, preset_names, read_assignments
from badexp_assets.config.settings import load_settings, save_settings
from badexp_assets.errors import InputError
from badexp_assets_tests.repository import REPOSITORY

# Luo et al. 2025 (arXiv:2507.12784), and Alonso, Zhang & Li (arXiv:2310.15481), by hand from the papers.
PUBLISHED = {
    "vit-knn-2025": {
        "backbone": "dinov2_vitb14_reg",
        "night_pass.recipe": "paper",
        "night_pass.rows": 168 * 14,
        "night_pass.columns": 84 * 14,
        "night_pass.n_draw": 20,
        "night_pass.precision": "float32",
        "training.good_exposures": 2000,
        "training.ccds_per_exposure": 5,
        "training.max_ebv": 0.04,
        "training.thin": ("clouds_transparency=1/3", "ghost_scatter=1/2", "nobjects=3/4"),
        "training.thin_above": 0,
        "training.max_ccds_per_bad_exposure": 0,
        "training.test_fraction": 0.3,
        "training.folds": 3,
        "training.hold_out_nights": (),
        "training.split_by": "exposure",  # published: by row, which the check of training_set refuses
        "search.sampler": "random",
        "search.use_best": False,
        "pipeline.scaler": "minmax",
        "pipeline.n_components": 15,
        "pipeline.variance_threshold": 0.001,
        "pipeline.n_neighbors": 7,
        "pipeline.metric": "manhattan",
        "classifier.kind": "paper",
        "vote.min_probability": 0.9,
        "vote.n_draw": 20,
        "vote.min_bad": 10,
        "candidates.classifier_top_fraction": 0.0,
        "clusters.n_images": 10_000,
        "clusters.n_images_3d": 10_000,
        "clusters.min_cluster_size": 10,
        "clusters.n_components": 15,
        "clusters.perplexity": 50.0,
    },
    "entropy-2024": {
        "night_pass.all_ccds": True,
        "night_pass.stamps_per_exposure": 1_000_000,
        "entropy.detection_sigma": 4.0,
        "entropy.segment_sigma": 2.0,
        "entropy.min_segment_pixels": 7,
        "entropy.stamp_size": 64,
        "entropy.light_fraction": 0.02,
        "entropy.moments": "stamp",
        "entropy.background_points": 1000,
        "entropy.background_trim": 0.1,
        "entropy.clip_sigma": math.inf,
        "entropy.smoothing": 10,
        "entropy.gradient_points": 10_000,
        "entropy.half_width": 5,
        "entropy.min_sources": 1,
        "entropy.min_points_fraction": 0.0,
        "entropy.reference": "mean",
        "entropy.rank_by": "kl",
        "autoencoder.n_stamps": 10_000,
        "autoencoder.validation_fraction": 0.2,
        "autoencoder.epochs": 500,
        "autoencoder.patience": 0,
        "candidates.entropy_top_fraction": 0.1,
        "candidates.entropy_min_kl": 0.0,
        "candidates.min_sources": 1,
        "candidates.autoencoder_top_fraction": 0.1,
        "candidates.autoencoder_min_z": 0.0,
        "candidates.min_stamps": 1,
        "comparison.top_fraction": 0.1,
        "comparison.bins": 10,
        "comparison.min_sources": 1,
        "comparison.min_stamps": 1,
        "comparison.unsure": "dubious",
        "comparison.train_split": True,
    },
}
NOTHING = read_assignments([])


def applied(home, *names, assigned=(), **given):
    presets = [load_preset(name) for name in names]
    return apply_presets(load_settings(home, **given), presets, read_assignments(assigned), given)


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_preset_sets_every_option_of_the_paper_to_its_value(name):
    preset = load_preset(name)
    found = {f"{section}.{option}" for section, option, _ in preset.assignments} | set(preset.values)
    assert found == set(PUBLISHED[name])
    for place, value in PUBLISHED[name].items():
        section, _, option = place.partition(".")
        assert (getattr(getattr(preset.options, section), option) if option else preset.values[section]) == value


def test_there_is_a_table_for_every_preset():
    assert preset_names() == sorted(PUBLISHED)


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_documentation_lists_every_option_of_a_preset_with_its_value(name):
    page = (REPOSITORY / "docs" / "presets.md").read_text(encoding="utf-8")
    part = page[page.index(f"## {name}") :]
    part = part[: part.find("\n## ", 5)]
    rows = dict(re.findall(r"^\| `([^`]+)` \| `([^`]+)` \|", part, re.MULTILINE))
    assert set(rows) == set(PUBLISHED[name])
    for place, text in rows.items():
        expected = PUBLISHED[name][place]
        value = tomllib.loads(f"value = {text}")["value"]
        assert (tuple(value) if isinstance(value, list) else value) == expected, place


def test_an_unknown_preset_names_those_that_exist():
    with pytest.raises(InputError, match=r"^preset 'knn' is not known; known: entropy-2024, vit-knn-2025$"):
        load_preset("knn")


def test_both_presets_fit_together_and_are_stored_as_they_are(tmp_path):
    settings, lines = applied(tmp_path, *PUBLISHED)
    assert lines == []
    save_settings(settings)
    again = load_settings(tmp_path)
    assert again.backbone == "dinov2_vitb14_reg"
    for places in PUBLISHED.values():
        for place, value in places.items():
            section, _, option = place.partition(".")
            if option:
                assert getattr(getattr(again.options, section), option) == value
    text = (tmp_path / "settings.toml").read_text()
    save_settings(applied(tmp_path, *PUBLISHED)[0])
    assert (tmp_path / "settings.toml").read_text() == text


def test_a_preset_replaces_values_of_the_home_and_says_so(tmp_path):
    (tmp_path / "settings.toml").write_text(
        'backbone = "efficientnet_lite0"\n[night_pass]\nrows = 96\nbatch_size = 4\n[vote]\nmin_bad = 10\n'
    )
    settings, lines = applied(tmp_path, "vit-knn-2025")
    assert lines == [
        "vit-knn-2025: backbone = 'dinov2_vitb14_reg' replaces 'efficientnet_lite0'",
        "vit-knn-2025: [night_pass] rows = 2352 replaces 96",
    ]
    assert (settings.options.night_pass.rows, settings.options.night_pass.batch_size) == (2352, 4)


def test_the_command_line_takes_precedence_over_a_preset_and_both_over_the_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("BADEXP_BACKBONE", "dinov2_vits14_reg")
    settings, lines = applied(tmp_path, "vit-knn-2025")
    assert settings.backbone == "dinov2_vitb14_reg"
    assert lines == ["vit-knn-2025: backbone = 'dinov2_vitb14_reg' replaces 'dinov2_vits14_reg'"]
    assigned = ["night_pass.rows=96", "vote.min_bad = 10", "night_pass.device=cpu,cpu"]
    settings, lines = applied(tmp_path, "vit-knn-2025", assigned=assigned, backbone="dinov2_vitl14_reg")
    assert settings.backbone == "dinov2_vitl14_reg"
    assert (settings.options.night_pass.rows, settings.options.night_pass.device) == (96, "cpu,cpu")
    assert lines == [
        "vit-knn-2025: backbone = 'dinov2_vitb14_reg' gives way to --backbone dinov2_vitl14_reg",
        "vit-knn-2025: [night_pass] rows = 2352 gives way to --set",
    ]


def test_presets_that_contradict_each_other_are_refused_unless_the_command_line_decides(tmp_path):
    one, two = load_preset("entropy-2024"), read_assignments(["comparison.bins=5"])
    with pytest.raises(
        InputError, match=r"\[comparison\] bins is 10 in entropy-2024 and 5 in --set; choose with --set"
    ):
        apply_presets(load_settings(tmp_path), [one, two], NOTHING, {})
    chosen = read_assignments(["comparison.bins=7"])
    settings, _ = apply_presets(load_settings(tmp_path), [one, two], chosen, {})
    assert settings.options.comparison.bins == 7


@pytest.mark.parametrize("text", ["rows=3", "night_pass.rows", "nights.rows=3", "night_pass.=3"])
def test_an_assignment_in_another_form_is_refused(text):
    with pytest.raises(InputError, match=rf"^--set {re.escape(text)}: SECTION.OPTION=VALUE is needed"):
        read_assignments([text])


def test_blanks_around_the_parts_of_an_assignment_do_not_matter():
    assert read_assignments([" vote . min_bad = 3 "]).sections == {"vote": {"min_bad": 3}}


@pytest.mark.parametrize("names", [[], ["vit-knn-2025"]])
def test_a_value_where_a_section_is_needed_is_refused_like_elsewhere(tmp_path, names):
    (tmp_path / "settings.toml").write_text("night_pass = 5\n")
    with pytest.raises(InputError, match=r"settings\.toml: night_pass is 5; a section \[night_pass\] is needed"):
        applied(tmp_path, *names)


def test_an_assigned_option_is_checked_like_one_of_the_file(tmp_path):
    settings, _ = applied(tmp_path, assigned=["night_pass.rows=many"])
    with pytest.raises(InputError, match=r"settings\.toml \[night_pass\]: rows is 'many'; a whole number"):
        assert isinstance(settings.options, Options)
