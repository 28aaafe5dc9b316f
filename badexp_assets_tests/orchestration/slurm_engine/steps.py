"""Small jobs for the Slurm engine. What the heavy step does says STEP in the environment; its notes go to the home."""

import os
import time
from pathlib import Path

import dagster as dg

from badexp_assets.orchestration.slurm.executor import slurm_executor
from badexp_assets.orchestration.step_resources import step_resources

_LONGEST_WAIT = 120.0  # seconds


def notes(home: Path) -> Path:
    """One line for each time that the heavy step began: its Slurm job, its process."""
    return home / "begun"


def gate(home: Path) -> Path:
    """A waiting step goes on once this file is there."""
    return home / "go"


@dg.op(tags=step_resources(cpus=1, memory_gib=1, hours=0.05, gpus=1), out=dg.Out(dg.Nothing), pool="pixels")
def night() -> None:
    """The heavy step."""
    home = Path(os.environ["BADEXP_HOME"])
    with notes(home).open("a") as file:
        file.write(f"{os.environ.get('SLURM_JOB_ID', 'no job')} {os.getpid()}\n")
    what = os.environ.get("STEP", "")
    times = len(notes(home).read_text().splitlines())
    if what == "retry" and times == 1:
        raise dg.RetryRequested(max_retries=1)
    if what == "fail":
        raise ValueError("a defect of the step")
    deadline = time.monotonic() + _LONGEST_WAIT
    while what == "wait" and not gate(home).exists() and time.monotonic() < deadline:
        time.sleep(0.1)


@dg.op(ins={"after": dg.In(dg.Nothing)})
def score() -> None:
    """The light step."""
    (Path(os.environ["BADEXP_HOME"]) / "scored").write_text(os.environ.get("SLURM_JOB_ID", "no job"))


_EXECUTOR = slurm_executor([])


@dg.job(executor_def=_EXECUTOR)
def single() -> None:
    """Heavy."""
    night()


@dg.job(executor_def=_EXECUTOR)
def chain() -> None:
    """Heavy, then light."""
    score(after=night())


@dg.asset(
    op_tags=step_resources(cpus=1, memory_gib=1, hours=0.05),
    check_specs=[dg.AssetCheckSpec("is_whole", asset="table", blocking=True)],
)
def table() -> dg.MaterializeResult:
    """Fails its blocking check."""
    return dg.MaterializeResult(check_results=[dg.AssetCheckResult(check_name="is_whole", passed=False)])


@dg.asset(deps=[table], op_tags=step_resources(cpus=1, memory_gib=1, hours=0.05))
def model() -> None:
    """Must not be reached."""
    (Path(os.environ["BADEXP_HOME"]) / "fitted").touch()


@dg.asset(deps=[table])
def report() -> None:
    """Must not be reached either."""
    (Path(os.environ["BADEXP_HOME"]) / "reported").touch()


checked = dg.Definitions(
    assets=[table, model, report],
    jobs=[dg.define_asset_job("checked", dg.AssetSelection.all())],
    executor=slurm_executor([table, model, report]),
).resolve_job_def("checked")
