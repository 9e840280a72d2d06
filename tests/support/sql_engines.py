"""The databases that the tests of types go through: each makes a table of all its types, and says what is in it by itself.

A further engine is one more class, and one more name in `ENGINES`.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Protocol

import pytest

from tests.support.coverage_notes import not_covered
from tests.support.desk import Desk
from tests.support.mariadb_engine import MariadbEngine
from tests.support.postgres_server import OWNER, PASSWORD, PostgresServer
from tests.support.sql_types import PG_SETUP, PG_TYPES, SQLITE_TYPES, Types, matrix

Texts = dict[str, list[str | None]]
"""What a database says of each column of `matrix`, row by row."""


class Engine(Protocol):
    """A database with a table `matrix` of all types.

    - `declared`: the type of each column
    - `kinds`: as what values are compared: bool, int, float, float4, decimal, bytes, date, time, timestamp, timestamptz;
      text where nothing is said
    """

    declared: dict[str, str]
    kinds: dict[str, str]

    def add_to(self, desk: Desk) -> None:
        """As the source `db` of the project acme."""
        ...

    def texts(self, *, scratch: bool = False) -> Texts:
        """What it says; scratch: of the table that rows were put back into."""
        ...

    @property
    def scratch(self) -> str:
        """Where rows can be put back beside the table."""
        ...


_PG_KINDS = {
    "boolean": "bool", "smallint": "int", "integer": "int", "bigint": "int", "oid": "int", "small": "int", "real": "float4",
    "double precision": "float", "numeric(12,3)": "decimal", "numeric(5,0)": "decimal", "numeric(38,38)": "decimal",
    "money2": "decimal", "bytea": "bytes", "date": "date", "time": "time",
    "timestamp": "timestamp", "timestamptz": "timestamptz",
}  # fmt: skip


class PostgresEngine:
    """A database of the tests' server."""

    def __init__(self, server: PostgresServer, folder: Path) -> None:
        self._server = server
        self._folder = folder
        self._database = server.new_database()
        types = self._known_types()
        self.declared = {f"c{place}": declared for place, declared in enumerate(types)}
        self.kinds = {name: _PG_KINDS.get(declared, "text") for name, declared in self.declared.items()}
        for statement in matrix("integer primary key", types, PG_SETUP):
            server.run(self._database, statement)

    def add_to(self, desk: Desk) -> None:
        (desk.folder / "password").write_text(PASSWORD)
        options = ("--option", f"user={OWNER}", "--option", "password_file=password")
        desk.call("source", "add", "acme", "raw", self._server.url(self._database), "--name", "db", *options, "--yes")

    def texts(self, *, scratch: bool = False) -> Texts:
        table = "scratch.matrix" if scratch else "matrix"
        wanted = ", ".join(f"case when num_nulls({name}) = 0 then format('%s', {name}) end" for name in self.declared)
        rows = self._server.rows(self._database, f"select {wanted} from {table} order by id")
        return dict(zip(self.declared, map(list, zip(*rows, strict=True)), strict=True))

    @property
    def scratch(self) -> str:
        where = f"127.0.0.1:{self._server.port}/{self._database}"
        return f"postgresql://{OWNER}@{where}?password_file=password&schema=scratch"

    def _known_types(self) -> Types:
        """Without those that the server was built without."""
        import psycopg

        try:
            self._server.run(self._database, "select '<a/>'::xml")
        except psycopg.errors.FeatureNotSupported:
            not_covered("PostgreSQL's type xml: the server was built without it (STRONGROOM_TEST_POSTGRES names another)")
            return {declared: values for declared, values in PG_TYPES.items() if declared != "xml"}
        return PG_TYPES


LITERAL = """case typeof({0}) when 'null' then null when 'text' then 't' || hex({0}) when 'blob' then 'b' || hex({0})
             else substr(typeof({0}), 1, 1) || quote({0}) end"""
"""A value of SQLite as a text that says its type: `i1`, `r1.0`, `t` and the bytes of a text, `b` and those of a blob."""


class SqliteEngine:
    """A file."""

    def __init__(self, folder: Path, ending: str = "", types: Types = SQLITE_TYPES, key: str = "integer primary key") -> None:
        self._file = folder / "types.db"
        self._scratch = folder / "scratch.db"
        self.declared = {f"c{place}": declared for place, declared in enumerate(types)}
        self.kinds = dict.fromkeys(self.declared, "literal")
        with closing(sqlite3.connect(self._file)) as database:
            for statement in matrix(key, types, "", ending):
                database.execute(statement)
            database.commit()

    def add_to(self, desk: Desk) -> None:
        desk.call("source", "add", "acme", "raw", f"sqlite:{self._file}", "--name", "db", "--yes")

    def texts(self, *, scratch: bool = False) -> Texts:
        wanted = ", ".join(map(LITERAL.format, self.declared))
        with closing(sqlite3.connect(self._scratch if scratch else self._file)) as database:
            rows = database.execute(f"select {wanted} from matrix order by id").fetchall()
        return dict(zip(self.declared, map(list, zip(*rows, strict=True)), strict=True))

    @property
    def scratch(self) -> str:
        return f"sqlite:{self._scratch}"


def strict(folder: Path) -> SqliteEngine:
    types = {"integer": ("1", "-5"), "int": ("7",), "real": ("1.5", "2"), "text": ("'a'", "''"), "blob": ("x'00ff'",),
             "any": ("'1'", "1", "1.0", "x'31'")}  # fmt: skip
    return SqliteEngine(folder, " strict", types)


def without_rowid(folder: Path) -> SqliteEngine:
    return SqliteEngine(folder, " without rowid", SQLITE_TYPES, "integer not null primary key desc")


def generated(folder: Path) -> SqliteEngine:
    """A table with columns that are computed; they come back by being computed."""
    made = SqliteEngine(folder, "", {"integer": ("1", "2"), "text": ("'x'",)})
    with closing(sqlite3.connect(folder / "types.db")) as database:
        database.execute("alter table matrix add column c2 int as (c0 * 2) virtual")
        ((text,),) = database.execute("select sql from sqlite_schema where name = 'matrix'").fetchall()
        database.execute("drop table matrix")
        database.execute(re.sub(r"\)$", ", c3 text generated always as (c1 || id) stored)", text))
        database.execute("insert into matrix (id, c0, c1) values (0, 1, 'x'), (1, 2, null)")
        database.commit()
    made.declared = {**made.declared, "c2": "virtual", "c3": "stored"}
    made.kinds = dict.fromkeys(made.declared, "literal")
    return made


ENGINES: dict[str, Callable[[pytest.FixtureRequest, Path], Engine]] = {
    "postgresql": lambda request, folder: PostgresEngine(request.getfixturevalue("postgres"), folder),
    "mariadb": lambda request, folder: MariadbEngine(request.getfixturevalue("mariadb"), folder),
    "sqlite": lambda _request, folder: SqliteEngine(folder),
    "sqlite-strict": lambda _request, folder: strict(folder),
    "sqlite-without-rowid": lambda _request, folder: without_rowid(folder),
    "sqlite-generated": lambda _request, folder: generated(folder),
}


def made(name: str, request: pytest.FixtureRequest, folder: Path) -> Engine:
    """An engine by its name."""
    folder.mkdir(parents=True, exist_ok=True)
    return ENGINES[name](request, folder)
