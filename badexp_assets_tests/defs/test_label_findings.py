"""What a label file holds that is not understood reaches the user with file, line and what was expected."""

import dagster as dg
import pytest

from badexp_assets.defs.assets.labels import decals_bad_exposures, delve_bad_ccds, label_files
from badexp_assets.defs.assets.review import review_verdicts
from badexp_assets.defs.io_managers import ParquetIOManager
from badexp_assets.defs.resources import SurveyResource


def test_findings_name_the_file_the_line_and_what_is_expected(tmp_path):
    folder = tmp_path / "labels"
    (folder / "y07").mkdir(parents=True)
    (folder / "decam-bad_expid.txt").write_text("346662 1\n346663-N04 noise\n")
    (folder / "y07" / "processing-y07.txt").write_text("# PSF fit failure\n20191221  921464 nan nan  \n")
    (folder / "y07" / "notes.txt").write_text("a note\n")
    survey = SurveyResource(home=str(tmp_path / "home"), labels=[str(folder)])
    with dg.DagsterInstance.ephemeral() as instance:
        result = dg.materialize(
            [label_files, decals_bad_exposures, delve_bad_ccds],
            instance=instance,
            resources={"survey": survey, "io_manager": ParquetIOManager(survey=survey)},
        )
    found = {check.asset_key.to_user_string(): check for check in result.get_asset_check_evaluations()}
    assert "decam-bad_expid.txt line 2: 'N04' is no CCD of decam; N4 is meant?" in (
        found["decals_bad_exposures"].description or ""
    )
    shown = str(found["delve_bad_ccds"].metadata["lines"].value)
    assert "y07/processing-y07.txt" in shown
    assert "4 columns, so ccdnum can't be identified; 5 are expected: date expnum ccd id ccdnum" in shown
    assert not found["delve_bad_ccds"].passed
    (event,) = [e for e in result.get_asset_materialization_events() if e.asset_key == dg.AssetKey("label_files")]
    assert event.materialization.metadata["files of other names"].value == ["y07/notes.txt"]


@pytest.mark.parametrize("row", ["7.46E+05,ann,bad,noise", "102,ann,baad,noise", "102,ann,bad,nois", ""])
def test_answers_of_verdict_files_that_are_not_understood_are_a_warning(tmp_path, row):
    (tmp_path / "team_verdicts.csv").write_text(f"expnum,reviewer,verdict,category\n100,ann,bad,noise\n{row}\n")
    survey = SurveyResource(home=str(tmp_path / "home"), labels=[str(tmp_path / "team_verdicts.csv")])
    with dg.DagsterInstance.ephemeral() as instance:
        result = dg.materialize(
            [label_files, review_verdicts],
            instance=instance,
            resources={"survey": survey, "io_manager": ParquetIOManager(survey=survey)},
        )
    [check] = result.get_asset_check_evaluations()
    assert result.success
    assert (check.check_name, check.severity) == ("every_answer_is_understood", dg.AssetCheckSeverity.WARN)
    assert check.passed == (row == "")
    assert check.metadata["not understood"].value == (row != "")
    if row:
        assert "team_verdicts.csv:3: " in (check.description or "")
        assert "team_verdicts.csv:3: " in str(check.metadata["rows"].value)
