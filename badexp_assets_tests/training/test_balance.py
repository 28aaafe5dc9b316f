"""The cap on CCDs of an exposure, the thinning of large categories, and Table 2 of Luo et al. 2025."""

import json

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from badexp_assets.commands.cli import badexp
from badexp_assets.config.classifier_options import TrainingParams
from badexp_assets.errors import InputError
from badexp_assets.labels.luo2025_comparison import LUO2025_TABLE_2, LUO2025_THINNED
from badexp_assets.labels.taxonomy_file import load_taxonomy
from badexp_assets.training.balance import balance_categories, count_categories, imbalance, table_2

TAXONOMY = load_taxonomy()
LUO2025_SHARES = ("clouds_transparency=1/3", "ghost_scatter=1/2", "nobjects=3/4")


def images(sizes, ccds=1):
    """CCD images of exposures with `ccds` CCDs each, `sizes` of a category."""
    rows, expnum = [], 0
    for category, n in sizes.items():
        for _ in range(n // ccds):
            expnum += 1
            rows += [(expnum, c, category) for c in range(1, ccds + 1)]
    return pd.DataFrame(rows, columns=["expnum", "ccdnum", "category"]).astype({"expnum": "int64", "ccdnum": "int16"})


def balanced(bad, **options):
    return balance_categories(bad, TAXONOMY.categories, TrainingParams(**options))


def sizes_of(table):
    return table["category"].value_counts().to_dict()


@pytest.fixture(scope="module")
def luo2025():
    return images(LUO2025_TABLE_2)


def test_the_imbalances_of_luo_et_al_follow_from_their_table_2():
    assert imbalance(pd.Series(LUO2025_TABLE_2)) == pytest.approx(35, abs=0.05)
    assert imbalance(pd.Series(LUO2025_THINNED)) == pytest.approx(11.8, abs=0.05)
    assert list(LUO2025_TABLE_2) == list(LUO2025_THINNED) == list(TAXONOMY.categories)


def test_the_rule_thins_the_categories_of_luo_et_al_about_as_they_did(luo2025):
    made = balanced(luo2025)
    kept = {name: sizes_of(made.thinned)[name] / n for name, n in LUO2025_TABLE_2.items()}
    thinned = {name: share for name, share in kept.items() if share < 1}
    assert thinned == {
        "clouds_transparency": pytest.approx(1 / 3, abs=0.01),
        "ghost_scatter": pytest.approx(1 / 2, abs=0.01),
        "nobjects": pytest.approx(3 / 4, abs=0.04),
    }
    assert imbalance(made.thinned["category"].value_counts()) == pytest.approx(11.8, abs=0.01)
    assert [name for name, *_ in made.steps][1:] == [f"{name} thinned" for name in thinned]  # largest first


def test_shares_replace_the_rule(luo2025):
    found = sizes_of(balanced(luo2025, thin=LUO2025_SHARES).thinned)
    expected = {n: LUO2025_TABLE_2[n] * s for n, s in TrainingParams(thin=LUO2025_SHARES).shares.items()}
    assert found == pytest.approx(LUO2025_TABLE_2 | expected, abs=1)
    assert sizes_of(balanced(luo2025, thin=("psf=1",)).thinned) == LUO2025_TABLE_2


def test_an_infinite_imbalance_thins_nothing(luo2025):
    assert sizes_of(balanced(luo2025, max_imbalance=float("inf")).thinned) == LUO2025_TABLE_2


def test_the_largest_category_is_thinned_whatever_its_name():
    made = balanced(images({"wonky": 40_000, "psf": 2000, "clouds_transparency": 1000}, ccds=20), max_imbalance=3)
    assert sizes_of(made.thinned) == {"wonky": 3000, "psf": 2000, "clouds_transparency": 1000}
    weights = made.thinned.groupby("category")["weight"].agg(["min", "max"])
    assert weights.loc["wonky"].tolist() == pytest.approx([40 / 3] * 2)
    assert (weights.drop("wonky") == 1).all(axis=None)
    assert (made.thinned.groupby("expnum").size() == 20).all()  # exposures stay whole


def test_a_tiny_category_does_not_thin_the_others_below_thin_above():
    made = balanced(images({"wonky": 1, "psf": 3000}))
    assert sizes_of(made.thinned) == {"psf": 1000, "wonky": 1}


def test_the_cap_does_not_thin_exposures():
    made = balanced(images({"psf": 610, "wonky": 244}, ccds=61))
    assert sizes_of(made.capped) == sizes_of(made.thinned) == {"psf": 200, "wonky": 80}
    assert sizes_of(made.listed) == {"psf": 610, "wonky": 244}
    assert sizes_of(balanced(made.listed, max_ccds_per_bad_exposure=0).capped) == sizes_of(made.listed)


def test_a_share_of_an_unknown_category_is_refused():
    with pytest.raises(InputError, match=r"^\[training\]: thin has 'clouds'; any of saturated, clouds_transparency, "):
        balanced(images({"psf": 1}), thin=("clouds=1/3",))


@settings(max_examples=60, deadline=None)
@given(
    st.dictionaries(st.sampled_from(TAXONOMY.categories), st.lists(st.integers(1, 12), min_size=1, max_size=40)),
    st.integers(0, 10),
    st.floats(1, 20) | st.just(float("inf")),
    st.integers(0, 60),
    st.integers(0, 5),
    st.randoms(use_true_random=False),
)
def test_no_category_is_larger_than_the_rule_allows(categories, cap, max_imbalance, thin_above, seed, random):
    rows, expnum = [], 0
    for category, exposures in categories.items():
        for n in exposures:
            expnum += 1
            rows += [(expnum, c, category) for c in range(n)]
    bad = pd.DataFrame(rows, columns=["expnum", "ccdnum", "category"]).astype({"expnum": "int64", "ccdnum": "int16"})
    params = TrainingParams(
        max_ccds_per_bad_exposure=cap, max_imbalance=max_imbalance, thin_above=thin_above, seed=seed
    )
    made = balance_categories(bad, TAXONOMY.categories, params)
    capped, thinned = sizes_of(made.capped), sizes_of(made.thinned)
    assert set(thinned) == set(categories)
    per_exposure = made.capped.groupby("expnum").size()
    assert not cap or per_exposure.max() <= cap or bad.empty
    for category, n in thinned.items():
        weight = made.thinned.loc[made.thinned["category"] == category, "weight"]
        assert weight.sum() == pytest.approx(capped[category])
        goal = max(max_imbalance * min(capped.values()), thin_above, per_exposure.max())
        assert n <= goal or n == capped[category] <= thin_above
        if capped[category] <= goal:
            assert n == capped[category] or goal == per_exposure.max()
        elif np.isfinite(goal):
            assert n > goal - 2 * per_exposure.max()
    order = list(range(len(bad)))
    random.shuffle(order)
    again = balance_categories(bad.iloc[order], TAXONOMY.categories, params).thinned
    key = ["expnum", "ccdnum"]
    pd.testing.assert_frame_equal(
        made.thinned.sort_values(key, ignore_index=True), again.sort_values(key, ignore_index=True)
    )


def test_table_2_has_a_row_for_every_category_and_the_numbers_of_luo_et_al():
    made = balanced(images({"psf": 610, "wonky": 61}, ccds=61))
    table = count_categories(made, (*TAXONOMY.categories, "comets")).set_index("category")
    assert table.index.tolist() == [*TAXONOMY.categories, "comets"]
    assert table.loc["psf"].tolist() == [10, 610, 200, 200, 1.0, 7641, 7630]
    assert table.loc["noise", ["exposures", "listed", "capped", "thinned"]].tolist() == [0] * 4
    assert table.loc["comets", ["weight", "luo2025", "luo2025_thinned"]].isna().all()


def test_imbalance_is_of_the_categories_that_have_images():
    assert imbalance(pd.Series([8, 0, 2, None])) == 4
    assert np.isnan(imbalance(pd.Series([0, None])))


def test_labels_that_are_not_trained_on_are_not_counted():
    labels = images({"psf": 30, "fringing": 50}).assign(source="delve")
    labels["category"] = labels["category"].astype("category")  # as in bad_ccd_labels; wonky is one of its categories
    labels["category"] = labels["category"].cat.add_categories("wonky")
    table, options = table_2(labels, TAXONOMY.categories, TrainingParams(max_imbalance=2, thin_above=0))
    table = table.set_index("category")
    assert table.loc["psf", ["exposures", "listed", "thinned"]].tolist() == [30, 30, 30]
    assert table.loc["total", "listed"] == 30
    assert "fringing" not in table.index
    assert options == "max_ccds_per_bad_exposure = 20, max_imbalance = 2, thin_above = 0"


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "y02").mkdir()
    lines = [f"20141029  {e}  {p}" for e, p in [*((n, "Clouds") for n in range(200, 260)), (300, "Wonky")]]
    (tmp_path / "y02" / "problem-y02.txt").write_text("\n".join(lines) + "\n")
    return tmp_path


