"""The review database (SQLite, or PostgreSQL by URL): answers and tags, retractions, reviewers and their sessions."""

from __future__ import annotations

import contextlib
import weakref
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.engine import URL, Connection, Engine, make_url

from badexp_assets.errors import InputError, StorageError

METADATA = sa.MetaData()
_ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")

ANSWERS = sa.Table(
    "verdicts",
    METADATA,
    sa.Column("id", _ID, primary_key=True, autoincrement=True),
    sa.Column("expnum", sa.BigInteger, nullable=False),
    sa.Column("ccdnum", sa.Integer),
    sa.Column("reviewer", sa.Text, nullable=False),
    sa.Column("verdict", sa.Text, nullable=False),
    sa.Column("category", sa.Text),
    sa.Column("comment", sa.Text),
    sa.Column("at", sa.Text, nullable=False),
    sa.Column("plver", sa.Text),
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("simulated", sa.Integer, nullable=False),
    sa.Column("model", sa.Text),
    sa.Column("shown", sa.Text),
    sa.Column("key", sa.Text),
    sa.Column("known", sa.Text),  # known category of a case that was mixed into the queue; null: a candidate
    sa.Index("verdicts_once", "reviewer", "key", unique=True),
    sa.Index("verdicts_of_exposure", "expnum"),
    sqlite_autoincrement=True,
)
RETRACTIONS = sa.Table(
    "retractions",
    METADATA,
    sa.Column("verdict_id", sa.BigInteger, sa.ForeignKey("verdicts.id"), primary_key=True),
    sa.Column("at", sa.Text, nullable=False),
)
TAG_CHANGES = sa.Table(
    "tag_changes",
    METADATA,
    sa.Column("id", _ID, primary_key=True, autoincrement=True),
    sa.Column("expnum", sa.BigInteger, nullable=False),
    sa.Column("reviewer", sa.Text, nullable=False),
    sa.Column("tag", sa.Text, nullable=False),
    sa.Column("attached", sa.Integer, nullable=False),  # 1: attached, 0: removed
    sa.Column("at", sa.Text, nullable=False),
    sa.Column("key", sa.Text, nullable=False),
    sa.Index("tag_changes_once", "reviewer", "key", unique=True),
    sa.Index("tag_changes_of_exposure", "expnum"),
    sqlite_autoincrement=True,
)
TAG_RETRACTIONS = sa.Table(
    "tag_retractions",
    METADATA,
    sa.Column("change_id", sa.BigInteger, sa.ForeignKey("tag_changes.id"), primary_key=True),
    sa.Column("at", sa.Text, nullable=False),
)
REVIEWERS = sa.Table(
    "reviewers",
    METADATA,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("token_hash", sa.Text, nullable=False, unique=True),
    sa.Column("made", sa.Text, nullable=False),
)
SESSIONS = sa.Table(
    "sessions",
    METADATA,
    sa.Column("id_hash", sa.Text, primary_key=True),
    sa.Column("reviewer", sa.Text, nullable=False),
    sa.Column("csrf", sa.Text, nullable=False),
    sa.Column("ends", sa.Float, nullable=False),
)
_KEPT = (ANSWERS, RETRACTIONS, TAG_CHANGES, TAG_RETRACTIONS)  # tables whose rows are never changed or deleted
_TRIGGERS = {(table.name, f"{table.name}_no_{act.lower()}"): act for table in _KEPT for act in ("DELETE", "UPDATE")}
_FIND_TRIGGERS = {  # rows of table and trigger
    "sqlite": "SELECT tbl_name, name FROM sqlite_master WHERE type = 'trigger'",
    "postgresql": "SELECT relname, tgname FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid "
    "WHERE pg_table_is_visible(tgrelid)",
}
_POSTGRES_DRIVER = "postgresql+psycopg2"  # also used by dagster-postgres; not SQLAlchemy's default
_WAIT = 30.0  # seconds to wait for another writer of an SQLite file


