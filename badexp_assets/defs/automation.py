"""Whether the sensor and the schedules run by themselves: BADEXP_AUTOMATION, `on` or `off`."""

import os

from badexp_assets.errors import InputError

VARIABLE = "BADEXP_AUTOMATION"


def automation_is_on() -> bool:
    """What the environment says when the code location is loaded; off where it says nothing.

    It is the state that the switches in the UI (Automation) begin with; where somebody used one, that holds. Raises
    InputError for another word.
    """
    word = os.environ.get(VARIABLE, "").strip().lower()
    if word not in ("", "on", "off"):
        raise InputError(f"{VARIABLE} is {word!r}; on or off is needed")
    return word == "on"
