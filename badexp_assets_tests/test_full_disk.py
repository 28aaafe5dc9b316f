"""Every step that stores answers a full disk alike: one line that names the file, and the old file stays whole.

`STEPS` has an entry for each function that stores something by itself; a test finds functions without one.
"""

import ast
import builtins
import dataclasses
import errno
import io
import os
import sqlite3
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

import badexp_assets
from badexp_assets.classify.training_record import TrainingRecord
from badexp_assets.commands import cli, dagster_home, last_run
from badexp_assets.config.home import Home
from badexp_assets.config.night_options import EntropyParams, PassParams
from badexp_assets.config.settings_file import update_settings_file
from badexp_assets.errors import BadExpError, StorageError
from badexp_assets.export.bad_expid import append_bad_expid, write_bad_expid
from badexp_assets.export.exclude_table import write_exclude_table
from badexp_assets.export.reject_list_file import write_rejects
from badexp_assets.io.models import store_model
from badexp_assets.io.parquet import empty_table, write_table
from badexp_assets.io.schemas import SCHEMAS
from badexp_assets.orchestration.failures import one_line_errors
from badexp_assets.orchestration.plan.inputs import read_rates, write_rates
from badexp_assets.pixels.journal import open_journal
from badexp_assets.pixels.night_pass import run_pass
from badexp_assets.pixels.night_tables import PASS_TABLES
from badexp_assets.reports.explanations.patch_reference import PatchReference
from badexp_assets.reports.page import write_page
from badexp_assets.review.spreadsheets import export_verdicts
from badexp_assets.review.store import VerdictStore
from badexp_assets.review.tags import export_tags
from badexp_assets.review.verdicts import tidy_verdicts
from badexp_assets.simulate.label_files import _write, _write_exclude
from badexp_assets.survey.arrivals.archive_state import ArchiveState, NightState, StateStore
from badexp_assets.survey.cameras import load_camera
from badexp_assets.survey.night_range import record_night_range
from badexp_assets_tests.pixels.stand_in import MeanEmbedder
from badexp_assets_tests.repository import REPOSITORY

PACKAGE = Path(badexp_assets.__file__).parent
FULL = Path("/dev/full")
pytestmark = pytest.mark.skipif(not FULL.exists(), reason="the system has no /dev/full")

Step = Callable[[Path, int], object]
"""Stores something below a folder; another number makes other content."""


class Weights:
    """A model whose content is a number."""

    def __init__(self, number: int) -> None:
        self.version = f"v{number}"

    def save(self, folder: Path) -> None:
        from badexp_assets.io.model_folder import write_model_folder

        write_model_folder(self, folder, lambda temporary: (temporary / "weights").write_text(self.version))

    @classmethod
    def load(cls, folder: Path) -> "Weights":
        return cls(int((folder / "weights").read_text()[1:]))


def rejects(number: int) -> pd.DataFrame:
    return pd.DataFrame({"expnum": [number], "ccdnum": pd.array([1], "Int16"), "category": ["noise"]})


def verdicts(number: int) -> pd.DataFrame:
    return tidy_verdicts(pd.DataFrame({"expnum": [number], "reviewer": ["ann"], "verdict": ["bad"]}))


def reject_list(number: int) -> pd.DataFrame:
    return empty_table(SCHEMAS["reviewed_reject_list"]).reindex(range(number))


def append(folder: Path, number: int) -> None:
    given = folder.parent / "given.txt"
    given.write_text("99 1 clouds\n")
    append_bad_expid(rejects(number), given, folder / "bad_expid.txt")


def record(folder: Path, number: int) -> None:
    values = {field.name: np.arange(number) for field in dataclasses.fields(TrainingRecord)}
    (folder / "model").mkdir(exist_ok=True)
    TrainingRecord(**values).save(folder / "model")


def journal(folder: Path, number: int) -> None:
    with open_journal(folder / "journal") as opened:
        opened.write("key", {"night_exposures": pa.table({"expnum": [number]})})


