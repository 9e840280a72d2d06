"""A table of a MariaDB or MySQL database that rows go into: as it is, how its rows are compared, and how it is made."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from msgspec import Struct

from restore.databases.fetched_tables import Comparison, column_notes
from restore.databases.staged_rows import StagedColumn
from vault.errors import Damaged, TargetError
from vault.source.sql import mariadb_rows as origin
from vault.source.sql.mariadb_catalog import DENIED, MdColumn, MdRelation, MdTable, tables_of
from vault.source.sql.mariadb_connection import literal, quoted
from vault.source.sql.schema_statements import Statement

if TYPE_CHECKING:
    from vault.source.sql.mariadb_session import Session

_NAME = r"`(?:[^`]|``)*`"
_HEADS = {
    "sequence": re.compile(rf"CREATE SEQUENCE {_NAME} ", re.IGNORECASE),
    "table": re.compile(rf"CREATE TABLE {_NAME} \("),
    "foreign key": re.compile(rf"ALTER TABLE {_NAME} ADD CONSTRAINT {_NAME} FOREIGN KEY "),
    "trigger": re.compile(r"CREATE\s+(?:OR\s+REPLACE\s+)?TRIGGER\s", re.IGNORECASE),
}
"""How statements of a kind begin: a snapshot's schema can make what it says, and not grant rights."""

_TEXT = r"'(?:[^'\\]|'')*'"
_TYPE = re.compile(
    rf"[a-z]\w*(\(\d+(,\d+)?\)|\({_TEXT}(,{_TEXT})*\))?( unsigned| zerofill)*( character set \w+ collate \w+)?", re.IGNORECASE
)
"""What a type can be; anything else is not given to the server as one."""

_LOCKED = " lock in share mode"

_UNKNOWN = "longtext character set utf8mb4 collate utf8mb4_bin"
_UNKNOWN_KEY = "varchar(255) character set utf8mb4 collate utf8mb4_bin"
_PREFIX = 191
"""Characters of a long text that tell rows apart in a plain table's key."""


class MdStaged(Struct, frozen=True):
    """Rows of one table, in a table of the session's own.

    - `table`: as its items are named
    - `database`: where they go
    - `staged`: the session's table, in SQL
    """

    table: str
    database: str
    staged: str
    columns: tuple[StagedColumn, ...]

    @property
    def quoted(self) -> str:
        """Where they go, in SQL."""
        return f"{quoted(self.database)}.{quoted(self.table)}"

    @property
    def key(self) -> tuple[str, ...]:
        """The columns of the primary key that it had."""
        return tuple(column.name for column in sorted(self.columns, key=lambda column: column.key) if column.key)


class ForeignKey(NamedTuple):
    """Columns of a table that refer to those of another. other: database and table."""

    name: str
    table: str
    columns: tuple[str, ...]
    other: tuple[str, str]
    others: tuple[str, ...]


class MdLive(Struct, frozen=True):
    """A table as the database has it. triggers: names, as far as they are seen · missing: rights that this user has not."""

    table: MdTable
    triggers: tuple[str, ...]
    missing: tuple[str, ...]

    @property
    def columns(self) -> dict[str, str]:
        """Those that can be written, and their types."""
        return {column.name: column.declared for column in self.table.columns if not column.generated}


def live_tables(session: Session, staged: Sequence[MdStaged]) -> dict[str, MdLive]:
    """The tables that are there, by name. Raises `TargetError` where one is no table."""
    if not staged:
        return {}
    database = staged[0].database
    names = ", ".join(literal(one.table) for one in staged)
    where = f"table_schema = {literal(database)} and table_name in ({names})"
    query = f"select table_name, table_type, coalesce(engine, ''), auto_increment from information_schema.tables where {where}"  # noqa: S608
    found = []
    for name, kind, engine, number in session.rows(query):
        if kind not in ("BASE TABLE", "SYSTEM VERSIONED"):
            raise TargetError(f"{name!r} is a {kind.lower()} there", hint="rows go into tables; choose another place")
        found.append(MdRelation(name, "table", engine, number, versioned=kind == "SYSTEM VERSIONED"))
    triggers: dict[str, list[str]] = {}
    query = (
        "select event_object_table, trigger_name from information_schema.triggers "  # noqa: S608 (quoted names)
        f"where event_object_schema = {literal(database)} and event_object_table in ({names}) order by 1, 2"
    )
    for table, trigger in session.rows(query):
        triggers.setdefault(table, []).append(trigger)
    tables = tables_of(session, found, database=database)
    return {one.name: MdLive(one, tuple(triggers.get(one.name, ())), _missing(session, database, one)) for one in tables}


