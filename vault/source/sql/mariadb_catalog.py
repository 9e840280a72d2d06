"""What a MariaDB or MySQL database has: tables, views, sequences, their columns and keys, and what this user may not see."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from msgspec import Struct

from vault.errors import SourceError
from vault.source.sql.mariadb_connection import literal, quoted

if TYPE_CHECKING:
    from vault.source.sql.mariadb_session import Session

_KINDS = {"BASE TABLE": "table", "SYSTEM VERSIONED": "table", "VIEW": "view", "SEQUENCE": "sequence"}
TIMES = ("date", "datetime", "timestamp")

_NO_SUCH_TABLE, _DEFINITION_CHANGED = 1146, 1412
DENIED = (1044, 1142, 1143, 1227, 1370)
GONE = (_NO_SUCH_TABLE, _DEFINITION_CHANGED)
"""Errors about one table: this user may not read it; it is not what it was when it was listed."""

_RELATIONS = """
select table_name, table_type, coalesce(engine, ''), auto_increment from information_schema.tables
where table_schema = database() order by table_name
"""
_COLUMNS = """
select table_name, column_name, column_type, lower(data_type), numeric_precision, numeric_scale,
       coalesce(character_set_name, ''), coalesce(collation_name, ''), coalesce(character_octet_length, 0), lower(extra)
from information_schema.columns where table_schema = {schema} and table_name in ({names}) order by table_name, ordinal_position
"""
_KEYS = """
select table_name, column_name, seq_in_index from information_schema.statistics
where table_schema = {schema} and index_name = 'PRIMARY' and table_name in ({names})
"""


class MdColumn(NamedTuple):
    """A column.

    - `declared`: its type as the server writes it, of texts with the character set and the collation
    - `base`: the type's name (`int`, `decimal`)
    - `precision`, `scale`: of numbers, None where there is none
    - `charset`: of texts, empty for others
    - `octets`: the most bytes of a text or of bytes; 0 for others
    - `generated`: the database computes it
    - `counts`: it has AUTO_INCREMENT
    - `key`: its place in the primary key from 1 on, else 0
    """

    name: str
    declared: str
    base: str
    precision: int | None
    scale: int | None
    charset: str
    octets: int
    generated: bool
    counts: bool
    key: int

    @property
    def unsigned(self) -> bool:
        """Whether its numbers have no sign."""
        return " unsigned" in self.declared


class MdRelation(NamedTuple):
    """A table, a view or a sequence.

    - `engine`: empty for a view
    - `next_number`: of AUTO_INCREMENT, None where it has none
    - `hidden`: why this user cannot read it; empty where it can
    - `versioned`: it keeps old rows itself
    """

    name: str
    kind: str
    engine: str
    next_number: int | None
    hidden: str = ""
    versioned: bool = False

    @property
    def quoted(self) -> str:
        """In SQL."""
        return quoted(self.name)

    @property
    def transactional(self) -> bool:
        """Whether its rows are of the transaction's moment. What a view shows of other tables is not known."""
        return self.kind != "table" or self.engine.lower() == "innodb"


class MdTable(Struct, frozen=True):
    """A table or a view that is taken. time_column: by which it is cut into periods; None where it is one file."""

    relation: MdRelation
    columns: tuple[MdColumn, ...]
    time_column: MdColumn | None = None

    @property
    def name(self) -> str:
        """As its items are named."""
        return self.relation.name

    @property
    def key(self) -> tuple[str, ...]:
        """The columns of the primary key, in its order."""
        return tuple(column.name for column in sorted(self.columns, key=lambda column: column.key) if column.key)


def relations(session: Session) -> dict[str, MdRelation]:
    """All tables, views and sequences that this user sees, by name."""
    found = {}
    for name, kind, engine, number in session.rows(_RELATIONS):
        if kind in _KINDS:
            versioned = kind == "SYSTEM VERSIONED"
            found[name] = MdRelation(name, _KINDS[kind], engine, number, versioned=versioned)
    return found


def probed(session: Session, relation: MdRelation) -> MdRelation:
    """With the reason where this user cannot read it. From then on, in a transaction, its definition cannot be changed. Raises
    `pymysql.Error` where it is not there, or was changed since the transaction began."""
    from pymysql.err import Error

    from vault.source.sql.mariadb_session import code_of, reason_of

    try:
        session.rows(f"select * from {relation.quoted} limit 0")  # noqa: S608 (quoted names)
        if relation.kind == "table":  # a row is asked for: without one, nobody looks whether it was emptied since
            session.rows(f"select 1 from {relation.quoted} limit 1")  # noqa: S608
    except Error as error:
        if code_of(error) in DENIED:
            return relation._replace(hidden=f"this user may not read it ({reason_of(error)})")
        if relation.kind == "view" and code_of(error) not in GONE:
            return relation  # it is a problem when its rows are asked for
        raise
    return relation


