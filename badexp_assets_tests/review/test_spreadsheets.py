import json

import pandas as pd
import pytest

from badexp_assets.config.review_options import ConsensusRule
from badexp_assets.errors import InputError, LabelFileError
from badexp_assets.io.parquet_reading import read_table
from badexp_assets.review.agreement import reviewer_agreement
from badexp_assets.review.consensus import build_consensus, decide_outcome
from badexp_assets.review.spreadsheets import collect_verdicts, export_verdicts, read_verdict_file
from badexp_assets.review.store import VerdictStore
from badexp_assets.review.verdicts import tidy_verdicts


def own():
    return tidy_verdicts(
        pd.DataFrame(
            {"expnum": [1, 2], "ccdnum": pd.array([None, 5], "Int16"), "reviewer": ["ann", "bob"],
             "verdict": ["bad", "unsure"], "category": ["psf", None], "comment": ['a "b", c\nd', None],
             "at": "2024-01-01T00:00:00+00:00", "simulated": [False, True]}
        )
    )  # fmt: skip


@pytest.mark.parametrize("kind", ["csv", "xlsx"])
def test_what_is_exported_comes_back(tmp_path, kind):
    path = tmp_path / f"my_verdicts.{kind}"
    if kind == "csv":
        export_verdicts(own(), path)
    else:
        own().to_excel(path, index=False)
    found = read_verdict_file(path)
    assert found.findings == []
    pd.testing.assert_frame_equal(found.table, own().assign(source=path.name).astype(found.table.dtypes))


def test_verdicts_are_exported_by_suffix(tmp_path):
    export_verdicts(own(), tmp_path / "v.parquet")
    assert read_table(tmp_path / "v.parquet")["verdict"].tolist() == ["bad", "unsure"]
    export_verdicts(own(), tmp_path / "v.json")
    assert json.loads((tmp_path / "v.json").read_text())[1]["reviewer"] == "bob"
    with pytest.raises(InputError, match=r"allowed: \.csv, \.parquet, \.json"):
        export_verdicts(own(), tmp_path / "v.doc")


def write(tmp_path, text, name="x_verdicts.csv"):
    path = tmp_path / name
    path.write_text(text)
    return path


def test_blank_answers_are_not_looked_at_and_odd_spellings_are_understood(tmp_path):
    head = "expnum,plver,ann_badexp,ann_reason,bob_badexp,bob_reason\n"
    text = head + "1,V5,yes ,clouts,1.0,ghsot\n2,V5,,,y?,\n3,V5,FALSE,,maybe,fringing\n"
    found = read_verdict_file(write(tmp_path, text))
    rows = [tuple(r) for r in found.table[["expnum", "reviewer", "verdict"]].to_numpy()]
    assert rows == [
        (1, "ann", "bad"),
        (1, "bob", "bad"),
        (2, "bob", "unsure"),
        (3, "ann", "fine"),
        (3, "bob", "unsure"),
    ]
    assert found.table["category"].tolist()[:2] == ["clouds_transparency", "ghost_scatter"]
    assert found.n_blank == 1
    assert found.findings == []
    assert set(found.table["plver"]) == {"V5"}


def test_cells_that_are_not_understood_are_reported_with_their_place(tmp_path):
    head = "expnum,ccdnum,reviewer,verdict,category\n"
    text = head + "1,,ann,bda,\nx,,ann,bad,\n2,99,ann,bad,\n3,,,bad,\n4,7,ann,bad,pfs\n5,7,ann,bad,psf\n"
    found = read_verdict_file(write(tmp_path, text))
    assert found.table["expnum"].tolist() == [4, 5]
    assert found.table["category"].isna().tolist() == [True, False]
    places = [f.split(";")[0] for f in found.findings]
    assert places == [
        "x_verdicts.csv:2: verdict is 'bda'",
        "x_verdicts.csv:3: expnum is 'x'",
        "x_verdicts.csv:4: ccdnum is '99'",
        "x_verdicts.csv:5: reviewer is ''",
        "x_verdicts.csv:6: category is 'pfs'",
    ]


def test_a_single_reviewers_sheet_is_read_under_its_files_name(tmp_path):
    found = read_verdict_file(write(tmp_path, "expnum,Is_bad?,comment\n1,yes ,clouds\n2,,\n", "carol_verdicts.csv"))
    assert found.table[["expnum", "reviewer", "verdict"]].to_numpy().tolist() == [[1, "carol_verdicts", "bad"]]


@pytest.mark.parametrize(
    ("text", "missing"),
    [("a,b\n1,2\n", "expnum"), ("expnum,b\n1,2\n", "reviewer and verdict"), ("", "not a readable table")],
)
def test_a_sheet_of_another_shape_says_what_is_missing(tmp_path, text, missing):
    with pytest.raises(LabelFileError, match=missing):
        read_verdict_file(write(tmp_path, text))


def test_a_broken_workbook_is_refused_by_name(tmp_path):
    with pytest.raises(LabelFileError, match=r"x_verdicts\.xlsx"):
        read_verdict_file(write(tmp_path, "no workbook", "x_verdicts.xlsx"))


