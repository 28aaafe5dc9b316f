"""Answers in spreadsheets as Excel and other programs save them: cells = answers + blanks + findings."""

import datetime as dt
import os

import openpyxl
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from badexp_assets.labels.exclude_table import read_exclude_table
from badexp_assets.labels.sheets import read_times
from badexp_assets.review.consensus import decide_outcome
from badexp_assets.review.spreadsheets import read_verdict_file
from badexp_assets.review.store import VerdictStore
from badexp_assets.review.verdicts import latest_verdict_per_reviewer

HEAD = ("expnum", "reviewer", "verdict")


def write(tmp_path, text, name="x_verdicts.csv"):
    path = tmp_path / name
    path.write_text(text)
    return path


def workbook(path, **sheets):
    book = openpyxl.Workbook()
    book.remove(book.active)
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(row)
    book.save(path)
    return path


def answers(found):
    return found.table[["expnum", "reviewer", "verdict"]].to_numpy().tolist()


@pytest.mark.parametrize("mark", [",", ";", "\t", "|"])
@pytest.mark.parametrize("named", [False, True])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_any_usual_separator_is_understood(tmp_path, mark, named, end):
    lines = ["expnum,reviewer,verdict,comment", "1,ann,bad,", '2,bob,fine,"a, b; c"', ",,,", "3,bob,unsure,"]
    text = end.join(line.replace(",", mark) for line in lines)
    found = read_verdict_file(write(tmp_path, f"sep={mark}{end}{text}" if named else text))
    assert answers(found) == [[1, "ann", "bad"], [2, "bob", "fine"], [3, "bob", "unsure"]]
    assert (found.findings, found.n_rows, found.n_blank) == ([], 3, 0)


@pytest.mark.parametrize(
    ("row", "n_lost", "said"),
    [
        ("2,ann,bad,trails, and clouds", 1, "5 cells; 4 are expected"),
        ('2,ann,bad,"an open quote', 0, None),
        ('2,ann,bad,5" seeing', 0, None),
        ('2,ann,bad,"open, with a comma', 1, "quote is not closed"),
        ("2,ann,bad,,", 0, None),
        ("2,ann,bad", 0, None),
        ("2,ann,,", 0, None),
        ("7.46E+05,ann,bad,", 1, "expnum is '7.46E+05'"),
        ("2.0,ann,bad,", 0, None),
    ],
)
def test_a_row_with_a_fault_costs_that_row_only(tmp_path, row, n_lost, said):
    found = read_verdict_file(write(tmp_path, f"expnum,reviewer,verdict,comment\n1,ann,bad,x\n{row}\n3,bob,fine,y\n"))
    assert [1, "ann", "bad"] in answers(found)
    assert [3, "bob", "fine"] in answers(found)
    assert found.n_lost == len(found.findings) == n_lost
    assert len(found.table) + found.n_blank + found.n_lost == 3
    assert said is None or said in found.findings[0]


@pytest.mark.parametrize(
    "marked",
    [
        {3: 'seeing 2.4"', 25: 'seeing 2.4"'},
        {3: '"', 4: '"', 5: '"'},  # ditto marks
        {3: '"seeing', 4: '"bright" star', 25: '"seeing'},
        {3: '"seeing', 25: 'seeing 2.4"'},
        {3: '5" and 2.4"', 4: '"a', 5: 'b"', 6: '2.4"'},
    ],
)
def test_quotes_in_the_comments_of_several_rows_cost_no_row(tmp_path, marked):
    comments = [marked.get(k, "ok") for k in range(30)]
    lines = [f"{100 + k},ann,bad,,{comment}" for k, comment in enumerate(comments)]
    found = read_verdict_file(write(tmp_path, "\n".join(["expnum,reviewer,verdict,category,comment", *lines])))
    assert found.findings == []
    assert found.table["expnum"].tolist() == list(range(100, 130))
    assert [comment.replace('"', "") for comment in found.table["comment"]] == [c.replace('"', "") for c in comments]
    lines = [f"{100 + k},5,{marked.get(k, 'noise')}" for k in range(30)]
    table = read_exclude_table(write(tmp_path, "\n".join(["EXPNUM,CCDNUM,REASON", *lines]), "x_exclude.csv"))
    assert table["expnum"].tolist() == list(range(100, 130))


