"""Whatever CCDs the files of a night have: CCDs planted = read + failed + missing, each with its exposure.

`BADEXP_CCD_EXAMPLES` sets the number of nights.
"""

import os
import tempfile
from pathlib import Path

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import example, given, settings

from badexp_assets.config.night_options import EntropyParams, PassParams
from badexp_assets.io.parquet_reading import read_table
from badexp_assets.pixels.night_pass import run_pass
from badexp_assets.pixels.night_tables import PASS_TABLES
from badexp_assets.survey.cameras import load_camera
from badexp_assets_tests.pixels.stand_in import MeanEmbedder

NIGHT = "2018-05-17"
PIXELS = np.random.default_rng(1).normal(200, 8, (30, 20)).astype(np.float32)
CCDS = {"S4": 28, "N1": 32, "N4": 35, "N12": 43}
SOME = st.sets(st.sampled_from(sorted(CCDS)))
EXPOSURES = st.fixed_dictionaries(
    {
        "image": SOME.filter(bool),
        "mask": SOME.filter(bool) | st.none(),
        "weight": SOME.filter(bool) | st.none(),
        "empty": SOME,
        "damage": st.sampled_from(["none", "none", "none", "cut", "no header", "foreign", "no mask header"]),
    }
)

UNOPENED = {"image": {"N4"}, "mask": {"N4", "S4"}, "weight": {"N1"}, "empty": set()}


def write_product(tiny_cp, place: Path, number: int, product: str, names: set[str], empty: set[str]) -> Path:
    """Write an image of the CCDs in `names`, under the name of `product`; those in `empty` have no pixels."""
    images = {name: None if name in empty else PIXELS for name in names}
    ccds = {name: CCDS[name] for name in sorted(names)}
    time = f"04{number:02d}00"
    path = tiny_cp.write_cp(place, number + 1, time=time, ccds=ccds, images=images, with_ood=False, packed=False)
    return path.rename(path.with_name(path.name.replace("ooi", product)))


def plant(tiny_cp, archive: Path, number: int, night: dict) -> dict[str, set[str]]:
    """Write the files of an exposure; return its CCDs by the status that they must get."""
    found = night["image"]
    for product, names in (("ood", night["mask"]), ("oow", night["weight"])):
        if names:
            path = write_product(tiny_cp, archive, number, product, names, set())
            if night["damage"] == "no mask header":
                path.write_bytes(path.read_bytes()[:100])
    path = write_product(tiny_cp, archive, number, "ooi", found, night["empty"])
    content = path.read_bytes()
    if night["damage"] == "cut":
        path.write_bytes(content[:100])
    elif night["damage"] == "no header":
        path.write_bytes(b"no FITS file".ljust(2880))
    elif night["damage"] == "foreign":  # no extension is a CCD of the camera
        for name, ccdnum in CCDS.items():
            content = content.replace(f"'{name:<8}'".encode(), b"'X9      '")
            content = content.replace(f"CCDNUM  = {ccdnum:20d}".encode(), f"CCDNUM  = {99:20d}".encode())
        path.write_bytes(content)
    unopened = night["damage"] in ("cut", "no header", "foreign")
    in_image = set() if unopened else found
    others = set() if night["damage"] == "no mask header" else (night["mask"] or set()) | (night["weight"] or set())
    return {"read": in_image - night["empty"], "failed": in_image & night["empty"], "missing": others - in_image}


@settings(max_examples=int(os.environ.get("BADEXP_CCD_EXAMPLES", "8")), deadline=None)
@given(exposures=st.lists(EXPOSURES, min_size=1, max_size=3))
@example(exposures=[UNOPENED | {"damage": "foreign"}, UNOPENED | {"damage": "cut"}])
def check_any_night(tiny_cp, exposures):
    with tempfile.TemporaryDirectory() as folder:
        archive, out = Path(folder) / "cp", Path(folder) / "out"
        planted = {}
        for number, exposure in enumerate(exposures):
            for status, names in plant(tiny_cp, archive, number, exposure).items():
                planted |= {(number, CCDS[name]): status for name in names}
        places = {name: out / f"{name}.parquet" for name in PASS_TABLES}
        params = PassParams(preview_height=0, stamps_per_exposure=1, workers=0, focal_plane_step=0)
        run_pass(archive, NIGHT, load_camera(), MeanEmbedder(), EntropyParams(gradient_points=20), params, places)
        night = read_table(places["night_exposures"])
        ccds = read_table(places["night_ccds"])
    numbers = dict(zip(night["expnum"], night["path"].str.extract(r"_04(\d\d)00_")[0].astype(int), strict=True))
    assert sorted(numbers.values()) == list(range(len(exposures)))
    rows = zip(ccds["expnum"].map(numbers), ccds["ccdnum"], ccds["status"], strict=True)
    assert {(number, ccdnum): status for number, ccdnum, status in rows} == planted
    assert len(ccds) == len(planted)
    assert ccds["status_reason"].isna().equals(ccds["status"] == "read")


@pytest.mark.slow
def test_ccds_that_were_planted_are_read_failed_or_missing(tiny_cp):
    check_any_night(tiny_cp)
