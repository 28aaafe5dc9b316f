"""Whatever happens to the tree, in whatever order: in the end every night was requested as it is, and once as it is.

Unless all nights are gone at once: then nothing is done, and it is said.
"""

import shutil
import tempfile
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from badexp_assets.survey.archive import list_night_files
from badexp_assets.survey.arrivals.due_nights import EMPTY
from badexp_assets.survey.cameras import load_camera

NIGHTS = ("2018-05-17", "2018-05-18", "2018-05-19", "2018-05-20")
OLD = 1_699_000_000.0

night, number = st.sampled_from(NIGHTS), st.integers(0, 2)
ages = st.sampled_from([OLD, 0.0, 50.0, -7200.0])  # long ago, now, lately, by a clock that is ahead
operations = st.one_of(
    st.tuples(st.just("write"), night, number, ages, st.sampled_from([0, 0, 0, 17])),
    st.tuples(st.just("delete"), night, number),
    st.tuples(st.just("delete night"), night),
    st.tuples(st.just("look"), st.sampled_from([5, 60, 300, -100000]), st.booleans()),
)


def apply(watch, operation) -> None:
    kind, *words = operation
    if kind == "write":
        where, which, age, more = words
        watch.tree.write(where, which, OLD + which if age == OLD else watch.now - age, blocks=1 + which, more=more)
    elif kind == "delete":
        watch.tree.path(*words).unlink(missing_ok=True)
    elif kind == "delete night":
        shutil.rmtree(watch.tree.path(words[0], 0).parent, ignore_errors=True)
    else:
        seconds, hurried = words
        ticks = iter(range(10**6))
        watch.look(seconds, clock=(lambda: next(ticks) * 20) if hurried else None)


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@given(st.lists(operations, max_size=25), st.integers(1, 3))
@example(  # found once, by chance
    [
        ("write", "2018-05-17", 0, OLD, 0),
        ("write", "2018-05-18", 0, OLD, 0),
        ("look", 5, False),
        ("look", 5, False),
        ("delete night", "2018-05-17"),
        ("delete night", "2018-05-18"),
    ],
    2,
)
def test_every_night_is_requested_as_it_is_in_the_end_and_never_twice_the_same(make_watch, done, max_requests):
    with tempfile.TemporaryDirectory() as folder:
        watch = make_watch(Path(folder))
        watch.params = replace(watch.params, max_requests=max_requests, recent_nights=1, reread_hours=1)
        watch.look()
        for operation in done:
            apply(watch, operation)
        for _ in range(60):
            watch.look(400)
        n = len(watch.requested)
        for _ in range(3):
            last = watch.look(400)
        assert len(watch.requested) == n
        if any("have gone at once" in problem for problem in last.problems):  # a disk that is not mounted looks so
            assert not any(watch.tree.path(where, 0).parent.exists() for where in NIGHTS)
            return
        for where in NIGHTS:
            asked = [fingerprint for name, fingerprint in watch.requested if name == where]
            now = list_night_files(watch.tree.root, where, load_camera()).fingerprint
            assert asked[-1:] == [now] or (not asked and now == EMPTY)
            assert all(one != other for one, other in pairwise(asked))
            written = sum(1 for kind, *words in done if kind != "look" and words[0] == where)
            assert len(asked) <= written + 1
