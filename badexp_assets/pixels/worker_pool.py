"""Several devices at once: a process each, which asks for exposures and stores what they give in journals.

No lock and no queue is shared: a process that dies leaves nothing locked, and costs what it had in its hands.
"""

from __future__ import annotations

import atexit
import contextlib
import pickle
import signal
import traceback
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Protocol

from badexp_assets.errors import InputError, LostProcessError
from badexp_assets.io.place import Place
from badexp_assets.pixels.device_shares import NightMachine
from badexp_assets.pixels.exposure_stream import PixelReader
from badexp_assets.pixels.journal import Journal
from badexp_assets.pixels.pass_fingerprint import MadeBy
from badexp_assets.pixels.process_context import context, end_with_parent
from badexp_assets.survey.cameras import Camera

_PATIENCE = 10.0  # seconds that a process is given to end
_WANT, _DONE, _READY, _ERROR = range(4)


class Share(Protocol):
    """What a process is made from; `night.machine.MachineShare` in earnest."""

    @property
    def device(self) -> str:
        """PyTorch's name of the device."""

    def build(self) -> NightMachine:
        """Load what exposures are read with."""


class Assignment(NamedTuple):
    """An exposure to read: its row, and where what it gives is to be stored."""

    row: Mapping[str, Any]
    key: str
    journal: Path


class Lost(NamedTuple):
    """A process that ended before its time: why, and the exposures that it cost."""

    keys: tuple[str, ...]
    error: Exception


@dataclass(eq=False)
class _Member:
    name: str
    process: Any
    connection: Connection
    hands: dict[str, Assignment] = field(default_factory=dict)
    error: Exception | None = None
    dismissed: bool = False


class Crew:
    """A process for each of `shares`; use as a context manager. Leaving it ends them all, whatever they are at.

    `losses`: why processes ended before their time.
    """

    def __init__(
        self, shares: Sequence[Share], archive: Place, camera: Camera, labelled: Mapping[int, set[int]]
    ) -> None:
        self._given = (archive, camera, labelled)
        self._shares = list(shares)
        self._members: list[_Member] = []
        self._idle: list[_Member] = []  # have nothing in hands and want something
        self._returned: deque[Assignment] = deque()
        self._made_by: MadeBy | None = None
        self.losses: list[Exception] = []

    def __enter__(self) -> Crew:
        # an interpreter that is interrupted while nobody is in here waits, as it ends, for processes that work on
        atexit.register(self._end_all)
        processes = context()
        for number, share in enumerate(self._shares):
            here, there = processes.Pipe()
            process = processes.Process(target=_work, args=(there, share, *self._given), name=f"reader-{number}")
            process.start()
            there.close()
            self._members.append(_Member(f"process {process.pid} on {share.device}", process, here))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end_all()
        atexit.unregister(self._end_all)

    def _end_all(self) -> None:
        for member in self._members:
            if not member.dismissed:
                member.process.terminate()
        for member in self._members:
            member.process.join(_PATIENCE)
            if member.process.is_alive():
                member.process.kill()
                member.process.join()
            member.connection.close()

    def made_by(self) -> MadeBy:
        """Wait until a process is ready; return what its vectors are made by. Raises its error when none comes up."""
        for _ in self._hear():
            if self._made_by is not None:
                return self._made_by
        raise self.losses[0]

    def read(self, assignments: Iterable[Assignment]) -> Iterator[str | Lost]:
        """Yield the key of every assignment when what it gave is in its journal, and what is lost with a process.

        The next assignment is asked for when a process wants one. A process that ends costs what it had begun first of
        what it had; the rest goes to the others, as long as there are some. Ends when nothing is left, or nobody.
        Raises InputError for devices whose vectors can't be compared.
        """
        source = iter(assignments)
        self._serve(source)
        for message in self._hear():
            if message is None or isinstance(message, str | Lost):
                self._serve(source)
            else:
                self._give(message, self._next(source))
            if isinstance(message, str | Lost):
                yield message

    def _hear(self) -> Iterator[str | Lost | _Member | None]:
        """Yield what there is to know, until all processes have ended: the key of what was stored, a loss, the process
        that would read ahead if there were something, or None.
        """
        while listening := {member.connection: member for member in self._members if not member.connection.closed}:
            for connection in wait(list(listening)):
                member = listening[connection]  # type: ignore[index]
                try:
                    kind, content = member.connection.recv()
                except (EOFError, OSError):
                    yield self._gone(member)
                    continue
                if kind == _DONE:
                    del member.hands[content]
                    yield content
                elif kind == _WANT and member.hands:
                    yield member
                else:
                    if kind == _WANT:
                        self._idle.append(member)
                    elif kind == _READY:
                        self._compare(member, content)
                    else:
                        member.error = content
                    yield None

    def _serve(self, source: Iterator[Assignment]) -> None:
        """Give to the idle what there is; dismiss them when nothing can come back from the others either."""
        while self._idle:
            assignment = self._next(source)
            if assignment is None and any(member.hands for member in self._members):
                return
            member = self._idle.pop(0)
            member.dismissed = assignment is None
            self._give(member, assignment)

    def _next(self, source: Iterator[Assignment]) -> Assignment | None:
        return self._returned.popleft() if self._returned else next(source, None)

    def _give(self, member: _Member, assignment: Assignment | None) -> None:
        if assignment is not None:
            member.hands[assignment.key] = assignment
        with contextlib.suppress(OSError):  # it is gone, which will be heard
            member.connection.send(assignment)

    def _gone(self, member: _Member) -> Lost | None:
        member.connection.close()
        member.process.join()
        if member.dismissed:
            return None
        if member in self._idle:
            self._idle.remove(member)
        error = member.error or LostProcessError(f"{member.name} {_end(member.process.exitcode)}")
        self.losses.append(error)
        hands, member.hands = list(member.hands.values()), {}
        alone = all(other.connection.closed for other in self._members)
        if alone:
            hands += self._returned
            self._returned.clear()
        lost = hands if alone else hands[:1]
        self._returned.extend(hands[len(lost) :])
        return Lost(tuple(assignment.key for assignment in lost), error)

    def _compare(self, member: _Member, made_by: MadeBy) -> None:
        if self._made_by is None:
            self._made_by = made_by
        elif made_by != self._made_by:
            both = f"{self._made_by.backbone} and {made_by.backbone}"
            raise InputError(
                f"night_pass.device: {member.name} gives other vectors than the rest ({both}); set precision"
            )