@settings(max_examples=int(os.environ.get("BADEXP_SHEET_EXAMPLES", "300")), deadline=None)
@given(
    comments=st.lists(st.text('" ,;\nab', max_size=7), max_size=8),
    typed=st.booleans(),
    last=st.booleans(),
    mark=st.sampled_from(",;"),
)
@example(comments=["CCDs\n1, 2, 3, 4, 5, 6", 'a "b",\n', ""], typed=False, last=True, mark=",")
def test_no_row_vanishes_whatever_the_comments_hold(tmp_path_factory, comments, typed, last, mark):
    """Comments that are typed without quotes, or quoted as programs do it, in the last column or before it."""
    folder = tmp_path_factory.getbasetemp() / "any_comment"
    folder.mkdir(exist_ok=True)
    text = mark.join(["expnum", "reviewer", "verdict", *(["category", "comment"] if last else ["comment", "plver"])])
    for expnum, comment in enumerate(comments, start=100):
        cell = comment.replace("\n", " ") if typed else '"' + comment.replace('"', '""') + '"'
        text += "\n" + mark.join([str(expnum), "ann", "bad", *(["", cell] if last else [cell, "V5"])])
    found = read_verdict_file(write(folder, text))
    assert found.n_rows == len(comments) == len(found.table) + len(found.findings)
    if not typed:
        read = found.table["comment"].astype(object)
        assert read.where(read.notna(), None).tolist() == [comment.strip() or None for comment in comments]


def test_all_sheets_are_read_and_one_without_answers_is_named(tmp_path):
    path = workbook(
        tmp_path / "v.xlsx",
        readme=[("How to fill in this sheet",)],
        one=[HEAD, (1, "ann", "bad"), (2, "ann", None)],
        two=[HEAD, (None, None, None), (3, "ann", "fine"), (4, "ann", '=IF(B2="ann","bad","fine")')],
    )
    found = read_verdict_file(path)
    assert answers(found) == [[1, "ann", "bad"], [3, "ann", "fine"]]
    assert (found.left_out, found.n_rows, found.n_blank, found.n_lost) == (("readme",), 4, 1, 1)
    assert "v.xlsx[two]:4: verdict is '=IF" in found.findings[0]
    assert "sheet 'readme' has none" in str(found)


@pytest.mark.parametrize(
    ("cells", "times"),
    [
        (["3/12/2024 14:00"], [None]),
        (["3/12/2024 14:00", "3/13/2024 9:05"], ["2024-03-12T14:00:00", "2024-03-13T09:05:00"]),
        (["3/12/2024 14:00", "13/3/2024 9:05"], ["2024-12-03T14:00:00", "2024-03-13T09:05:00"]),
        (["3/13/2024", "13/3/2024", "3/12/2024"], ["2024-03-13T00:00:00", "2024-03-13T00:00:00", None]),
        (["3.12.2024 14:00"], ["2024-12-03T14:00:00"]),
        (["3/12/2024 2:00 PM"], ["2024-03-12T14:00:00"]),
        (["5/5/24"], ["2024-05-05T00:00:00"]),
        (["45363.5"], ["2024-03-12T12:00:00"]),
        (["2024-03-12 14:00", "2024-03-12T14:00:00+00:00"], ["2024-03-12T14:00:00", "2024-03-12T14:00:00+00:00"]),
        (["2024-03-12 14:00:00,5", "2024-03-12"], ["2024-03-12T14:00:00.500000", "2024-03-12T00:00:00"]),
        (
            ["2024-03-12T14:00:30+01:00:30", "2024-03-12 14Z"],
            ["2024-03-12T13:00:00+00:00", "2024-03-12T14:00:00+00:00"],
        ),
        (["2024-03-12x14:00", "2024-03-12\u00a014:00", "0001-01-01T00:00+01:00"], [None] * 3),
        (["yesterday", "31/31/2024", "12", "20240312", "2024-13-01"], [None] * 5),
    ],
)
def test_times_as_spreadsheets_write_them(cells, times):
    assert read_times(cells) == times


@given(
    moment=st.datetimes(dt.datetime(1, 1, 4), timezones=st.none() | st.timezones()),
    between=st.sampled_from("T x_"),
    comma=st.booleans(),
)
@example(moment=dt.datetime(2021, 3, 4, 12, microsecond=500_000), between=" ", comma=True)
def test_the_consensus_understands_every_time_that_is_read(moment, between, comma):
    cell = moment.isoformat(between)
    (time,) = read_times([cell.replace(".", ",") if comma else cell])
    assert (time is None) == (between in "x_")
    if time is not None:
        older = moment.replace(tzinfo=None) - dt.timedelta(days=2)
        times = [time, older.isoformat()]
        table = pd.DataFrame({"expnum": 1, "reviewer": "ann", "verdict": ["fine", "bad"], "at": times})
        assert latest_verdict_per_reviewer(table)["verdict"].tolist() == ["fine"]


