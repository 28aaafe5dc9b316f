"""How many processor cores there are for this process."""

import os

from badexp_assets.errors import InputError

VARIABLE = "BADEXP_CPUS"


def processors() -> int:
    """Return what BADEXP_CPUS says, for a pod sees all cores of its machine, whatever share of them it asked for.

    Without it: the cores that the scheduler of the operating system may put this process on. Raises InputError for a
    word that is not a whole number of at least 1.
    """
    word = os.environ.get(VARIABLE, "").strip()
    if not word:
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if not word.isdecimal() or int(word) < 1:
        raise InputError(f"{VARIABLE} is {word!r}; a whole number of at least 1 is needed")
    return int(word)
