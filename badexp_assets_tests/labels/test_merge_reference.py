"""The fast merge against the rule written out row by row, on random small tables."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from badexp_assets.labels import merge
from badexp_assets.labels.exposure_ccds import find_ccds
from badexp_assets.labels.merge import merge_labels
from badexp_assets.labels.taxonomy_file import load_taxonomy
from badexp_assets.survey.cameras import load_camera
from badexp_assets_tests.labels.slow_merge import slow_merge_labels

CAMERA = load_camera()
TAXONOMY = load_taxonomy()
EXPNUMS = st.sampled_from([1, 2, 3, 5, 8, 1_000_000, 160_125_082_555])
CCDNUMS = st.none() | st.sampled_from([1, 2, 31, 61, 62])
CATEGORIES = st.sampled_from(["psf", "ghost_scatter", "noise", TAXONOMY.extra[0]])
FILES = st.sampled_from(["b.txt", "a.txt", "y01/c.txt"])
NIGHTS = st.none() | st.sampled_from(["2012-10-01", "2014-08-18", "2018-09-15"])
KINDS = ("psf", "noise")
TEXTS = st.none() | st.sampled_from(["", "as written", "V5.5LS"])
LINE = st.tuples(EXPNUMS, CCDNUMS, CATEGORIES, TEXTS, TEXTS, FILES, st.integers(1, 3), NIGHTS)
STATUS = st.sampled_from(["label"] * 4 + ["ignored", "unmatched"])


def source(rows, nights=True):
    names = ["expnum", "ccdnum", "category", "reason", "plver", "file", "line", "night", "status"]
    table = pd.DataFrame([(*line, status) for line, status in rows], columns=names, dtype=object)
    types = {"expnum": "Int64", "ccdnum": "Int16", "line": "int64"}
    types |= dict.fromkeys(("category", "reason", "plver", "file", "night", "status"), "str")
    table = table.astype(types)
    return table if nights else table.drop(columns="night")


def reviewed_table(rows):
    table = pd.DataFrame(rows, columns=["expnum", "ccdnum", "category", "plver"], dtype=object)
    types = {"expnum": "int64", "ccdnum": "Int16", "category": "str", "plver": "str"}
    return table.astype(types).assign(rule="two of three")


SOURCES = st.lists(st.tuples(LINE, STATUS), max_size=12)
REVIEWED = st.lists(st.tuples(EXPNUMS, CCDNUMS, CATEGORIES | st.just("unknown"), TEXTS), max_size=5)
SURVEY = st.none() | st.lists(st.tuples(EXPNUMS, st.sampled_from([1, 2, 3, 61])), max_size=10)


def plain(table):
    return table.astype({c: "str" for c in table if table[c].dtype in ("category", "object")})


def same(fast, slow):
    pd.testing.assert_frame_equal(plain(fast.table), plain(slow.table))
    contradicting = {"contradicting_lines": len(slow.contradictions)}
    assert fast.counts == slow.counts | contradicting
    pd.testing.assert_frame_equal(plain(fast.contradictions), plain(slow.contradictions), check_dtype=False)


@pytest.mark.slow
@settings(max_examples=25, deadline=None)
@given(SOURCES, SOURCES, SOURCES, st.none() | REVIEWED, SURVEY, st.sampled_from([2**22, 1]))
def test_the_fast_merge_equals_the_slow_one(decals, des, delve, reviewed, survey, cells):
    tables = source(decals, nights=False), source(des, nights=False), source(delve)
    review = reviewed_table(reviewed) if reviewed is not None else None
    ccds = pd.DataFrame(survey, columns=["expnum", "ccdnum"]).astype("int64") if survey is not None else None
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(merge, "_CELLS", cells)  # one exposure at a time, or all at once
        fast = merge_labels(*tables, review, ccds, CAMERA, TAXONOMY)
    same(fast, slow_merge_labels(*tables, review, ccds, CAMERA, TAXONOMY))


def test_many_lines_with_many_conflicts_equal_the_slow_merge():
    rng = np.random.default_rng(7)
    n = 1500
    pick = rng.choice
    lines = zip(
        rng.integers(1, 120, n).tolist(),
        [None if rng.random() < 0.3 else int(rng.integers(1, 63)) for _ in range(n)],
        pick(["psf", "ghost_scatter", "noise", TAXONOMY.extra[0]], n).tolist(),
        pick(["x", "y"], n).tolist(),
        [None] * n,
        pick(["a.txt", "b.txt"], n).tolist(),
        rng.integers(1, 900, n).tolist(),
        pick(["2014-08-18", "2018-09-15"], n).tolist(),
        strict=True,
    )
    rows = [(line, "label") for line in lines]
    tables = source(rows[:500]), source(rows[500:900]), source(rows[900:])
    survey = pd.DataFrame({"expnum": rng.integers(1, 60, 900), "ccdnum": rng.integers(1, 63, 900)})
    fast = merge_labels(*tables, None, survey, CAMERA, TAXONOMY)
    same(fast, slow_merge_labels(*tables, None, survey, CAMERA, TAXONOMY))
    assert fast.counts["conflicts"] > 1000
    assert fast.counts["ccd_lines"] == fast.table["n_sources"].sum()
    assert fast.contradictions["holds"].sum() == fast.counts["conflicts"]


def test_contradictions_beyond_the_limit_are_counted_and_flagged_but_not_listed(monkeypatch):
    rows = [((e, c, k, None, None, "a", i, None), "label") for e in (1, 2) for c in (1, 2) for i, k in enumerate(KINDS)]
    empty = source([])
    monkeypatch.setattr(merge, "MAX_CONTRADICTIONS", 5)
    for cells in (2**22, 1):
        monkeypatch.setattr(merge, "_CELLS", cells)
        merged = merge_labels(source(rows), empty, empty, None, None, CAMERA, TAXONOMY)
        assert merged.contradictions[["expnum", "ccdnum"]].to_numpy().tolist() == [[1, 1]] * 2 + [[1, 2]] * 2
        assert merged.counts["contradicting_lines"] == 8
        assert merged.table["conflict"].tolist() == [True] * 4


def test_the_order_of_survey_rows_and_their_repetition_do_not_matter():
    lines = source([((5, None, "psf", None, None, "a", 1, None), "label")])
    rows = pd.DataFrame({"expnum": [5, 4, 5, 5], "ccdnum": [7, 1, 3, 7]})
    tidy = lines.assign(ccdnum=-1)[["expnum", "ccdnum", "night"]].astype({"expnum": "int64"})
    for survey in (rows, rows.iloc[::-1]):
        ccds = find_ccds(tidy, survey, CAMERA)
        assert ccds.sizes(np.array([5, 5])).tolist() == [2, 2]
        assert ccds.expand(np.array([5, 5])).tolist() == [3, 7, 3, 7]