def night(folder: Path, number: int) -> None:
    from badexp_assets_tests.survey import tiny_cp

    tiny_cp.write_cp(folder.parent / f"cp{number}", number, ccds={"N4": 35}, with_ood=False, packed=False)
    params = PassParams(preview_height=0, stamps_per_exposure=1, workers=0, focal_plane_step=0)
    places = {name: folder / f"{name}.parquet" for name in PASS_TABLES}
    setup = (load_camera(), MeanEmbedder(), EntropyParams(gradient_points=20), params, places)
    run_pass(folder.parent / f"cp{number}", "2018-05-17", *setup, journal=folder.parent / "journal")


def prepare(folder: Path, number: int) -> None:
    home = Home(folder / str(number))
    with one_line_errors(home):
        dagster_home.prepare_instance(home)


def page(folder: Path, number: int) -> None:
    write_page("base.html.j2", folder / "page.html", {"title": f"page {number}"})


STEPS: dict[str, Step] = {
    "io/parquet.py:write_table": lambda folder, n: write_table(
        verdicts(n), folder / "t.parquet", SCHEMAS["review_verdicts"]
    ),
    "io/models.py:_write": lambda folder, n: store_model(Weights(n), folder / "models"),
    "config/settings_file.py:update_settings_file": lambda folder, n: update_settings_file(
        folder / "settings.toml", {"camera": f"camera {n}"}, {}
    ),
    "commands/last_run.py:_write": lambda folder, n: last_run._write(
        Home(folder), last_run.LastRun(f"{n}", "", "", [])
    ),
    "survey/night_range.py:_write": lambda folder, n: record_night_range(
        Home(folder), load_camera(), [f"2018-05-{n:02d}"]
    ),
    "survey/arrivals/archive_state.py:save": lambda folder, n: StateStore(folder / "arrivals").save(
        ArchiveState({"2018-05-17": NightState(str(n))}), None
    ),
    "export/bad_expid.py:write_bad_expid": lambda folder, n: write_bad_expid(rejects(n), folder / "bad_expid.txt"),
    "export/bad_expid.py:append_bad_expid": append,
    "export/exclude_table.py:write_exclude_table": lambda folder, n: write_exclude_table(
        rejects(n), folder / "exclude.fits"
    ),
    "export/reject_list_file.py:write_rejects": lambda folder, n: write_rejects(
        rejects(n), folder / "rejects.csv", load_camera()
    ),
    "review/spreadsheets.py:write_text_table": lambda folder, n: export_tags(
        pd.DataFrame({"expnum": [n]}), folder / "t.csv"
    ),
    "review/spreadsheets.py:export_verdicts": lambda folder, n: export_verdicts(verdicts(n), folder / "v.csv"),
    "classify/training_record.py:save": record,
    "pixels/journal.py:write": journal,
    "pixels/night_tables.py:__enter__": night,
    "reports/page.py:write_page": page,
    "reports/explanations/patch_reference.py:save": lambda folder, n: PatchReference(
        np.full((3, 2), n, np.float32), {"version": str(n)}
    ).save(folder / f"reference{n}"),
    "orchestration/plan/inputs.py:write_rates": lambda folder, n: write_rates(
        read_rates(REPOSITORY / "docs" / "rates" / "two-cores.json"), folder / "rates.json"
    ),
    "simulate/label_files.py:_write": lambda folder, n: _write(folder / "list.txt", [str(n)]),
    "simulate/label_files.py:_write_exclude": lambda folder, n: _write_exclude(
        folder / "exclude.fits", [(n, 1, "noise", "ann")]
    ),
    "commands/dagster_home.py:prepare_instance": prepare,
}
BY_OTHERS = {
    "autoencoder/model.py:save": "write_model_folder",
    "classify/classifier.py:save": "write_model_folder",
    "commands/simulate.py:entropy_trial": "atomic_path around one line; measuring takes minutes",
    "defs/io_managers.py:handle_output": "write_table",
    "io/model_folder.py:write_model_folder": "io/models.py:_write stores a model with it",
    "io/parquet.py:__enter__": "write_table",
    "io/parquet.py:_append": "write_table of pyarrow",
    "labels/mirror.py:update": "labels/test_sources.py",
    "orchestration/plan/report.py:draw_hours": "atomic_path around one line",
    "pixels/labelled_ccds.py:read_labelled_ccds": "write_table",
    "reports/classification_page.py:_write_scores": "atomic_path around one line",
    "reports/clusters_page.py:write_clusters_page": "write_page, and atomic_path around one line",
    "reports/night_page.py:write_night_report": "write_page, and atomic_path around one line",
    "review/app/survey_numbers.py:_keep": "a cache, which is not kept then",
    "review/vector_index.py:_write": "atomic_path around a loop",
    "simulate/contact_sheet.py:contact_sheet": "atomic_path around one line",
    "simulate/cp_writer.py:write_exposure": "through simulate",
    "simulate/inject_file.py:inject_into": "atomic_path; through simulate --inject-into",
    "simulate/survey.py:_write_truth": "atomic_path around one line each",
    "simulate/survey_ccds.py:write_survey_ccds": "atomic_path",
    "survey/camera_draft.py:write_draft": "atomic_path around one line",
    "survey/remote_fits.py:keep_headers": "a cache, which is not kept then",
    "vision/weights.py:fetch": "through weights fetch",
}
"""functions that store by others of these, or are tested elsewhere"""
UNPROTECTED = {
    "autoencoder/model.py:_write": "in the folder of write_model_folder",
    "classify/skops_folder.py:write_content": "in the folder of write_model_folder",
    "commands/bench.py:bench": "adds lines to a file of the user",
    "commands/front_door.py:_dagster_ui": "the output of the Dagster UI",
    "evaluation/completeness/scratch_folder.py:scratch_folder": "an empty file, for a lock",
    "io/figures.py:to_png": "into memory",
    "labels/mirror.py:_locked": "an empty file, for a lock",
    "orchestration/exclusive_run.py:exclusive_run": "an empty file, for a lock",
    "orchestration/slurm/job_request.py:write_script": "a StorageError of its own; no job is submitted",
    "orchestration/slurm/queue_snapshot.py:_locked": "an empty file, for a lock",
    "orchestration/slurm/queue_snapshot.py:_store": "a cache, which is not kept then",
    "orchestration/step_output.py:_captured": "what steps print, as it comes",
    "review/app/picture_cache.py:_write": "a cache, which is not kept then",
    "simulate/inject_file.py:_append": "in the file of inject_into",
}
_ATOMIC = {"atomic_path", "folder_to_move", "write_table", "write_model_folder", "TableWriter"}
_PLAIN = {
    "write_text",
    "write_bytes",
    "to_parquet",
    "savefig",
    "print_png",
    "savez_compressed",
    "save_file",
    "writeto",
    "copyfile",
}
_PLAIN_TO = {"to_csv", "to_json", "to_excel"}  # return text without a path
_MODES = {"w", "a", "x", "wb", "ab", "xb"}


