"""How many processor cores there are for this process."""

import os

import pytest

from badexp_assets.errors import InputError
from badexp_assets.processors import processors


def test_they_are_those_that_the_system_gives_unless_the_environment_says_another_number(monkeypatch):
    monkeypatch.delenv("BADEXP_CPUS", raising=False)
    assert 1 <= processors() <= os.cpu_count()
    monkeypatch.setenv("BADEXP_CPUS", "16")
    assert processors() == 16


@pytest.mark.parametrize("word", ["0", "-1", "1.5", "all"])
def test_a_word_that_is_no_number_of_cores_is_refused(monkeypatch, word):
    monkeypatch.setenv("BADEXP_CPUS", word)
    with pytest.raises(InputError, match="BADEXP_CPUS is "):
        processors()
