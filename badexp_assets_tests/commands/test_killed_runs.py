"""Runs that are killed, and the run that goes on after them."""

import os
import random
import shutil
import signal
import time

import pandas as pd
import pytest

from badexp_assets.commands.asset_text import load
from badexp_assets.config.home import Home
from badexp_assets.io.schemas import SCHEMAS
from badexp_assets_tests.commands.homes import start, whole_tables
from badexp_assets_tests.homes import copy_home
from badexp_assets_tests.waiting import LONGEST_WAIT


@pytest.mark.slow
def test_killed_runs_leave_whole_tables_and_the_next_run_ends_as_if_nothing_had_been(
    tmp_path, simulated_survey, finished_home
):
    home = tmp_path / "home"
    home.mkdir()
    shutil.copy(finished_home / "settings.toml", home)
    words = ["run", "--home", home, "--archive", simulated_survey / "images", "--labels", simulated_survey / "labels"]
    rng = random.Random(2)
    for line_before_death in ("reading night 2018-03-11", "scoring nights 2018-03-10 to 2018-03-11"):
        process = start(words)
        assert process.stdout is not None
        assert any(line.startswith(line_before_death) for line in process.stdout), "it ended before it was killed"
        time.sleep(rng.uniform(0.0, 1.0))
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        assert whole_tables(home)
    process = start(words)
    _, error = process.communicate(timeout=600)
    assert (process.returncode, error) == (0, "")
    for asset in set(SCHEMAS) - {"pipeline_search", "injection_completeness"}:  # on request only
        found, undisturbed = load(Home(home), asset), load(Home(finished_home), asset)
        pd.testing.assert_frame_equal(found, undisturbed, rtol=1e-5, atol=1e-6, check_like=True)


@pytest.mark.slow
def test_a_run_that_is_interrupted_says_so_in_one_line(tmp_path, finished_home):
    home = copy_home(Home(finished_home), tmp_path / "home")
    (home.dagster / "last_run.json").unlink()  # else the run would find that it has nothing to do
    process = start(["run", "--home", home.root])
    assert process.stdout is not None
    assert any(line.startswith("references and models") for line in process.stdout)
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=LONGEST_WAIT)
    assert process.returncode == 130
    assert [line for line in error.splitlines() if line.strip()] == ["badexp: interrupted; what was finished is kept"]
    assert "DagsterExecutionInterruptedError" not in error
