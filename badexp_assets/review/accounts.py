"""Accounts of reviewers: named reviewers with a token each, and their sessions. Only hashes are stored."""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
import re
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import sqlalchemy as sa

from badexp_assets.errors import InputError
from badexp_assets.review.database import REVIEWERS, SESSIONS, Database
from badexp_assets.review.verdicts import person

SESSION_HOURS = 12.0
_NAME = re.compile(r"[^\W_][\w .@-]{0,59}")
_RESERVED = "simulated"


@dataclass(frozen=True)
class Session:
    """A session of a reviewer: `id` is the cookie, `csrf` is sent with every request that changes something."""

    id: str
    reviewer: str
    csrf: str

    def allows(self, csrf: str | None) -> bool:
        """Return whether `csrf` is the token of this session, compared in constant time."""
        return hmac.compare_digest((csrf or "").encode(), self.csrf.encode())


class Reviewers:
    """Reviewers and their sessions in the review database. `clock`: returns seconds since the epoch.

    There is no default reviewer and no default token. A token is shown only once, when it is created.
    """

    def __init__(self, where: str | Path | Database, clock: Callable[[], float] = time.time) -> None:
        self.database = where if isinstance(where, Database) else Database(where)
        self._clock = clock

    def add(self, name: str) -> str:
        """Create the reviewer `name` and return the token; an existing reviewer gets a new token.

        The old token and its sessions end. Raises InputError for a name that is not allowed, or that is an existing
        one's in another spelling.
        """
        if not _NAME.fullmatch(name) or name.startswith(_RESERVED):
            raise InputError(
                f"reviewer {name!r}: 1 to 60 letters, digits, blanks or . @ - are needed, the first a letter or digit; "
                f"names that begin with {_RESERVED!r} are reserved for simulations"
            )
        token = secrets.token_urlsafe(32)
        with self.database.write() as connection:
            names = connection.execute(sa.select(REVIEWERS.c.name)).scalars()
            if other := next((known for known in names if known != name and person(known) == person(name)), None):
                raise InputError(f"reviewer {name!r}: another spelling of {other!r}, who is the same reviewer")
            connection.execute(REVIEWERS.delete().where(REVIEWERS.c.name == name))
            connection.execute(SESSIONS.delete().where(SESSIONS.c.reviewer == name))
            made = dt.datetime.fromtimestamp(self._clock(), dt.UTC).isoformat(timespec="seconds")
            connection.execute(REVIEWERS.insert(), {"name": name, "token_hash": _hash(token), "made": made})
        return token

    def remove(self, name: str) -> None:
        """End the token and the sessions of `name`, whose answers are kept. Raises InputError for an unknown name."""
        with self.database.write() as connection:
            gone = connection.execute(REVIEWERS.delete().where(REVIEWERS.c.name == name)).rowcount
            connection.execute(SESSIONS.delete().where(SESSIONS.c.reviewer == name))
        if not gone:
            raise InputError(f"reviewer {name!r}: not known; reviewers are {', '.join(self.names()) or 'none'}")

    def names(self) -> list[str]:
        """Return the names of reviewers who have a token, sorted."""
        return self.table()["reviewer"].tolist()

    def table(self) -> pd.DataFrame:
        """Return columns reviewer and made (when the token was created, ISO 8601 UTC), sorted by name."""
        rows: list[tuple[str, str]] = []
        if self.database.exists:
            with self.database.read() as connection:
                query = sa.select(REVIEWERS.c.name, REVIEWERS.c.made).order_by(REVIEWERS.c.name)
                rows = [(row[0], row[1]) for row in connection.execute(query)]
        return pd.DataFrame(rows, columns=["reviewer", "made"])

    def open(self, token: str) -> Session | None:
        """Open a session with a token; None for an unknown token."""
        if not self.database.exists:
            return None
        with self.database.write() as connection:
            query = sa.select(REVIEWERS.c.name).where(REVIEWERS.c.token_hash == _hash(token))
            name = connection.execute(query).scalar()
            if name is None:
                return None
            session = Session(secrets.token_urlsafe(32), name, secrets.token_urlsafe(32))
            connection.execute(SESSIONS.delete().where(SESSIONS.c.ends <= self._clock()))
            values = {"id_hash": _hash(session.id), "reviewer": name, "csrf": session.csrf}
            connection.execute(SESSIONS.insert(), values | {"ends": self._clock() + SESSION_HOURS * 3600})
        return session

    def session(self, id: str | None) -> Session | None:
        """Return the session of a cookie; None if it does not exist or has expired."""
        if not id or not self.database.exists:
            return None
        with self.database.read() as connection:
            query = sa.select(SESSIONS.c.reviewer, SESSIONS.c.csrf, SESSIONS.c.ends)
            row = connection.execute(query.where(SESSIONS.c.id_hash == _hash(id))).first()
        return Session(id, row[0], row[1]) if row is not None and row[2] > self._clock() else None

    def close(self, session: Session) -> None:
        """End a session."""
        with self.database.write() as connection:
            connection.execute(SESSIONS.delete().where(SESSIONS.c.id_hash == _hash(session.id)))


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()  # secrets have 256 random bits: no salt, no stretching