def test_a_time_that_is_not_understood_is_a_finding_and_never_the_oldest(tmp_path):
    found = read_verdict_file(write(tmp_path, "expnum,reviewer,verdict,at\n1,ann,fine,3/12/2024 14:00\n2,ann,bad,\n"))
    assert answers(found) == [[2, "ann", "bad"]]
    assert "at is '3/12/2024 14:00'" in found.findings[0]
    dated = workbook(tmp_path / "d.xlsx", a=[(*HEAD, "at"), (1, "ann", "bad", dt.datetime(2024, 3, 12, 14))])
    assert read_verdict_file(dated).table["at"].tolist() == ["2024-03-12T14:00:00"]


@pytest.mark.parametrize(
    "files",
    [
        {"own.csv": "expnum,reviewer,verdict\n7,Sam,bad\n", "wide.csv": "expnum,sam_badexp\n7,True\n"},
        {"own.csv": "expnum,reviewer,verdict\n7, SAM,bad\n", "wide.csv": "EXPNUM,Sam_badexp\n7,True\n"},
        {"ann.csv": "expnum,Is_bad?\n7,yes\n", "ann (1).csv": "expnum,Is_bad?\n7,yes\n"},
        {"ann.csv": "expnum,Is_bad?\n7,yes\n", "Copy of ann.csv": "expnum,Is_bad?\n7,yes\n"},
        {"ann.csv": "expnum,Is_bad?\n7,yes\n", "Ann - Copy (2).csv": "expnum,Is_bad?\n7,yes\n"},
        {"ann.csv": "expnum,Is_bad?\n7,yes\n", "ann copy 2.csv": "expnum,Is_bad?\n7,yes\n"},
        {"ann.csv": "expnum,Is_bad?\n7,yes\n", "Kopie von ann.csv": "expnum,Is_bad?\n7,yes\n"},
        {"Jose\u0301.csv": "expnum,Is_bad?\n7,yes\n", "own.csv": "expnum,reviewer,verdict\n7,Jos\u00e9,bad\n"},
        {"a.csv": "expnum,reviewer,verdict\n7,Ann  Lee,bad\n", "b.csv": "expnum,ann lee_badexp\n7,yes\n"},
    ],
)
def test_one_person_is_one_reviewer(tmp_path, files):
    store = VerdictStore(tmp_path / "v.sqlite")
    for name, text in files.items():
        store.add(read_verdict_file(write(tmp_path, text, name)).table, skip_known=True)
    (outcome,) = decide_outcome(store.read()).to_dict("records")
    assert (outcome["n_bad"], outcome["outcome"]) == (1, "undecided")


@pytest.mark.parametrize(
    "cell", ["7.46E+05", "7,46E+05", "1e6", "746.000", "746 123", "'746123", "-5", "1.5", "x", "0", ""]
)
def test_a_number_that_is_no_exposure_labels_nothing(tmp_path, cell):
    path = write(tmp_path, f'EXPNUM;CCDNUM;REASON\n"{cell}";5;Noise\n746124;5;Noise\n', "x-exclude.csv")
    table = read_exclude_table(path)
    assert table["status"].tolist() == ["unmatched", "label"]
    assert table["expnum"].isna().tolist() == [True, False]


@pytest.mark.parametrize("head", ["ann_badexp,ann_badexp", "Ann_badexp,ann_badexp", "ann_badexp,ANN_BADEXP"])
def test_two_columns_of_one_name_count_once_and_contradictions_are_named(tmp_path, head):
    rows = "1,bad,fine\n2,,bad\n3,fine,\n4,bad,bad\n5,,\n"
    found = read_verdict_file(write(tmp_path, f"expnum,{head}\n{rows}"))
    assert [[expnum, verdict] for expnum, _, verdict in answers(found)] == [[2, "bad"], [3, "fine"], [4, "bad"]]
    assert (found.n_rows, found.n_blank, found.n_lost) == (5, 1, 1)
    assert "x_verdicts.csv:2: column ann_badexp occurs twice, with 'bad' and 'fine'" in found.findings[0]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "cp1252"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_answers_in_the_encodings_of_spreadsheets_are_read(tmp_path, encoding, end):
    path = tmp_path / "v.csv"
    path.write_bytes(
        end.join(["expnum;reviewer;verdict;;", "1;José;bad;;", "2\u00a0;José; fine\u00a0;;"]).encode(encoding)
    )
    found = read_verdict_file(path)
    assert answers(found) == [[1, "José", "bad"], [2, "José", "fine"]]
    assert found.findings == []


