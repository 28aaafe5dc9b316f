"""Every reason that the DES and DELVE teams write has the category that they mean.

The reasons are those of des_exclude_y6a2.fits and delve_exclude_20230725.fits, as the notebook build_dataset.ipynb of
Luo et al. prints them (github.com/Brookluo/ssl-bad-exposure-identification).
"""

import pandas as pd
import pytest

from badexp_assets.labels.bad_expid import read_bad_expid
from badexp_assets.labels.label_files import find_label_files, read_delve
from badexp_assets.labels.taxonomy_file import load_taxonomy

TAXONOMY = load_taxonomy()

# category None: ignored
DES_Y6A2 = {
    "clouds_transparency": [
        "CloudPlusBackground", "Clouds", "Clouds/High-background", "Heavy Clouds", "HeavyCloud", "HeavyClouds",
    ],
    "nobjects": ["Skysub+NOBJ"],
    "few_sources": ["no stars"],
    "ghost_scatter": ["Ghost/Scatter", "Ghost/Scatter R Dor"],
    "psf": ["BadPSFModel", "double", "double/elongated", "4map problems", "Bad coma in donuts", "Mirror support"],
    "out_of_focus": ["Out of focus"],
    "telescope_moving": [
        "TelescopeMoving", "Telescope moving", "Telescope moved", "telescope moved", "Guide fail", "Earthquake",
        "No guiding... drifts",
    ],
    "noise": ["Noise", "Noise bkpl 1", "Herring-bone pattern"],
    "wonky": ["Horrible pattern"],
    "saturated": ["Saturated/Shutter"],
    "nonoptimal_exposure": ["OfflineTestPoorTeff"],
    "readout": [
        "All zero", "BAD_READ", "BAD_READOUT", "Bad readout", "Weird readout", "Blank", "BlankImage", "NoVsubFlush",
        "Vsub on, not cleared", "Shutter Failure",
    ],
    "streak": ["Airplane", "Airplane/Streak", "ISS", "Meteor", "Meteor/Streak", "Streak", "geosync/Streak"],
    "bright_star": ["BrightStar", "EdgeBleedAnomaly"],
    "sky_background": ["ExtremeBackground"],
    "dome_occultation": ["DOME", "Dome (from Wyatt)", "DomeOcclusion"],
    "processing": ["CorruptY6A1Prod", "Y1A1 corrupt image", "catalog failure"],
    "astrometry": ["Y6A1_Astromety_substandard"],
    "flat_field": ["z-domeflat shutter problem"],
    "nebula": ["CometLovejoy"],
    "other": ["FGCMFailure"],
    None: ["Does not exist"],
}  # fmt: skip
DELVE_2023 = {
    "clouds_transparency": ["Clouds"],
    "nobjects": ["NObjects", "Sky/NObjects"],
    "ghost_scatter": ["Ghost/Scatter", "Ghosting"],
    "psf": ["PSF", "Active Optics Failed", "Hexapod Update", "Mirror Issue"],
    "out_of_focus": ["Out of Focus"],
    "telescope_moving": ["Telescope Moving", "Telescope Tracking", "Guider Failed", "High Wind"],
    "noise": ["Noise", "Noisy Backplane"],
    "wonky": ["Wonky"],
    "bad_ccd": ["Bad CCD"],
    "fringing": ["Fringing"],
    "readout": ["Readout", "Blank", "VSUB Off"],
    "streak": ["Streak"],
    "bright_star": ["Achernar", "Alnair", "Arcturus", "Canopus", "Gamma Eri", "Rigel"],
    "nebula": ["Flame Nebula", "Orion Nebula", "Rho Ophiuchi"],
    "sky_background": ["Sky Background"],
    "dome_occultation": ["Dome Obscuration"],
    "other": ["Junk", "Power Outage"],
    None: ["Observer Marked"],
}


@pytest.mark.parametrize("source", ["des", "delve"])
@pytest.mark.parametrize("reasons", [DES_Y6A2, DELVE_2023], ids=["des_exclude_y6a2", "delve_exclude_20230725"])
def test_every_reason_of_the_published_exclude_tables_has_its_category(source, reasons):
    found = {reason: TAXONOMY.classify(source, reason) for listed in reasons.values() for reason in listed}
    assert {r: m.category for r, m in found.items()} == {r: c for c, listed in reasons.items() for r in listed}
    assert "unmatched" not in {match.status for match in found.values()}


@pytest.mark.parametrize("source", ["decals", "des", "delve", "review"])
@pytest.mark.parametrize("reason", ["NObjects", "NOBJ", "too many objects", "many sources", "nobjects"])
def test_too_many_detections_are_nobjects(source, reason):
    assert TAXONOMY.classify(source, reason).category == "nobjects"


@pytest.mark.parametrize("source", ["decals", "des", "delve", "review"])
@pytest.mark.parametrize(
    ("reason", "category"),
    [
        ("not many sources", None),
        ("not too many objects", None),
        ("nmatched too many objects", "nobjects"),
        ("Telescope moved, double", "telescope_moving"),
        ("Coma cluster field", None),
    ],
)
def test_a_word_that_means_something_else_in_its_phrase_does_not_decide(source, reason, category):
    assert TAXONOMY.classify(source, reason).category == category


@pytest.mark.parametrize("source", ["decals", "des", "delve", "review"])
@pytest.mark.parametrize("reason", ["no objects", "few objects", "No stars", "few sources", "no detections"])
def test_too_few_sources_are_a_category_of_their_own_that_is_not_trained_on(source, reason):
    assert TAXONOMY.classify(source, reason).category == "few_sources"
    assert "few_sources" in TAXONOMY.extra


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("decals", "# pupil ghost subtraction problem?"),
        ("review", "pupil"),
        ("review", "pupil; illumination"),
        ("review", "pupil spot center"),
        ("des", "Pupil ghost"),
    ],
)
def test_pupil_ghosts_are_ghosts(source, reason):
    assert TAXONOMY.classify(source, reason).category == "ghost_scatter"


def test_the_reasons_of_the_real_lists_have_the_categories_that_their_authors_mean(shared_data):
    decals = read_bad_expid(shared_data / "labels" / "decam-bad_expid.DR10.2.txt")
    delve = read_delve(find_label_files(shared_data / "labels" / "delve"))
    lines = pd.concat([decals.rename(columns={"comment": "reason"}), delve])[["reason", "category"]]
    reason = lines["reason"].fillna("").str.lower()
    for pattern, category, n in (("nobjects", "nobjects", 137), ("pupil", "ghost_scatter", 4), ("wonky", "wonky", 37)):
        of = lines[reason.str.contains(pattern) & ~reason.str.contains("cloudy")]
        assert set(of["category"]) == {category}
        assert len(of) == n
    assert "few_sources" not in set(lines["category"])
