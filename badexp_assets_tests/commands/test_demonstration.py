"""The demonstration, and verdicts that come back as labels."""

import tomllib

import pandas as pd
import pytest
from click.testing import CliRunner

from badexp_assets.commands.asset_text import load
from badexp_assets.commands.cli import badexp
from badexp_assets.commands.dagster_home import environment
from badexp_assets.commands.demonstration import demonstrate
from badexp_assets.commands.graph_run import Runner
from badexp_assets.config.home import Home
from badexp_assets.config.settings import load_settings
from badexp_assets.defs import jobs
from badexp_assets.defs.resources import Progress
from badexp_assets.errors import InputError
from badexp_assets.simulate.params import SurveyParams
from badexp_assets_tests.homes import FEWER_FITS, copy_home

TINY = SurveyParams(nights=2, exposures=16, n_ccds=4, ccd_rows=192, ccd_columns=128, seed=3)
QUICK = tomllib.loads(FEWER_FITS)


@pytest.mark.slow
def test_the_demonstration_ends_with_a_reject_list_and_its_scores(tmp_path):
    home = Home(tmp_path / "home")
    said: list[str] = []
    closing = "\n".join(demonstrate(home, TINY, said.append, QUICK))
    assert "32 in 2 nights: 32 scored, 0 failed, 0 excluded" in closing
    assert closing.count("precision") >= 3
    assert "bad_expid.txt" in closing
    verdicts = load(home, "review_verdicts")
    assert verdicts["simulated"].all()
    assert verdicts["reviewer"].str.startswith("simulated").all()
    text = (home.export / "bad_expid.txt").read_text()
    rejects = load(home, "reviewed_reject_list")
    assert len([line for line in text.splitlines() if not line.startswith("#")]) == len(rejects)
    assert rejects.empty or "SIMULATED" in text


def test_a_home_with_another_survey_is_not_overwritten(tmp_path):
    (tmp_path / "settings.toml").write_text('archive = "/data/decam"\n')
    with pytest.raises(InputError, match="holds the survey /data/decam; give the demonstration a home of its own"):
        demonstrate(Home(tmp_path), TINY, print)


@pytest.mark.slow
def test_verdicts_of_people_become_rejects_and_then_labels(finished_home, tmp_path):
    home = Home(tmp_path / "home")
    copy_home(Home(finished_home), home.root)
    known = set(load(home, "bad_ccd_labels")["expnum"])
    fresh = [int(e) for e in load(home, "night_exposures")["expnum"] if e not in known][:2]
    answers = [(fresh[0], who, "bad", "psf") for who in ("ana", "ben", "eve")]
    answers += [(fresh[1], "ana", "bad", "psf"), (fresh[1], "ben", "fine", None), (fresh[1], "eve", "fine", None)]
    table = pd.DataFrame(answers, columns=["expnum", "reviewer", "verdict", "category"]).assign(ccdnum=None)
    table.to_csv(tmp_path / "my_verdicts.csv", index=False)
    for words in (["review", "import", "--home", str(home.root), str(tmp_path / "my_verdicts.csv")],) * 2:
        result = CliRunner().invoke(badexp, words, catch_exceptions=False)
        assert result.exit_code == 0, result.output
    assert "0 answers added" in result.output
    settings = load_settings(home.root)
    with environment(settings):
        runner = Runner(settings, print, Progress())
        for job in (jobs.READ_LABELS, jobs.PUBLISH_REJECTS):
            runner.execute(job)
    assert "1 exposures and 0 single CCDs are rejected" in (home.reports / "index.html").read_text()
    assert load(home, "reviewed_reject_list")["expnum"].tolist() == [fresh[0]]
    labels = load(home, "bad_ccd_labels")
    mine = labels[labels["expnum"] == fresh[0]]
    assert set(mine["source"]) == {"review"}
    assert set(mine["category"]) == {"psf"}
    assert fresh[1] not in set(labels["expnum"])
    line = next(x for x in (home.export / "bad_expid.txt").read_text().splitlines() if x.startswith(str(fresh[0])))
    assert "3 of 3 reviewers" in line


def test_simulated_answers_are_kept_out_of_a_store_that_the_environment_names(tmp_path, monkeypatch):
    monkeypatch.setenv("BADEXP_VERDICTS", "postgresql://survey/verdicts")
    with pytest.raises(InputError, match="BADEXP_VERDICTS is set"):
        demonstrate(Home(tmp_path / "home"), TINY, print, QUICK)
    assert not (tmp_path / "home").exists()