CELLS = st.sampled_from(["bad", "fine", "", "no", "bda", "=1", "unsure", " ", "Y"])
NUMBERS = st.sampled_from(["1", "2.0", "7.4E+05", "x", "", "746001"])
TIMES = st.sampled_from(["", "2024-03-12", "3/12/2024", "13.3.2024", "45363.5", "soon"])
ROWS = st.lists(st.tuples(NUMBERS, CELLS, CELLS, TIMES, st.sampled_from(["", "a, b", 'say "x"', "ok"])), max_size=8)


@settings(max_examples=int(os.environ.get("BADEXP_SHEET_EXAMPLES", "150")), deadline=None)
@given(rows=ROWS, mark=st.sampled_from(",;\t|"), quoted=st.booleans(), trailing=st.booleans())
def test_cells_are_answers_blanks_and_findings(tmp_path_factory, rows, mark, quoted, trailing):
    folder = tmp_path_factory.getbasetemp() / "any_sheet"
    folder.mkdir(exist_ok=True)
    lines = [["expnum", "ann_badexp", "bob_badexp", "at", "ann_reason"], *rows]
    text = ""
    for row in lines:
        cells = ['"' + cell.replace('"', '""') + '"' if quoted or mark in cell or '"' in cell else cell for cell in row]
        text += mark.join(cells) + mark * trailing + "\n"
    found = read_verdict_file(write(folder, text))
    used = [row for row in rows if any(cell.strip() for cell in row)]
    assert found.n_rows == len(used)
    assert len(found.table) + found.n_blank + found.n_lost == 2 * len(used)
    assert bool(found.findings) == bool(found.n_lost)


XLSX_NUMBERS = st.sampled_from([1, 2.0, 746001, 160125082555, "7", "7.4E+05", "x", None, 1.5, "=A2+1"])
XLSX_VERDICTS = st.sampled_from(["bad", "fine", "No", "bda", "unsure", " ", None, 1, 0, True, False, '=IF(1,"bad","")'])
XLSX_TIMES = st.sampled_from(
    [None, dt.datetime(2024, 3, 12, 14), dt.date(2024, 3, 13), 45363.5, "2024-03-12 14:00", "soon", "=NOW()"]
)
XLSX_ROWS = st.lists(st.tuples(XLSX_NUMBERS, XLSX_VERDICTS, XLSX_VERDICTS, XLSX_TIMES), max_size=5)
MEANING = {"bad": "bad", "fine": "fine", "No": "fine", "unsure": "unsure", 1: "bad", 0: "fine"}  # True == 1


@settings(max_examples=int(os.environ.get("BADEXP_SHEET_EXAMPLES", "25")), deadline=None)
@given(sheets=st.lists(XLSX_ROWS, min_size=1, max_size=3), readme=st.booleans())
def test_cells_of_a_workbook_are_answers_blanks_and_findings(tmp_path_factory, sheets, readme):
    folder = tmp_path_factory.getbasetemp() / "any_workbook"
    folder.mkdir(exist_ok=True)
    filled = {f"s{i}": [("expnum", "ann_badexp", "bob_badexp", "at"), *rows] for i, rows in enumerate(sheets)}
    found = read_verdict_file(
        workbook(folder / "v.xlsx", **{"readme": [("Please fill in",)]} if readme else {}, **filled)
    )
    used = [row for rows in sheets for row in rows if any(str(cell).strip() for cell in row if cell is not None)]
    expected = [
        [int(number), reviewer, MEANING[cell]]
        for number, *cells, at in used
        if number in (1, 2, 746001, 160125082555, "7") and at not in ("soon", "=NOW()")
        for reviewer, cell in zip(("ann", "bob"), cells, strict=True)
        if cell in MEANING
    ]
    assert sorted(answers(found)) == sorted(expected)
    assert found.n_rows == len(used)
    assert len(found.table) + found.n_blank + found.n_lost == 2 * len(used)
    assert bool(found.findings) == bool(found.n_lost)
    n_blank = sum(cell is None or cell == " " for _, *cells, _ in used for cell in cells)
    assert found.n_blank <= n_blank
