"""The name of a job is its identity: which attempt of which step of which run it is."""

from typing import NamedTuple

_FIRST = "badexp"


class JobName(NamedTuple):
    """Attempts are counted from 0."""

    step: str
    run_id: str
    attempt: int

    def __str__(self) -> str:
        return f"{_FIRST}.{self.step}.{self.run_id}.{self.attempt}"

    @classmethod
    def parse(cls, name: str) -> "JobName | None":
        """None: another job of the user."""
        parts = name.split(".")
        if len(parts) != 4 or parts[0] != _FIRST or not parts[3].isdigit():
            return None
        return cls(parts[1], parts[2], int(parts[3]))