def chosen_relations(session: Session, listed: dict[str, MdRelation], wanted: Sequence[str]) -> list[MdRelation]:
    """Those that are named, all tables where none are, each `probed`. Raises `SourceError` where a name is not there."""
    from pymysql.err import Error

    from vault.source.sql.mariadb_session import code_of

    chosen = []
    for name in dict.fromkeys(wanted):
        one = listed.get(name, MdRelation(name, "table", "", None))
        try:
            chosen.append(probed(session, one))
        except Error as error:
            if name in listed or code_of(error) != _NO_SUCH_TABLE:
                raise
            there = ", ".join(one.name for one in listed.values() if one.kind != "sequence") or "none"
            raise SourceError(f"the database has no table {name!r}", hint=f"there are: {there[:300]}") from error
    return chosen or [probed(session, one) for one in listed.values() if one.kind == "table" and not wanted]


def tables_of(
    session: Session, found: Sequence[MdRelation], time_column: str | None = None, database: str | None = None
) -> list[MdTable]:
    """Relations with their columns. database: that they are in; None: that of the session."""
    if not found:
        return []
    schema = "database()" if database is None else literal(database)
    names = ", ".join(literal(one.name) for one in found)
    keys = {(table, name): place for table, name, place in session.rows(_KEYS.format(schema=schema, names=names))}
    columns: dict[str, list[MdColumn]] = {}
    for table, name, *rest in session.rows(_COLUMNS.format(schema=schema, names=names)):
        columns.setdefault(table, []).append(_column(name, rest, keys.get((table, name), 0)))
    made = []
    for one in found:
        own = tuple(columns.get(one.name, ()))
        time = next((column for column in own if column.name == time_column and column.base in TIMES), None)
        made.append(MdTable(one, own, time))
    return made


def _column(name: str, row: Sequence[object], key: int) -> MdColumn:
    declared, base, precision, scale, charset, collation, octets, extra = row
    if charset:
        declared = f"{declared} character set {charset} collate {collation}"
    generated = " generated" in f" {extra}" and "default_generated" not in str(extra)
    digits = [int(number) if isinstance(number, int) else None for number in (precision, scale)]
    return MdColumn(
        name,
        str(declared),
        str(base),
        digits[0],
        digits[1],
        str(charset),
        int(octets) if isinstance(octets, int) else 0,
        generated,
        "auto_increment" in str(extra),
        key,
    )


class MdRights(NamedTuple):
    """What this user may see of a database. tables: all of its tables · triggers: all of theirs."""

    tables: bool
    triggers: bool


def rights(session: Session) -> MdRights:
    """Asked of the server, whose lists leave out silently what a user has no right on."""
    from pymysql.err import Error

    from vault.source.sql.mariadb_session import code_of

    try:
        session.rows("select 1 from `strongroom: no such table` limit 0")
        tables = True
    except Error as error:  # who may read all tables is told that this one is not there, others that they may not
        if code_of(error) not in (_NO_SUCH_TABLE, *DENIED):
            raise
        tables = code_of(error) == _NO_SUCH_TABLE
    (name,) = session.rows("select database()")[0]
    return MdRights(tables, _may(session, str(name), "TRIGGER"))


def _may(session: Session, database: str, right: str) -> bool:
    for (line,) in session.rows("show grants"):
        found = re.match(r"GRANT (.*?) ON (\*|`(?:[^`]|``)*`)\.\* TO ", str(line))
        if found and (right in found[1].split(", ") or found[1].startswith("ALL PRIVILEGES")):
            pattern = found[2].strip("`").replace("``", "`")
            if pattern == "*" or _is_like(database, pattern):
                return True
    return False


def _is_like(text: str, pattern: str) -> bool:
    """As SQL's LIKE has it, which names of databases in rights are read by."""
    parts = re.findall(r"\\.|.", pattern)
    wild = {"%": ".*", "_": "."}
    return re.fullmatch("".join(wild.get(part, re.escape(part[-1])) for part in parts), text) is not None


def gaps(listed: dict[str, MdRelation], chosen: Sequence[MdRelation], allowed: MdRights, named: Sequence[str]) -> Iterator[str]:
    """Sentences about what is not taken, or not as it is."""
    taken = {one.name for one in chosen}
    for name, one in listed.items():
        if name not in taken and one.kind != "sequence":
            yield f"the {one.kind} {name!r} is not taken"
    for one in chosen:
        if not one.transactional:
            yield f"{one.name!r} is a table of {one.engine or 'another engine'}: its rows are not of one moment with the others"
        if one.versioned:
            yield f"the history that {one.name!r} keeps of its rows is not taken"
    if not allowed.tables and not named:
        yield (
            "this user may read single tables alone, so that there may be others: what is missing is not taken for deleted; "
            "name the tables, or give it SELECT on the database"
        )
    if not allowed.triggers:
        yield "triggers are seen, and kept, with the right TRIGGER alone"
    yield "routines, events, rights, and whose views and triggers are, are not kept; a dump by mariadb-dump beside it has them"