def _end(code: int) -> str:
    if code >= 0:
        return f"ended with code {code}"
    return f"was killed by signal {-code}" + (", as happens for lack of memory" if code == -signal.SIGKILL else "")


def _work(
    connection: Connection, share: Share, archive: Place, camera: Camera, labelled: Mapping[int, set[int]]
) -> None:
    """Read what is assigned until there is no more; the main function of a process.

    Every _WANT is answered: by an assignment, or by None. To one that has something in its hands None says that there
    is nothing to read ahead now; to one that has not, that there will be nothing.
    """
    end_with_parent()
    hands: deque[Assignment] = deque()

    def want() -> Assignment | None:
        connection.send((_WANT, None))
        return connection.recv()

    def rows(assignment: Assignment | None) -> Iterator[Mapping[str, Any]]:
        while assignment is not None:
            connection.send((_WANT, None))  # the next one comes while this one is read
            hands.append(assignment)
            yield assignment.row
            assignment = connection.recv()

    try:
        reader = PixelReader(archive, camera, labelled, *share.build())
        connection.send((_READY, reader.made_by))
        while (first := want()) is not None:
            for tables in reader.read(rows(first)):
                done = hands.popleft()
                Journal(done.journal).write(done.key, tables)
                connection.send((_DONE, done.key))
    except Exception as error:
        connection.send((_ERROR, _portable(error)))
        raise SystemExit(1) from None


def _portable(error: Exception) -> Exception:
    """The error as it can be sent to another process, with its traceback as a note."""
    text = "".join(traceback.format_exception(error))
    try:
        copy = pickle.loads(pickle.dumps(error))
    except Exception:
        copy = LostProcessError(f"{type(error).__name__}: {error}")
    copy.add_note(f"in the process that read it:\n{text}")
    return copy