class Database:
    """Connections to the review database. `where`: path of an SQLite file, or a URL such as `postgresql://...`.

    The first `write` creates the file and the tables, with triggers that refuse to change or delete an answer or a
    change of a tag. Errors of the database are raised as StorageError, without the password of the URL. `keep_open`:
    keep connections to a file open until `close`; useful for a server, because SQLite merges its log into the file when
    the last connection is closed, which takes as long as a write.
    """

    def __init__(self, where: str | Path, keep_open: bool = False) -> None:
        try:
            url = make_url(str(where)) if "://" in str(where) else URL.create("sqlite", database=str(where))
        except sa.exc.ArgumentError as error:
            raise InputError(f"review database {where!s}: neither a path nor a database URL") from error
        if url.get_backend_name() not in ("sqlite", "postgresql"):
            raise InputError(
                f"review database {url}: {url.get_backend_name()} is not supported; allowed: a path, postgresql://"
            )
        if url.drivername == "postgresql":
            url = url.set(drivername=_POSTGRES_DRIVER)
        self._url = url
        self.path = Path(url.database or "") if url.get_backend_name() == "sqlite" else None
        self._keep_open = keep_open
        self._ready = False

    def __str__(self) -> str:
        return str(self.path or self._url)  # SQLAlchemy hides the password

    @property
    def exists(self) -> bool:
        """Whether the database exists; always true for a server, which raises StorageError if it cannot be reached."""
        return self.path is None or self.path.exists()

    @contextlib.contextmanager
    def read(self) -> Iterator[Connection]:
        """Yield a connection for reading."""
        with self._errors(), self._engine.connect() as connection:
            self._make_tables()
            yield connection

    @contextlib.contextmanager
    def write(self) -> Iterator[Connection]:
        """Yield a connection in a transaction, which is rolled back on an error. Other writers wait."""
        with self._errors():
            if self.path is not None:
                self.path.parent.mkdir(parents=True, exist_ok=True)
            self._make_tables()
            with self._engine.begin() as connection:
                if self.path is not None:
                    connection.exec_driver_sql("BEGIN IMMEDIATE")
                yield connection

    def close(self) -> None:
        """Close the connections; new ones are opened when they are needed."""
        self._engine.dispose()

    @cached_property
    def _engine(self) -> Engine:
        if self.path is None:
            return sa.create_engine(self._url, pool_pre_ping=True)
        pool = sa.pool.QueuePool if self._keep_open else sa.pool.NullPool
        engine = sa.create_engine(self._url, connect_args={"timeout": _WAIT}, poolclass=pool)

        @event.listens_for(engine, "connect")
        def prepare(connection, _) -> None:  # type: ignore[no-untyped-def]
            connection.isolation_level = None  # `write` begins transactions itself
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA foreign_keys = ON")

        weakref.finalize(self, engine.dispose)  # if nobody calls `close`
        return engine

    def _make_tables(self) -> None:
        """Create missing tables, columns that earlier versions did not have, and triggers.

        Nothing is done if all are there, because even a statement that changes nothing waits for all writers.
        """
        if self._ready:
            return
        with self._engine.connect() as connection:
            self._ready = _is_complete(connection)
        if self._ready:
            return
        with self._engine.begin() as connection:
            if self.path is not None:
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            else:
                connection.exec_driver_sql(
                    "SELECT pg_advisory_xact_lock(20181109)"
                )  # in case two servers start at once
            METADATA.create_all(connection)
            there = {column["name"] for column in sa.inspect(connection).get_columns(ANSWERS.name)}
            for column in ANSWERS.columns:
                if column.name not in there:
                    kind = column.type.compile(self._engine.dialect)
                    connection.exec_driver_sql(f"ALTER TABLE {ANSWERS.name} ADD COLUMN {column.name} {kind}")
            for index in ANSWERS.indexes:
                index.create(connection, checkfirst=True)
            for statement in _make_triggers(sqlite=self.path is not None):
                connection.exec_driver_sql(statement)
        self._ready = True

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except ModuleNotFoundError as error:
            raise StorageError(
                f"{self}: {error}; PostgreSQL needs the extra: pip install -e '.[services]' in the checkout"
            ) from error
        except (sa.exc.SQLAlchemyError, OSError) as error:
            cause = " ".join(str(getattr(error, "orig", None) or error).split())
            raise StorageError(f"{self}: review database can't be used ({cause})") from error


def _is_complete(connection: Connection) -> bool:
    """Return whether all tables are there, with all columns, indexes and triggers; waits for no writer."""
    inspector, tables = sa.inspect(connection), METADATA.tables
    there = {tuple(row) for row in connection.exec_driver_sql(_FIND_TRIGGERS[connection.dialect.name])}
    for found in (
        inspector.get_multi_columns(filter_names=list(tables)),
        inspector.get_multi_indexes(filter_names=list(tables)),
    ):
        there |= {(table, part["name"]) for (_, table), parts in found.items() for part in parts}
    wanted = {(name, part.name) for name, table in tables.items() for part in (*table.columns, *table.indexes)}
    return wanted | set(_TRIGGERS) <= there


def _make_triggers(sqlite: bool) -> Iterator[str]:
    words = "answers and tags are never changed or deleted; add a new row"
    if not sqlite:
        yield (
            "CREATE OR REPLACE FUNCTION badexp_keep() RETURNS trigger LANGUAGE plpgsql AS "
            f"$$ BEGIN RAISE EXCEPTION '{words}'; END $$"
        )
    for (table, name), act in _TRIGGERS.items():
        if sqlite:
            yield (
                f"CREATE TRIGGER IF NOT EXISTS {name} BEFORE {act} ON {table} BEGIN SELECT RAISE(ABORT, '{words}'); END"
            )
        else:
            yield (
                f"CREATE OR REPLACE TRIGGER {name} BEFORE {act} ON {table} FOR EACH ROW EXECUTE FUNCTION badexp_keep()"
            )
