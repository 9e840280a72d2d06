"""The schema of a MariaDB or MySQL database as statements that can be run again, and the numbers that it counts.

The statements are the server's own (`SHOW CREATE …`), without what changes from one moment to the next or from one server to
the next: AUTO_INCREMENT's number, whose a view or a trigger is, the database's own name. Foreign keys stand apart, after all
tables.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING

from vault.source.sql.mariadb_catalog import DENIED, MdRelation, MdTable
from vault.source.sql.mariadb_connection import literal, quoted
from vault.source.sql.schema_statements import Statement, statements_text

if TYPE_CHECKING:
    from vault.source.sql.mariadb_session import Session

_NAME = r"`(?:[^`]|``)*`"
_COUNTER = re.compile(r"^(\) ENGINE=\S+) AUTO_INCREMENT=\d+", re.MULTILINE)
_DEFINER = re.compile(rf" DEFINER=(?:{_NAME}|'[^']*')(?:@(?:{_NAME}|'[^']*'))?", re.IGNORECASE)
_FOREIGN_KEY = re.compile(rf"^  CONSTRAINT {_NAME} FOREIGN KEY ")


def schema_text(
    session: Session, listed: Sequence[MdRelation], tables: Sequence[MdTable], views: Sequence[MdRelation]
) -> tuple[bytes, list[str]]:
    """All statements, in an order in which they can be run, and sentences about what this user may not see. listed: all that
    there is · tables: with their rows · views: whose definition is kept."""
    gaps: list[str] = []
    sequences = [one for one in listed if one.kind == "sequence"]
    statements = list(_statements(session, sequences, tables, views, gaps))
    return statements_text(statements, b"made from SHOW CREATE; mariadb-dump --no-data knows more"), gaps


def _statements(
    session: Session,
    sequences: Sequence[MdRelation],
    tables: Sequence[MdTable],
    views: Sequence[MdRelation],
    gaps: list[str],
) -> Iterator[Statement]:
    made, foreign_keys = list[Statement](), list[Statement]()
    for table in tables:
        if table.relation.kind == "table" and (text := _shown(session, "table", table.relation, gaps)):
            plain, keys = without_foreign_keys(_COUNTER.sub(r"\1", text))
            made.append(Statement("table", table.name, _without_database(session, plain, sequences)))
            foreign_keys += [
                Statement("foreign key", table.name, f"ALTER TABLE {table.relation.quoted} ADD {key}") for key in keys
            ]
    for sequence in sequences:
        users = [one.of for one in made if f"nextval({sequence.quoted})" in one.text]
        if text := _shown(session, "sequence", sequence, gaps):
            yield Statement("sequence", users[0] if users else "", text)
    yield from made
    yield from foreign_keys
    shown = {one.name: text for one in views if (text := _shown(session, "view", one, gaps))}
    for name in _in_order(shown):
        yield Statement("view", name, _DEFINER.sub("", shown[name], count=1))
    yield from _triggers(session, [table.relation for table in tables], gaps)


def _shown(session: Session, kind: str, one: MdRelation, gaps: list[str]) -> str:
    """What made it; empty where this user may not see it."""
    from pymysql.err import Error

    from vault.source.sql.mariadb_session import is_lost, reason_of

    try:
        return str(session.rows(f"show create {kind} {one.quoted}")[0][1])
    except Error as error:
        if is_lost(error):
            raise
        gaps.append(f"what made the {one.kind} {one.name!r} is not kept: {reason_of(error)}")
        return ""


def without_foreign_keys(text: str) -> tuple[str, list[str]]:
    """A CREATE TABLE as the server writes it, each column and key in a line of its own, without its foreign keys; and those."""
    lines = text.split("\n")
    end = next((place for place, line in enumerate(lines) if line.startswith(")")), len(lines))
    parts = [line.removesuffix(",") for line in lines[1:end]]
    keys = [part.strip() for part in parts if _FOREIGN_KEY.match(part)]
    kept = [part for part in parts if not _FOREIGN_KEY.match(part)]
    return "\n".join([lines[0], ",\n".join(kept), *lines[end:]]), keys


def _without_database(session: Session, text: str, sequences: Sequence[MdRelation]) -> str:
    """Sequences that a column's default names, named without the database."""
    if not sequences:
        return text
    (name,) = session.rows("select database()")[0]
    for one in sequences:
        text = text.replace(f"nextval({quoted(str(name))}.{one.quoted})", f"nextval({one.quoted})")
    return text


def _in_order(views: dict[str, str]) -> list[str]:
    """Views after those that they name."""
    graph = {
        name: {other for other in views if other != name and quoted(other) in text.partition(" AS ")[2]}
        for name, text in views.items()
    }
    try:
        return list(TopologicalSorter(graph).static_order())
    except CycleError:
        return list(views)


def _triggers(session: Session, tables: Sequence[MdRelation], gaps: list[str]) -> Iterator[Statement]:
    from pymysql.err import Error

    from vault.source.sql.mariadb_session import code_of

    names = ", ".join(literal(one.name) for one in tables) or "''"
    query = (
        "select trigger_name, event_object_table from information_schema.triggers "  # noqa: S608 (quoted names)
        f"where trigger_schema = database() and event_object_table in ({names}) "
        "order by event_object_table, action_timing, event_manipulation, action_order, trigger_name"
    )
    for name, table in session.rows(query):
        try:
            row = session.rows(f"show create trigger {quoted(name)}")[0]
        except Error as error:
            if code_of(error) not in DENIED:
                raise
            gaps.append(f"what made the trigger {name!r} is not kept: this user may not see it")
            continue
        yield Statement("trigger", table, _DEFINER.sub("", str(row[2]), count=1))


def sequences_text(session: Session, listed: Sequence[MdRelation], tables: Sequence[MdTable]) -> bytes:
    """The last number that AUTO_INCREMENT has given, as JSON: by table and column; of a sequence the next one, by its name and
    an empty one. Empty where there is none."""
    numbers: dict[str, dict[str, int]] = {}
    for table in tables:
        counting = next((column.name for column in table.columns if column.counts), None)
        if counting is not None and (table.relation.next_number or 1) > 1:
            numbers[table.name] = {counting: int(table.relation.next_number or 1) - 1}
    for one in listed:
        if one.kind == "sequence" and not one.hidden:
            number = _next_of(session, one)
            if number is not None:
                numbers[one.name] = {"": number}
    return f"{json.dumps(numbers, ensure_ascii=False, indent=1, sort_keys=True)}\n".encode() if numbers else b""


def _next_of(session: Session, one: MdRelation) -> int | None:
    from pymysql.err import Error

    from vault.source.sql.mariadb_session import is_lost

    try:
        return int(session.rows(f"select next_not_cached_value from {one.quoted}")[0][0])  # noqa: S608 (quoted names)
    except Error as error:
        if is_lost(error):
            raise
        return None
