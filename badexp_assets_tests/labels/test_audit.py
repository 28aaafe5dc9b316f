import json

import numpy as np
import pytest
from astropy.table import Table
from click.testing import CliRunner

from badexp_assets.commands.cli import badexp
from badexp_assets.labels.audit import audit_labels, format_audit
from badexp_assets.labels.label_files import find_label_files
from badexp_assets.labels.taxonomy_file import load_taxonomy
from badexp_assets.review.spreadsheets import read_verdict_file
from badexp_assets.survey.cameras import load_camera

CAMERA, TAXONOMY = load_camera(), load_taxonomy()


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "y02").mkdir()
    (tmp_path / "decam-bad_expid.txt").write_text("# head\n100 1\n101-N4 focus\n\n103\n104\txyzzy  plugh\n200 - N4\n")
    (tmp_path / "y02" / "noise-y02.txt").write_text("20141029 100 nan nan 33\n20141029 100 nan nan 35\n")
    (tmp_path / "y02" / "problem-y02.txt").write_text("20141029  106  Clouds\n20141029  107  \n")
    Table({"EXPNUM": [105, 105], "CCDNUM": [35, 99], "REASON": ["noise", "Wonky"]}).write(tmp_path / "des-exclude.fits")
    (tmp_path / "broken_exclude.csv").write_text("a,b\n1,2\n")
    columns = {"expnum": [100, 100], "ccdname": ["N4", "Q9"], "filter": ["g", "g"], "mjd_obs": [56960.2] * 2}
    Table(columns | {"exptime": np.full(2, 90.0)}).write(tmp_path / "survey-ccds-1.fits")
    (tmp_path / "survey-ccds-2.fits").write_text("no FITS")
    (tmp_path / "our_verdicts.csv").write_text("expnum,reviewer,verdict\n1,ann,bad\n2,ann,perhapps\n")
    (tmp_path / "notes.md").write_text("notes")
    (tmp_path / "empty_bad_expid.txt").write_text("")
    return tmp_path


@pytest.fixture
def audit(folder):
    return audit_labels(find_label_files(folder), CAMERA, TAXONOMY, read_verdict_file)


def test_every_line_of_every_file_is_counted_once(audit):
    counts = {row[0]: list(row[2:]) for row in audit.files.astype(object).where(audit.files.notna(), None).to_numpy()}
    assert counts == {
        "decam-bad_expid.txt": [5, 2, 1, 2],
        "empty_bad_expid.txt": [0, 0, 0, 0],
        "y02/noise-y02.txt": [2, 2, 0, 0],
        "y02/problem-y02.txt": [2, 1, 0, 1],
        "broken_exclude.csv": [1, 0, 0, 1],
        "des-exclude.fits": [2, 1, 0, 1],
        "survey-ccds-1.fits": [2, None, 1, 0],
        "survey-ccds-2.fits": [None, None, None, 1],
        "our_verdicts.csv": [2, None, None, 1],
    }
    assert audit.unused == ("notes.md",)
    assert audit.files["unmatched"].sum() == len(audit.unmatched)


def test_unmatched_lines_have_their_place_their_text_and_what_was_expected(audit):
    found = {(row.file, row.line): (row.text, row.expected) for row in audit.unmatched.itertuples()}
    assert not audit.understood
    assert found[("decam-bad_expid.txt", 6)][0] == "104\txyzzy  plugh"
    assert "EXPNUM-CCDNAME is expected" in found[("decam-bad_expid.txt", 7)][1]
    assert found[("y02/problem-y02.txt", 2)] == (
        "20141029  107",
        "2 columns, so reason can't be identified; 3 are expected: nite exposure problem",
    )
    assert found[("des-exclude.fits", 2)][0] == "Wonky"
    assert "EXPNUM" in found[("broken_exclude.csv", 0)][1]
    assert "not a readable FITS table" in found[("survey-ccds-2.fits", 0)][1]
    assert "'perhapps'" in found[("our_verdicts.csv", 0)][1]


def test_ignored_lines_and_contradictions_are_grouped_with_an_example(audit):
    assert audit.ignored[["lines", "first"]].to_numpy().tolist() == [[1, "decam-bad_expid.txt:5"]]
    assert audit.contradictions.to_numpy().tolist() == [
        ["saturated (decals)", "noise (delve)", 1, 1, "decam-bad_expid.txt:2", "y02/noise-y02.txt:2"]
    ]
    sums = audit.categories.set_index(["category", "source"])["ccds"].to_dict()
    assert sums[("out_of_focus", "decals")] == 1
    assert sums[("clouds_transparency", "delve")] == 60


