"""Options of alerts."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit


@dataclass(frozen=True)
class AlertParams:
    """Where alerts go, and what is worth one. Nothing is sent as long as neither URL nor command is given.

    url: receives JSON by POST; url_env: variable of the environment that holds the URL, for a URL that is a secret.
    command: a program and its arguments, which gets the text on its standard input, as `mail -s badexp a@b.org` does.
    failed_runs: whether failed runs are told. min_bad_share: share of bad exposures, of those that were scored, from
    which on a night is told; 0 tells none. min_exposures: nights with fewer scored exposures are never told.
    max_age_days: older nights are not told, so that a backfill is quiet. timeout: seconds that one attempt may take;
    attempts: how many there are. ui: address of the UI, for links.
    """

    url: str = ""
    url_env: str = ""
    command: tuple[str, ...] = ()
    failed_runs: bool = True
    min_bad_share: float = 0.5
    min_exposures: int = 5
    max_age_days: float = 14.0
    timeout: float = 5.0
    attempts: int = 3
    ui: str = ""

    def __post_init__(self) -> None:
        if isinstance(self.command, str) or not all(isinstance(word, str) and word for word in self.command):
            raise ValueError(f"command is {self.command!r}; a list of words is needed, the first one the program")
        object.__setattr__(self, "command", tuple(self.command))
        if self.url and self.url_env:
            raise ValueError("url and url_env are both given; one is needed")
        if self.url and (urlsplit(self.url).scheme not in ("http", "https") or not urlsplit(self.url).netloc):
            raise ValueError("url is no http:// or https:// address")  # not shown: it may hold a secret
        if not 0 <= self.min_bad_share <= 1:
            raise ValueError(f"min_bad_share is {self.min_bad_share}; 0 to 1 is allowed")
        if self.min_exposures < 1:
            raise ValueError(f"min_exposures is {self.min_exposures}; at least 1 is needed")
        if not 0 < self.timeout <= 20:
            raise ValueError(f"timeout is {self.timeout} s; more than 0 and at most 20 is allowed")
        if not 1 <= self.attempts <= 5:
            raise ValueError(f"attempts is {self.attempts}; 1 to 5 is allowed")
        if self.max_age_days <= 0:
            raise ValueError(f"max_age_days is {self.max_age_days}; more than 0 is needed")

    @property
    def on(self) -> bool:
        """Whether alerts go anywhere."""
        return bool(self.url or self.url_env or self.command)

    def address(self, environment: Mapping[str, str] = os.environ) -> str:
        """The URL, from the environment where it is named there; empty when there is none."""
        return self.url or (environment.get(self.url_env, "") if self.url_env else "")
