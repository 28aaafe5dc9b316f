"""The order in which files of tests are started."""

from badexp_assets_tests.order import LONGEST, start_order
from badexp_assets_tests.repository import REPOSITORY


def test_one_file_builds_the_finished_home_while_files_that_do_not_need_it_run():
    tests = [
        ("t/a/test_a.py", ["tmp_path"]),
        ("t/b/test_b.py", ["finished_home"]),
        ("t/commands/test_killed_runs.py", ["tmp_path"]),
        ("t/commands/test_killed_runs.py", ["finished_home"]),
        ("t/deployments/test_services.py", []),
    ]
    order = start_order(tests)
    assert sorted(order, key=lambda file: order[file]) == [
        "t/commands/test_killed_runs.py",
        "t/deployments/test_services.py",
        "t/a/test_a.py",
        "t/b/test_b.py",
    ]


def test_of_files_of_equal_length_the_one_collected_first_builds_the_finished_home():
    files = [f"t/test_{number}.py" for number in range(20)]
    assert start_order([(file, ["finished_home"]) for file in files])[files[0]] == 0


def test_files_without_a_known_duration_keep_their_order():
    files = ["t/c.py", "t/a.py", "t/b.py"]
    assert list(start_order([(file, []) for file in files])) == files


def test_the_longest_files_exist():
    for name in LONGEST:
        assert list((REPOSITORY / "badexp_assets_tests").rglob(name)), name
