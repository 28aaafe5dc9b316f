"""What steps print in a run of the command line: on the terminal at once, and in the files that the UI shows."""

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import psutil
import pytest

from badexp_assets.orchestration.command_line_runs import command_line_instance
from badexp_assets.orchestration.step_output import StepOutput, _captured

QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


@pytest.fixture
def home(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    (tmp_path / "dagster.yaml").write_text("telemetry:\n  enabled: false\n")
    return tmp_path


@contextlib.contextmanager
def terminal(folder: Path) -> Iterator[dict[str, Path]]:
    """Files in `folder` to which all that this process prints goes during the block."""
    files = {name: folder / name for name in ("stdout", "stderr")}
    before = [(number, os.dup(number)) for number in (1, 2)]
    with pytest.MonkeyPatch.context() as patch:  # not as a fixture: pytest replaces the streams before a test's call
        for number, (name, path) in enumerate(files.items(), start=1):
            with path.open("wb") as file:
                os.dup2(file.fileno(), number)
            patch.setattr(sys, name, open(number, "w", closefd=False))  # noqa: SIM115
        try:
            yield files
        finally:
            for number, copy in before:
                os.dup2(copy, number)
                os.close(copy)


def run(compute, instance: dg.DagsterInstance) -> dg.ExecuteInProcessResult:
    @dg.job
    def printing():
        dg.op(name="printed")(compute)()

    return printing.execute_in_process(QUIET, instance=instance, raise_on_error=False)


def stored(instance: dg.DagsterInstance, run_id: str) -> tuple[str, str]:
    """stdout and stderr of a run, read like the UI does."""
    (event,) = instance.all_logs(run_id, of_type=dg.DagsterEventType.LOGS_CAPTURED)
    with dg.DagsterInstance.get() as other:
        assert not isinstance(other.compute_log_manager, StepOutput)
        key = [run_id, "compute_logs", event.dagster_event.logs_captured_data.file_key]
        assert other.compute_log_manager.is_capture_complete(key)
        data = other.compute_log_manager.get_log_data(key)
        return data.stdout.decode(), data.stderr.decode()


def test_all_that_a_run_prints_is_on_the_terminal_and_in_its_files_without_further_processes(home):
    seen: list[str] = []

    def compute():
        print("from Python")
        print("a warning", file=sys.stderr)
        os.write(1, b"from a library\n")
        subprocess.run(["echo", "from a child"], check=True)
        seen.extend(" ".join(child.cmdline()) for child in psutil.Process().children())

    with terminal(home) as shown_in, command_line_instance() as instance:
        print("before", flush=True)
        result = run(compute, instance)
        print("after", flush=True)
        assert result.success
        lines = ["from Python", "from a library", "from a child"]
        first, *shown, last = shown_in["stdout"].read_text().splitlines()
        assert (first, last) == ("before", "after")
        assert sorted(shown) == sorted(lines)
        assert shown_in["stderr"].read_text() == "a warning\n"
        output, errors = stored(instance, result.run_id)
        assert sorted(output.splitlines()) == sorted(lines)
        assert errors == "a warning\n"
    assert not [words for words in seen if "tail" in words or "watch_orphans" in words]


def test_a_line_is_shown_while_its_step_runs(home):
    shown = ""

    def compute():
        nonlocal shown
        print("progress", flush=True)
        end = time.monotonic() + 10
        while not shown and time.monotonic() < end:
            time.sleep(0.02)
            shown = shown_in["stdout"].read_text()

    with terminal(home) as shown_in, command_line_instance() as instance:
        assert run(compute, instance).success
    assert shown == "progress\n"


def test_a_step_that_fails_leaves_its_last_words_and_the_terminal(home):
    def compute():
        print("last words")
        raise ValueError("planted")

    with terminal(home) as shown_in, command_line_instance() as instance:
        result = run(compute, instance)
        assert not result.success
        print("after", flush=True)
        assert shown_in["stdout"].read_text() == "last words\nafter\n"
        assert stored(instance, result.run_id)[0] == "last words\n"


def test_an_instance_that_stores_output_elsewhere_is_left_as_it_is(home):
    with (home / "dagster.yaml").open("a") as file:
        file.write(
            "compute_logs:\n  module: dagster.core.storage.noop_compute_log_manager\n  class: NoOpComputeLogManager\n"
        )
    with command_line_instance() as instance:
        assert type(instance.compute_log_manager).__name__ == "NoOpComputeLogManager"


def test_a_slow_terminal_that_does_not_block_gets_everything(tmp_path):
    script = """if True:
        import os, sys
        from pathlib import Path
        from badexp_assets.orchestration.step_output import _captured

        os.set_blocking(1, False)
        with _captured(sys.stdout, Path(sys.argv[1])):
            sys.stdout.write("x" * 500_000)
    """
    with subprocess.Popen([sys.executable, "-c", script, str(tmp_path / "out")], stdout=subprocess.PIPE) as process:
        deadline = time.monotonic() + 60
        while not (tmp_path / "out").exists() or (tmp_path / "out").stat().st_size < 500_000:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        time.sleep(0.5)  # the pipe is full
        assert process.stdout is not None
        shown = process.stdout.read()
    assert len(shown) == 500_000


def test_a_closed_stream_is_not_captured(tmp_path):
    stream = (tmp_path / "closed").open("w")
    stream.close()
    with _captured(stream, tmp_path / "out"):
        pass
    assert (tmp_path / "out").read_bytes() == b""
