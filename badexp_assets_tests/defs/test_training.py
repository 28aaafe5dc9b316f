import pandas as pd

from badexp_assets.config.home import Home
from badexp_assets.review.consensus import decide_outcome
from badexp_assets_tests.defs.planted_home import materialise, store

NIGHT = "2018-03-10"
BAD, OTHERS = range(1, 7), range(11, 31)


def test_exposures_that_reviewers_call_bad_are_no_good_training_images(tmp_path):
    home = Home(tmp_path)
    expnum = [*BAD, *OTHERS]
    ccds = pd.DataFrame([(e, c) for e in expnum for c in (3, 4)], columns=["expnum", "ccdnum"])
    store(home, "night_exposures", pd.DataFrame({"expnum": expnum, "night": NIGHT, "status": "scored"}), NIGHT)
    store(home, "night_ccds", ccds.assign(status="read"), NIGHT)
    labels = ccds[ccds["expnum"].isin(BAD)].assign(category="psf", source="decals").reset_index(drop=True)
    store(home, "bad_ccd_labels", labels)
    for asset in ("survey_ccds", "decals_bad_exposures", "des_bad_ccds", "delve_bad_ccds"):
        store(home, asset, pd.DataFrame())
    said = [
        (11, None, "ann", "bad"), (11, None, "bob", "bad"),  # rejected, and nobody names a category
        (12, None, "ann", "bad"),  # undecided
        (13, 3, "ann", "bad"), (13, 3, "bob", "bad"),  # one of its CCDs
        (14, None, "ann", "bad"), (14, None, "bob", "fine"), (14, None, "cat", "fine"),  # fine
        (15, None, "ann", "fine"),
    ]  # fmt: skip
    verdicts = pd.DataFrame(said, columns=["expnum", "ccdnum", "reviewer", "verdict"])
    store(home, "review_outcomes", decide_outcome(verdicts))
    made, _ = materialise(home, "training_set")
    assert set(made.loc[made["category"] == "good", "expnum"]) == set(OTHERS) - {11, 12, 13}