def _missing(session: Session, database: str, table: MdTable) -> tuple[str, ...]:
    """Rights that this user has not, by statements that the server would not explain to it."""
    from pymysql.err import Error

    from vault.source.sql.mariadb_session import code_of, is_lost

    name = f"{quoted(database)}.{quoted(table.name)}"
    writable = [column.name for column in table.columns if not column.generated]
    first = quoted(writable[0]) if writable else ""
    asked = {"select": f"explain select * from {name} limit 0"}  # noqa: S608 (quoted names)
    if first:
        asked["insert"] = f"explain insert into {name} ({first}) values (null)"  # noqa: S608
        asked["update"] = f"explain update {name} set {first} = {first} where false"  # noqa: S608
    missing = []
    for right, query in asked.items():
        try:
            session.rows(query)
        except Error as error:
            if is_lost(error):
                raise
            if code_of(error) in DENIED:
                missing.append(right)
    return tuple(missing)


class RowComparison:
    """SQL about a table's staged rows (`s`) and its own (`l`)."""

    def __init__(self, one: MdStaged, live: MdLive, version_column: str | None) -> None:
        staged = {column.name for column in one.columns}
        self._one = one
        self._shared = [column for column in live.table.columns if not column.generated and column.name in staged]
        self.columns = tuple(column.name for column in self._shared)
        self.by_key = bool(live.table.key) and set(live.table.key) <= set(self.columns)
        self._key = live.table.key if self.by_key else ()
        self._same_key = " and ".join(f"l.{quoted(name)} = s.{quoted(name)}" for name in self._key)
        others = [column for column in self._shared if column.name not in self._key or column.base in origin.TEXTS]
        self._set = [column.name for column in others]
        self._same = " and ".join(map(_same, others)) or "true"
        version = quoted(version_column) if version_column in self.columns and version_column else ""
        self._newer = f"coalesce(l.{version} > s.{version}, false)" if version else "false"

    def compare(self, session: Session, *, locking: bool) -> Comparison:
        """Look at both. locking: as the rows are by now, which nobody changes until the transaction ends."""
        locked = _LOCKED if locking else ""
        if not self.by_key:
            query = f"select count(*), count(l.strongroom_hash) from {self._whole_rows()}{locked}"  # noqa: S608 (quoted names)
            rows, there = session.rows(query)[0]
            return Comparison(int(rows - there), int(there), 0, 0)
        gone = f"l.{quoted(self._key[0])} is null"
        facts = (gone, f"not ({gone}) and {self._same}", f"not ({gone}) and not ({self._same})")
        sums = ", ".join(f"coalesce(sum({fact}), 0)" for fact in (*facts, f"{facts[2]} and {self._newer}"))
        row = session.rows(f"select {sums} from {self._joined('left join')}{locked}")[0]  # noqa: S608 (quoted names)
        return Comparison(*(int(number) for number in row))

    def insert(self, session: Session) -> None:
        """The rows that are missing."""
        names, given = (", ".join(f"{alias}{quoted(name)}" for name in self.columns) for alias in ("", "s."))
        head = f"insert into {self._one.quoted} ({names}) select {given} from "  # noqa: S608 (quoted names)
        if self.by_key:
            order = ", ".join(f"s.{quoted(name)}" for name in self._key)
            session.run(f"{head}{self._joined('left join')} where l.{quoted(self._key[0])} is null order by {order}")
        else:
            session.run(f"{head}{self._whole_rows()} where l.strongroom_hash is null")

    def update(self, session: Session, *, newer_stays: bool) -> None:
        """The rows that differ. newer_stays: those with a greater version stay."""
        if not self._set:
            return
        changed = ", ".join(f"l.{quoted(name)} = s.{quoted(name)}" for name in self._set)
        older = f" and not ({self._newer})" if newer_stays else ""
        session.run(f"update {self._joined('straight_join')} set {changed} where not ({self._same}){older}")  # noqa: S608

    def dangling(self, session: Session, key: ForeignKey) -> int:
        """How many of the table's rows that were staged refer to a row that is not there."""
        refers = " and ".join(
            f"p.{quoted(other)} = l.{quoted(own)}" for own, other in zip(key.columns, key.others, strict=True)
        )
        known = " and ".join(f"l.{quoted(own)} is not null" for own in key.columns)
        there = f"exists (select 1 from {quoted(key.other[0])}.{quoted(key.other[1])} p where {refers}{_LOCKED})"  # noqa: S608
        rows = f"{self._one.quoted} l" if not self.by_key else self._joined("straight_join")
        return int(session.rows(f"select count(*) from {rows} where {known} and not {there}{_LOCKED}")[0][0])  # noqa: S608

    def _joined(self, join: str) -> str:
        return f"{self._one.staged} s {join} {self._one.quoted} l on {self._same_key}"

    def _whole_rows(self) -> str:
        """Staged rows beside equal ones of the table, the second of equal ones beside the second."""
        digest = origin.row_hash(self._shared, "r.")
        numbered = f"{digest} as strongroom_hash, row_number() over (partition by {digest}) as strongroom_number"
        staged = f"(select r.*, {numbered} from {self._one.staged} r) s"  # noqa: S608 (quoted names)
        live = f"(select {numbered} from {self._one.quoted} r) l"  # noqa: S608
        equal = (f"l.{name} = s.{name}" for name in ("strongroom_hash", "strongroom_number"))
        return f"{staged} left join {live} on {' and '.join(equal)}"


