"""What is remembered of the tree from one look to the next: 100 bytes a night, whatever the night holds."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from badexp_assets.errors import InputError

VERSION = 1
_NOTHING: Mapping[str, tuple[int, int, float]] = {}


@dataclass(frozen=True)
class NightState:
    """A night. Times are of the state's clock.

    known: fingerprint of the files that were last requested or recorded ("": none yet), which were `n_exposures` in
    `n_files`. folders: where they lie, relative to the archive, with the folders below. signature: of the times of
    these folders; "": the night is listed at the next look, whatever they say. candidate: fingerprint that differs
    from `known` ("": none), of `waiting` exposures and files; a difference was first seen at `since`; `queued`: it is
    due and waits for its turn. strange: files that say they were changed in the future, by path: size, that time in ns,
    and since when they have been seen so.
    """

    known: str = ""
    n_exposures: int = 0
    n_files: int = 0
    folders: tuple[str, ...] = ()
    signature: str = ""
    candidate: str = ""
    waiting: tuple[int, int] = (0, 0)
    since: float = 0.0
    queued: bool = False
    strange: Mapping[str, tuple[int, int, float]] = field(default_factory=dict)

    def as_list(self) -> list[Any]:
        """The fields for JSON, without the empty ones at the end."""
        fields = [self.known, self.n_exposures, self.n_files, self.signature, list(self.folders)]
        strange = {path: list(seen) for path, seen in self.strange.items()}
        moving = [self.candidate, list(self.waiting), round(self.since, 3), self.queued, strange]
        return fields + (moving if self.candidate or self.strange else [])

    @classmethod
    def from_list(cls, found: list[Any]) -> NightState:
        """What `as_list` wrote."""
        known, n_exposures, n_files, signature, folders, *moving = found
        candidate, (exposures, files), since, queued, strange = moving or ("", (0, 0), 0.0, False, _NOTHING)
        times = {str(k): (int(size), int(mtime), float(seen)) for k, (size, mtime, seen) in strange.items()}
        fixed = (str(known), int(n_exposures), int(n_files), tuple(map(str, folders)), str(signature))
        return cls(*fixed, str(candidate), (int(exposures), int(files)), float(since), bool(queued), times)


@dataclass(frozen=True)
class State:
    """All nights, and where the look at them is.

    clock: seconds that have passed since the first look, which never run backwards. looked: time of the last look by
    the clock of this machine, s since 1970. first: the first look is not over yet. next_stat, next_list: nights at
    which looking at all folders, and listing all files, goes on.
    """

    nights: Mapping[str, NightState] = field(default_factory=dict)
    clock: float = 0.0
    looked: float = 0.0
    first: bool = True
    next_stat: str = ""
    next_list: str = ""

    def nights_text(self) -> str:
        """The nights as JSON, the same text for the same nights."""
        nights = {night: self.nights[night].as_list() for night in sorted(self.nights)}
        return json.dumps({"version": VERSION, "nights": nights}, separators=(",", ":"))

    def progress(self) -> dict[str, Any]:
        """All but the nights, for JSON."""
        return {
            "version": VERSION,
            "clock": round(self.clock, 3),
            "looked": round(self.looked, 3),
            "first": self.first,
            "next_stat": self.next_stat,
            "next_list": self.next_list,
        }

    @classmethod
    def read(cls, nights: str, progress: Mapping[str, Any]) -> State:
        """What `nights_text` and `progress` wrote. Raises InputError for anything else."""
        try:
            found = json.loads(nights)
            versions = {found["version"], progress["version"]}
            if versions != {VERSION}:
                raise InputError(f"version {', '.join(map(repr, versions - {VERSION}))}, not {VERSION}")
            return cls(
                nights={str(night): NightState.from_list(entry) for night, entry in found["nights"].items()},
                clock=float(progress["clock"]),
                looked=float(progress["looked"]),
                first=bool(progress["first"]),
                next_stat=str(progress["next_stat"]),
                next_list=str(progress["next_list"]),
            )
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise InputError(f"damaged ({type(error).__name__}: {error})") from error