def test_the_store_and_an_exported_file_beside_it_count_once(tmp_path):
    store = tmp_path / "v.sqlite"
    VerdictStore(store).add(own())
    export_verdicts(VerdictStore(store).read(), tmp_path / "a_verdicts.csv")
    other = write(tmp_path, "expnum,reviewer,verdict\n9,ann,bad\n")
    both = collect_verdicts(store, [tmp_path / "a_verdicts.csv", other])
    assert both["expnum"].tolist() == [1, 2, 9]
    assert len(collect_verdicts(tmp_path / "none.sqlite")) == 0


def reviewed(tmp_path):
    """Two answers as the app stores them, and their export: the path of the store, its ids, the file."""
    store = VerdictStore(tmp_path / "v.sqlite")
    answers = [
        {"expnum": 1, "reviewer": reviewer, "verdict": "bad", "category": "noise", "comment": comment,
         "model": "m1", "shown": '{"p_bad": 0.9}'}
        for reviewer, comment in (("ann", 'two \r\n lines, 2.4"'), ("bob", "none"))
    ]  # fmt: skip
    ids = store.answer(answers, ["key-of-ann", "key-of-bob"])
    export_verdicts(store.read(), tmp_path / "all-verdicts.csv")
    return store, ids, tmp_path / "all-verdicts.csv"


def test_an_answer_and_its_export_count_once(tmp_path):
    store, _, file = reviewed(tmp_path)
    both = collect_verdicts(tmp_path / "v.sqlite", [file, file])
    assert both["source"].tolist() == ["verdict store"] * 2
    assert both["model"].tolist() == ["m1"] * 2
    assert store.add(read_verdict_file(file).table, skip_known=True) == 0


def test_an_export_does_not_bring_back_a_retracted_answer(tmp_path):
    store, ids, file = reviewed(tmp_path)
    store.retract("bob", [ids[1]])
    both = collect_verdicts(tmp_path / "v.sqlite", [file])
    assert both["reviewer"].tolist() == ["ann"]
    assert decide_outcome(both)["outcome"].tolist() == ["undecided"]
    assert store.add(read_verdict_file(file).table, skip_known=True) == 0
    assert store.read()["reviewer"].tolist() == ["ann"]


def test_an_imported_file_among_the_label_files_does_not_bring_back_a_retracted_answer(tmp_path):
    store = VerdictStore(tmp_path / "v.sqlite")
    file = write(tmp_path, "expnum,reviewer,verdict\n1,ann,bad\n")
    assert store.add(read_verdict_file(file).table, skip_known=True) == 1
    store.retract("ann", [1])
    assert collect_verdicts(tmp_path / "v.sqlite", [file]).empty
    other = write(tmp_path, "expnum,reviewer,verdict\n1,ann,bad\n", "newer_verdicts.csv")
    assert collect_verdicts(tmp_path / "v.sqlite", [file, other])["source"].tolist() == ["newer_verdicts.csv"]


def test_a_file_that_was_imported_with_times_as_it_writes_them_adds_nothing(tmp_path):
    store = VerdictStore(tmp_path / "v.sqlite")
    store.add(
        tidy_verdicts(pd.DataFrame([{"expnum": 1, "reviewer": "ann", "verdict": "bad", "at": "2024-03-12 14:00"}]))
    )
    file = write(tmp_path, "expnum,reviewer,verdict,at\n1,ann,bad,2024-03-12 14:00\n2,ann,bad,2024-03-12 14:00\n")
    assert store.add(read_verdict_file(file).table, skip_known=True) == 1


def test_the_public_dr11_verdicts_import_whole(shared_data):
    found = read_verdict_file(shared_data / "labels" / "dr11_review_verdicts.csv")
    assert (found.n_rows, found.findings, found.n_blank) == (939, [], 0)
    verdicts = found.table
    bad = verdicts[verdicts["verdict"] == "bad"]
    assert bad["reviewer"].value_counts().to_dict() == {"rev1": 710, "rev3": 467, "rev2": 167}
    n_bad = decide_outcome(verdicts)["n_bad"]
    assert [int((n_bad >= n).sum()) for n in (1, 2, 3)] == [939, 337, 68]
    sizes = {rule: len(build_consensus(verdicts, ConsensusRule(rule))) for rule in ("any", "majority", "unanimous")}
    assert sizes == {"any": 939, "majority": 337, "unanimous": 68}
    weighted = build_consensus(verdicts, ConsensusRule("weighted"))
    assert 68 <= len(weighted) <= 337
    table = reviewer_agreement(verdicts).query("category == 'all'").set_index(["reviewer_a", "reviewer_b"])
    assert set(table["n"]) == {939}
    assert table.loc[("everyone", "everyone"), "n_agree"] == 68
    # negative: an exposure is in the file because somebody rejects it
    assert table.loc[("everyone", "everyone"), "kappa"] == pytest.approx(-0.239, abs=1e-3)
    assert bad.loc[bad["category"] == "fringing", "expnum"].nunique() == 223
