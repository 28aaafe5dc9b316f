"""The code location as Dagster sees it: it loads, it says what it is, and its graph is the one that is written down."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from badexp_assets.commands.dagster_home import workspace_file
from badexp_assets.defs.build import build_definitions
from badexp_assets.defs.partitions import NIGHTS
from badexp_assets.orchestration.command_line_runs import LOCATION
from badexp_assets.orchestration.command_line_runs import REPOSITORY as REPOSITORY_NAME
from badexp_assets_tests.repository import REPOSITORY

GRAPH = Path(__file__).with_name("asset_graph.txt")
HEAVY = ("torch", "numba", "sklearn", "matplotlib", "hdbscan", "optuna", "skops", "galsim")


@pytest.fixture(scope="module")
def graph(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patched:  # not the demonstration's home, ./var, which has nights of its own
        patched.setenv("BADEXP_HOME", str(tmp_path_factory.mktemp("home")))
        return build_definitions().resolve_asset_graph()


def drawn(graph) -> str:
    """The asset graph as text: groups, in each its assets with `*` for a nightly one, what it needs, its checks."""
    checks: dict[str, list[str]] = {}
    for check in graph.asset_check_keys:
        checks.setdefault(check.asset_key.to_user_string(), []).append(check.name)
    lines = []
    for group in sorted({graph.get(key).group_name for key in graph.get_all_asset_keys()}):
        lines += ["", group]
        for key in sorted(graph.get_all_asset_keys()):
            node = graph.get(key)
            if node.group_name != group:
                continue
            assert node.partitions_def in (None, NIGHTS)  # without a home, the nights of DECam
            name = key.to_user_string()
            lines.append(f"  {name}{'*' if node.partitions_def else ''}{'' if node.is_executable else ' (external)'}")
            lines += [f"    from {parent.to_user_string()}" for parent in sorted(node.parent_keys)]
            lines += [f"    check {check}" for check in sorted(checks.get(name, []))]
    return "\n".join(lines).strip() + "\n"


def in_a_fresh_process(*words: str, folder: Path = REPOSITORY) -> subprocess.CompletedProcess[str]:
    """Run a command without BADEXP_HOME and DAGSTER_HOME, with the package of this checkout."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("BADEXP_", "DAGSTER_"))}
    return subprocess.run(
        words, cwd=folder, env=kept | {"PYTHONPATH": str(REPOSITORY)}, capture_output=True, text=True, check=False
    )


def test_the_asset_graph_is_the_one_that_is_written_down(graph):
    written = GRAPH.read_text(encoding="utf-8")
    assert drawn(graph) == written.partition("\n\n")[2], f"if the change is wanted, write it into {GRAPH.name}"


def test_every_asset_says_what_it_is(graph):
    for key in graph.get_all_asset_keys():
        node = graph.get(key)
        assert len(node.description or "") > 40, key
        assert node.kinds, key
        assert node.owners, key
        columns = node.metadata["dagster/column_schema"].columns
        assert columns, key
        assert all(column.description for column in columns), key


def test_every_job_and_every_check_has_a_description(graph):
    definitions = build_definitions()
    for job in definitions.jobs:
        assert job.description, job.name
    for key in graph.asset_check_keys:
        assert graph.get(key).description, key


def test_all_nightly_assets_share_one_backfill_policy_so_that_a_night_is_one_run(graph):
    policies = {
        graph.get(key).backfill_policy for key in graph.materializable_asset_keys if graph.get(key).is_partitioned
    }
    assert len(policies) == 1


@pytest.mark.slow
def test_loading_the_code_location_imports_no_heavy_library():
    code = f"import sys, badexp_assets.definitions; print([name for name in {HEAVY!r} if name in sys.modules])"
    result = in_a_fresh_process(sys.executable, "-c", code)
    assert result.stdout.strip() == "[]", result.stdout + result.stderr


def test_the_workspace_of_the_package_and_of_the_checkout_name_the_same_code_location():
    assert yaml.safe_load(Path(workspace_file()).read_text()) == yaml.safe_load(
        (REPOSITORY / "workspace.yaml").read_text()
    )


@pytest.mark.parametrize("file", [Path(workspace_file()), *(REPOSITORY / "deployments").glob("*/workspace.yaml")])
def test_runs_of_the_command_line_are_listed_under_the_code_location_of_every_workspace(file):
    [entry] = yaml.safe_load(file.read_text())["load_from"]
    [location] = entry.values()
    assert location["location_name"] == LOCATION
    assert build_definitions().get_repository_def().name == REPOSITORY_NAME


def test_a_new_home_gets_the_local_deployment():
    packaged = Path(workspace_file()).with_name("local_dagster.yaml").read_text(encoding="utf-8")
    assert packaged == (REPOSITORY / "deployments" / "local" / "dagster.yaml").read_text(encoding="utf-8")


@pytest.mark.slow
@pytest.mark.parametrize(
    "words",
    [
        ["dagster", "definitions", "validate", "-w", "workspace.yaml"],
        ["dg", "check", "defs"],
        ["dg", "list", "defs"],
    ],
    ids=" ".join,
)
def test_dagsters_own_commands_find_the_definitions_without_any_home(words):
    command = Path(sys.executable).with_name(words[0])
    if not command.exists():
        pytest.skip(f"{command} is not installed")
    result = in_a_fresh_process(str(command), *words[1:])
    assert result.returncode == 0, result.stdout + result.stderr
    if words[1] == "list":
        assert "night_entropy_scores" in result.stdout