def _same(column: MdColumn) -> str:
    """SQL for whether a column has the same value in both, to the last byte."""
    name = quoted(column.name)
    if column.base in origin.TEXTS:  # by its codes, and by its length: collations look over blanks at the end
        codes = f"l.{name} <=> s.{name} collate {column.charset}_bin"
        return f"({codes} and octet_length(l.{name}) <=> octet_length(s.{name}))"
    if column.base in origin.CHOICES:
        return f"l.{name} + 0 <=> s.{name} + 0"
    if column.base == "json":
        return f"cast(l.{name} as char) <=> cast(s.{name} as char)"
    if column.base in ("float", "double", "bit") or origin.is_plain(column):
        return f"l.{name} <=> s.{name}"
    return f"hex(l.{name}) <=> hex(s.{name})" if column.octets == 0 else f"l.{name} <=> s.{name}"


def notes_of(one: MdStaged, live: MdLive | None, *, triggers_seen: bool) -> Iterator[str]:
    """What cannot be as it was, or happens beside."""
    if live is None:
        yield from column_notes(one.columns, None, {}, has_key=True)
        return
    there = {column.name: column.declared for column in live.table.columns}
    yield from column_notes(one.columns, there, live.columns, has_key=bool(live.table.key))
    if live.triggers:
        yield f"triggers of the table run: {', '.join(live.triggers)}"
    elif not triggers_seen:
        yield "triggers of the table would run, and this user has not the right to see whether there are any"
    if not live.table.relation.transactional:
        yield (
            f"the table is one of {live.table.relation.engine}, which knows no transactions: what is written into it stays, "
            "whatever fails afterwards"
        )
    if live.table.relation.versioned:
        yield "the table keeps a history of its rows itself: what is replaced stays in that"
    if live.missing:
        yield f"this user has not the rights to {', '.join(live.missing)}"


def foreign_keys(session: Session, database: str, tables: Sequence[str]) -> list[ForeignKey]:
    """Those of some tables."""
    names = ", ".join(map(literal, tables)) or "''"
    query = (
        "select constraint_name, table_name, column_name, referenced_table_schema, referenced_table_name, "  # noqa: S608
        f"referenced_column_name from information_schema.key_column_usage where table_schema = {literal(database)} "
        f"and table_name in ({names}) and referenced_table_name is not null "
        "order by table_name, constraint_name, ordinal_position"
    )
    found: dict[tuple[str, str], ForeignKey] = {}
    for name, table, column, schema, other, its in session.rows(query):
        known = found.get((table, name), ForeignKey(name, table, (), (schema, other), ()))
        found[table, name] = known._replace(columns=(*known.columns, column), others=(*known.others, its))
    return list(found.values())


def plain_table(one: MdStaged, known: Mapping[str, bool]) -> str:
    """A table with the columns, types and key of staged rows, and nothing else. known: whether the database has a type."""
    columns = [f"{quoted(column.name)} {type_of(column, known)}" for column in one.columns]
    if one.key:
        by_name = {column.name: column for column in one.columns}
        columns.append(f"primary key ({', '.join(_key_part(by_name[name]) for name in one.key)})")
    return f"create table {one.quoted} ({', '.join(columns)})"


def _key_part(column: StagedColumn) -> str:
    long = re.match(r"(tiny|medium|long)?(text|blob)\b", column.declared) is not None
    return f"{quoted(column.name)}({_PREFIX})" if long else quoted(column.name)


def type_of(column: StagedColumn, known: Mapping[str, bool]) -> str:
    """The type of a column that may be null; a text where the database has it not."""
    if known.get(column.declared):
        return f"{column.declared} null" if not column.key else column.declared
    return _UNKNOWN_KEY if column.key else _UNKNOWN


def is_type(declared: str) -> bool:
    """Whether a text of a snapshot has the form of a type."""
    return _TYPE.fullmatch(declared) is not None


def own_statements(statements: Sequence[Statement], one: MdStaged) -> dict[str, list[str]]:
    """What makes a table as it was, by kind. Raises `Damaged` for a statement that makes something else than it says."""
    found: dict[str, list[str]] = {}
    for statement in statements:
        if statement.of == one.table and statement.kind in _HEADS:
            if not _HEADS[statement.kind].match(statement.text):
                raise Damaged(f"the schema in the snapshot makes no {statement.kind} where it says so")
            found.setdefault(statement.kind, []).append(statement.text)
    return found
