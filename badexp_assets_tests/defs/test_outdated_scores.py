import pandas as pd

from badexp_assets.config.home import Home
from badexp_assets_tests.defs.planted_home import materialise, store

NIGHTS = ("2018-03-10", "2018-03-11", "2018-03-12", "2018-03-13")
SCORES = {
    "night_exposure_predictions": {"category": "psf", "p_bad": 0.9, "n_scored": 20, "n_bad": 20, "is_bad": True},
    "night_entropy_scores": {"n_sources": 500, "kl_source": 0.1, "z_source": 9.0, "kl_background": 0.1},
    "night_reconstruction_errors": {"n_stamps": 50, "mean_mse": 1.0},
}


def test_scores_of_files_that_a_night_was_not_read_from_make_no_candidates_and_are_named(tmp_path):
    home = Home(tmp_path)
    scored_from = {
        NIGHTS[0]: dict.fromkeys(SCORES, "new"),
        NIGHTS[1]: dict.fromkeys(SCORES, "old"),  # read again, not scored since
        NIGHTS[2]: dict.fromkeys(SCORES, "new") | {"night_entropy_scores": "old"},
        NIGHTS[3]: dict.fromkeys(SCORES),  # scored by a version that did not note the files
    }
    for k, (night, files) in enumerate(scored_from.items(), start=1):
        about = {"expnum": [k], "night": night, "filter": "g"}
        store(
            home,
            "night_exposures",
            pd.DataFrame(about | {"status": "scored", "plver": "V5"}),
            night,
            {"fingerprint": "new"},
        )
        for asset, scores in SCORES.items():
            made_from = files[asset]
            metadata = {} if made_from is None else {"fingerprint": made_from}
            store(home, asset, pd.DataFrame(about | scores), night, metadata)
    store(home, "bad_ccd_labels", pd.DataFrame())
    found, metadata = materialise(home, "review_candidates")
    assert sorted(found["expnum"]) == [1, 3, 4]
    of_sources = found.set_index("expnum")["z_source"]
    assert of_sources[[1, 4]].tolist() == [9.0, 9.0]
    assert pd.isna(of_sources[3])
    assert metadata["scores of other files, left out"].data == {
        "night_exposure_predictions": {"nights": 1, "first": [NIGHTS[1]]},
        "night_entropy_scores": {"nights": 2, "first": [NIGHTS[1], NIGHTS[2]]},
        "night_reconstruction_errors": {"nights": 1, "first": [NIGHTS[1]]},
    }