def run_labels(folder, *arguments):
    done = CliRunner().invoke(badexp, ["labels", str(folder), "--home", str(folder / "home"), *arguments])
    assert done.exit_code == 0, done.output
    return done.output


def test_the_command_prints_table_2_beside_luo_et_al_with_both_imbalances(folder):
    rows = [line.split() for line in run_labels(folder).split("Table 2 of Luo et al. 2025")[1].splitlines()]
    table = {row[0]: row[1:] for row in rows if row}
    assert table["category"] == ["exposures", "listed", "capped", "thinned", "weight", "luo2025", "luo2025_thinned"]
    assert table["clouds_transparency"] == ["60", "3600", "1200", "1000", "1.2", "23338", "7772"]
    assert table["wonky"] == ["1", "60", "20", "20", "1.0", "667", "667"]
    assert table["imbalance"] == ["-", "60.0", "60.0", "50.0", "-", "35.0", "11.8"]


def test_the_command_balances_by_the_options_of_the_home(folder):
    (folder / "home").mkdir()
    (folder / "home" / "settings.toml").write_text("[training]\nthin = {clouds_transparency = 0.25}\n")
    found = json.loads(run_labels(folder, "--format", "json"))
    table = {row["category"]: row for row in found["table_2"]}
    assert table["clouds_transparency"]["thinned"] == 300
    assert table["imbalance"] == {
        "category": "imbalance",
        "exposures": None,
        "listed": 60.0,
        "capped": 60.0,
        "thinned": 15.0,
        "weight": None,
        "luo2025": 35.0,
        "luo2025_thinned": 11.8,
    }


def test_the_real_lists_end_at_the_imbalance_of_luo_et_al(shared_data, tmp_path):
    found = json.loads(run_labels(shared_data / "labels", "--format", "json", "--home", str(tmp_path)))
    table = {row["category"]: row for row in found["table_2"]}
    assert table["nonoptimal_exposure"] | {"weight": None} == {
        "category": "nonoptimal_exposure",
        "exposures": 2444,
        "listed": 149_077,
        "capped": 48_880,
        "thinned": 7_540,
        "weight": None,
        "luo2025": 3_194,
        "luo2025_thinned": 2_954,
    }
    assert table["imbalance"]["listed"] == 77.5
    assert table["imbalance"]["thinned"] == table["imbalance"]["luo2025_thinned"] == 11.8
