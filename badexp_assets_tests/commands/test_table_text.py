import io
import json

import numpy as np
import pandas as pd
import pytest

from badexp_assets.commands import table_text
from badexp_assets.commands.asset_text import load, render
from badexp_assets.commands.table_text import as_text, table_lines
from badexp_assets.config.home import Home
from badexp_assets.io.parquet import write_table
from badexp_assets.io.schemas import SCHEMAS

FORMS = ("table", "csv", "json")


def table(n, first=0):
    rng = np.random.default_rng(first)
    number = np.arange(first, first + n)
    return pd.DataFrame(
        {
            "expnum": number,
            "name": [f'{"x" * (k % 9)}é, "{k}"' for k in number],
            "value": np.where(number % 5 == 0, np.nan, rng.normal(scale=10.0 ** (number % 7))),
            "counts": [None if k % 4 == 0 else np.arange(k % 3 + 1) for k in number],
            "png": [b"1" * int(k) for k in number],
        }
    )


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("sizes", [(7, 0, 30), (0, 5), (0, 0), (1,), (40,)])
def test_text_in_pieces_is_the_text_of_the_whole_table(form, sizes, monkeypatch):
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]]).tolist()
    parts = [table(n, first) for n, first in zip(sizes, starts, strict=True)]
    whole = as_text(pd.concat(parts, ignore_index=True) if any(sizes) else parts[0], form)
    monkeypatch.setattr(table_text, "_ROWS", 4)
    pieces = list(table_lines(parts, form))
    if form == "json":
        assert json.loads("\n".join(pieces)) == json.loads(whole)
    else:
        assert "\n".join(pieces) == whole
    assert sum(sizes) < 8 or max(piece.count("\n") for piece in pieces) < 4 * 10


def test_csv_can_be_read_back():
    found = pd.read_csv(io.StringIO(as_text(table(20), "csv")))
    given = table(20)
    np.testing.assert_array_equal(found["value"], given["value"])
    assert found["name"].tolist() == given["name"].tolist()
    assert [None if pd.isna(v) else json.loads(v) for v in found["counts"]] == [
        None if v is None else v.tolist() for v in given["counts"]
    ]


def test_json_has_the_numbers_that_are_stored_and_null_for_missing_ones():
    values = {
        "float64": [1.23456789012345e-12, 58256.123456789012, np.nan],
        "float32": np.array([1.2345678e-12, 0.1, np.inf], dtype="float32"),
        "Float64": pd.array([0.1234567890123456, None, -1e-300], dtype="Float64"),
        "int64": [2**62 + 1, -1, 0],
        "Int16": pd.array([1, None, 3], dtype="Int16"),
        "bool": [True, False, True],
        "text": ['é/"\n', None, "b"],
        "category": pd.Categorical(["a", None, "b"]),
        "list": [np.array([1.23456789012345e-12, np.nan]), None, np.array([1, 2])],
        "when": pd.Series([pd.Timestamp("2018-05-17"), pd.NaT, None], dtype=object),
    }
    found = json.loads(as_text(pd.DataFrame(values), "json"))
    assert [row["float64"] for row in found] == [1.23456789012345e-12, 58256.123456789012, None]
    assert [row["float32"] for row in found] == [1.2345678e-12, 0.1, None]
    assert [row["Float64"] for row in found] == [0.1234567890123456, None, -1e-300]
    assert found[0]["list"] == [1.23456789012345e-12, None]
    by_pandas = json.loads(pd.DataFrame(values).to_json(orient="records"))
    for name in ("int64", "Int16", "bool", "text", "category", "when"):
        assert [row[name] for row in found] == [row[name] for row in by_pandas], name


def test_json_of_no_rows_is_an_empty_list():
    assert json.loads(as_text(table(0), "json")) == []


def night_ccds(**columns):
    schema = SCHEMAS["night_ccds"]
    values = {"string": "a", "bool": True, "dictionary": "r"}
    given = {c.name: [values.get(c.type, 3)] * 2 for c in schema.columns}
    return pd.DataFrame(given | columns)


def test_nights_of_an_older_version_and_with_nulls_are_shown_like_the_others(tmp_path):
    home = Home(tmp_path)
    for night, rows in {
        "2018-03-10": night_ccds(expnum=[7, 8]),
        "2018-03-11": night_ccds(expnum=[9, 10], n_sources=[None, 3], note=[None, "why"]),
    }.items():
        write_table(rows, home.table("night_ccds", night), SCHEMAS["night_ccds"])
    found = json.loads("\n".join(render(home, "night_ccds", None, "json")))
    assert [row["expnum"] for row in found] == load(home, "night_ccds")["expnum"].tolist() == [7, 8, 9, 10]
    assert [row["note"] for row in found] == [None, None, None, "why"]
    shown = pd.read_csv(io.StringIO("\n".join(render(home, "night_ccds", None, "csv"))), dtype=str)
    assert shown["n_sources"].fillna("").tolist() == ["3", "3", "", "3"]
    lines = "\n".join(render(home, "night_ccds", None, "table")).split("\n")
    assert len(lines) == 5
    assert len({len(line) for line in lines}) == 1