def storing_functions() -> Iterator[tuple[str, bool]]:
    """Yield `file:function` of everything that stores, and whether it does so by one of the atomic writers."""
    for path in sorted(PACKAGE.rglob("*.py")):
        for function in ast.walk(ast.parse(path.read_text())):
            if not isinstance(function, ast.FunctionDef):
                continue
            calls = [node for node in ast.walk(function) if isinstance(node, ast.Call)]
            names = {_name(call) for call in calls}
            plain = bool(names & _PLAIN) or any(
                (_name(call) in _PLAIN_TO and call.args) or (_name(call) == "open" and _MODES & _constants(call))
                for call in calls
            )
            plain = plain or (path.name == "picture_cache.py" and "NamedTemporaryFile" in names)
            if names & _ATOMIC or plain:
                yield f"{path.relative_to(PACKAGE)}:{function.name}", bool(names & _ATOMIC)


def _name(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")


def _constants(call: ast.Call) -> set[object]:
    values = (*call.args, *(keyword.value for keyword in call.keywords))
    return {value.value for value in values if isinstance(value, ast.Constant) and isinstance(value.value, str)}


def test_every_function_that_stores_is_known():
    found = dict(storing_functions())
    atomic = {name for name, by_atomic in found.items() if by_atomic}
    assert atomic - STEPS.keys() - BY_OTHERS.keys() == set()
    assert found.keys() - atomic - UNPROTECTED.keys() == set()
    assert (STEPS.keys() | BY_OTHERS.keys() | UNPROTECTED.keys()) - found.keys() == set()


@pytest.fixture(params=["written", "synced"])
def fill_disk(request, monkeypatch) -> Callable[[Path], None]:
    """Let every write below a folder fail as on a full disk: when it is written, or only when it is synced."""
    open_file, make_file = io.open, tempfile.mkstemp

    def fill(folder: Path) -> None:
        def open_full(file, mode="r", *words, **options):
            inside = isinstance(file, str | os.PathLike) and Path(file).is_relative_to(folder)
            return open_file(FULL if inside and set(mode) & set("wax+") else file, mode, *words, **options)

        def make_full(*words, **options):
            handle, name = make_file(*words, **options)
            if Path(name).is_relative_to(folder):
                Path(name).unlink()
                Path(name).symlink_to(FULL)
            return handle, name

        def sync_full(handle):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        if request.param == "written":
            monkeypatch.setattr(builtins, "open", open_full)
            monkeypatch.setattr(io, "open", open_full)
            monkeypatch.setattr(tempfile, "mkstemp", make_full)
        monkeypatch.setattr(os, "fsync", sync_full)

    return fill


def contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("step", sorted(STEPS))
def test_a_full_disk_is_one_line_and_leaves_the_old_file(step, fill_disk, tmp_path):
    folder = tmp_path / "home"
    folder.mkdir()
    STEPS[step](folder, 1)
    before = contents(folder)
    assert before
    fill_disk(folder)
    with pytest.raises(StorageError) as caught:
        STEPS[step](folder, 2)
    message = str(caught.value)
    assert "\n" not in message
    assert str(tmp_path) in message
    assert os.strerror(errno.ENOSPC) in message or "FITSIO status = 106" in message
    assert contents(folder) == before


def test_a_full_verdict_store_is_one_line_and_keeps_its_answers(monkeypatch, tmp_path):
    store = tmp_path / "verdicts.sqlite"
    VerdictStore(store).add(verdicts(1))
    connect = sqlite3.dbapi2.connect

    def connect_to_full(*words, **options):
        connection = connect(*words, **options)
        connection.execute("PRAGMA max_page_count = 1")  # SQLite makes that the present number
        return connection

    with monkeypatch.context() as patch:
        patch.setattr(sqlite3.dbapi2, "connect", connect_to_full)
        many = pd.concat([verdicts(n).assign(comment="x" * 2000) for n in range(2, 40)], ignore_index=True)
        with pytest.raises(
            StorageError, match=rf"^{store}: review database can't be used \(database or disk is full\)$"
        ):
            VerdictStore(store).add(many)
    assert VerdictStore(store).read()["expnum"].tolist() == [1]


@pytest.mark.parametrize("cause", [sqlite3.OperationalError("database or disk is full"), OSError(errno.ENOSPC, "full")])
def test_a_full_disk_under_the_run_database_names_the_home(tmp_path, cause):
    with pytest.raises(BadExpError, match=str(tmp_path)), one_line_errors(Home(tmp_path)):
        raise RuntimeError("of Dagster") from cause


@pytest.mark.slow
@pytest.mark.parametrize(
    "words",
    [
        "simulate {full}/survey --nights 1 --exposures 1 --ccds 1 --workers 1",
        "review export {full}/answers.csv --home {home}",
        "weights fetch efficientnet_lite0 --home {full}",
        "run --home {full} --archive {archive}",
    ],
)
def test_a_command_that_fills_the_disk_ends_with_one_line(words, fill_disk, monkeypatch, capfd, tmp_path, tiny_cp):
    full = tmp_path / "full"
    full.mkdir()
    tiny_cp.write_cp(tmp_path / "archive")
    VerdictStore(Home(tmp_path / "home").verdicts).add(verdicts(1))
    fill_disk(full)
    names = {"full": full, "home": tmp_path / "home", "archive": tmp_path / "archive"}
    monkeypatch.setattr(sys, "argv", ["badexp", *(word.format(**names) for word in words.split())])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    error = capfd.readouterr().err
    assert ended.value.code == 2
    assert error.count("\n") == 1
    assert error.startswith(f"badexp: error: {full}/")
    assert not [path for path in full.rglob("*") if path.is_symlink() or path.name.startswith(".")]