def test_a_verdict_file_without_a_reader_is_only_listed(folder):
    files = audit_labels(find_label_files(folder), CAMERA, TAXONOMY).files.set_index("file")
    assert files.loc["our_verdicts.csv", ["lines", "unmatched"]].isna().all()


def test_an_audit_of_nothing_is_empty_and_has_text(tmp_path):
    audit = audit_labels(find_label_files(tmp_path), CAMERA, TAXONOMY)
    assert audit.understood
    assert "0 label files found" in format_audit(audit, "table")
    assert json.loads(format_audit(audit, "json"))["files"] == []


def run(*words):
    return CliRunner().invoke(badexp, ["labels", *map(str, words)])


def test_the_command_ends_with_1_when_a_line_is_not_understood_and_with_0_otherwise(folder, tmp_path):
    bad = run(folder, "--home", tmp_path / "home")
    assert bad.exit_code == 1
    assert "decam-bad_expid.txt:6: 104\txyzzy  plugh\n    no entry of the taxonomy" in bad.output
    assert "7 lines are not understood:" in bad.output
    good = run(folder / "y02" / "noise-y02.txt", "--home", tmp_path / "home")
    assert (good.exit_code, "every line is understood" in good.output) == (0, True)
    assert not (tmp_path / "home").exists()


def test_the_command_takes_a_taxonomy_of_the_users_and_gives_json(folder, tmp_path):
    entry = '[[entry]]\nsource = "decals"\npattern = "xyzzy"\ncategory = "magic"\nwhy = "A hollow voice."\n'
    (tmp_path / "mine.toml").write_text(f'extends = "packaged"\ncategories = ["magic"]\n{entry}')
    result = run(folder / "decam-bad_expid.txt", "--taxonomy", tmp_path / "mine.toml", "--format", "json")
    found = json.loads(result.output)
    assert found["taxonomy"].startswith(f"{tmp_path / 'mine.toml'}, extends packaged (sha256 ")
    assert [line["line"] for line in found["unmatched"]] == [7]
    assert {"magic", "saturated"} <= {row["category"] for row in found["categories"]}


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("[night_pass]\nrows = -1\n", ""),
        ("night_pass = 5\n", ""),
        ("[training]\nthin = ['comets=1/2']\n", "Table 2 is left out: [training]: thin has 'comets'; any of "),
        ("[training]\nfolds = 1\n", "[training]: folds is 1; "),
        ("training = 5\n", "training is 5; a section [training] is needed"),
    ],
)
def test_the_audit_is_printed_whatever_is_wrong_with_options(folder, tmp_path, text, complaint):
    home = tmp_path / "home"
    home.mkdir()
    (home / "settings.toml").write_text(text)
    result = run(folder / "y02" / "noise-y02.txt", "--home", home)
    assert (result.exit_code, "every line is understood" in result.stdout) == (0, True)
    assert complaint in result.stderr
    assert result.stderr.count("\n") == bool(complaint)
    assert ("Table 2 of Luo et al. 2025" in result.stdout) != bool(complaint)


def test_the_real_lists_are_understood_to_the_last_line(shared_data):
    files = find_label_files(shared_data / "labels")
    audit = audit_labels(files, CAMERA, TAXONOMY, read_verdict_file)
    assert audit.understood, audit.unmatched
    lists = audit.files[audit.files["kind"] != "verdicts"]
    assert (lists[["label", "ignored", "unmatched"]].sum(axis=1) == lists["lines"]).all()
    assert len(audit.contradictions) > 10


def test_only_a_list_as_long_as_that_of_luo_et_al_is_compared_with_it(folder, audit):
    assert audit.paper.empty
    assert "Luo et al." not in format_audit(audit, "table")
    (folder / "decam-bad_expid.txt").write_text("".join(f"{100_000 + i} 1\n" for i in range(3014)))
    text = format_audit(audit_labels(find_label_files(folder), CAMERA, TAXONOMY), "table")
    assert "the bad exposures of Luo et al. 2025" in text
