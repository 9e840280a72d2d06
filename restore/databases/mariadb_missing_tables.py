"""Tables that rows go to and that are not there: made empty before the transaction that writes, since a server of this kind
commits whenever a table is made, and taken away again where it fails. What belongs to them besides, foreign keys and triggers,
comes after it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from restore.databases.fetched_tables import sequence_numbers, statements_among
from restore.databases.mariadb_tables import MdStaged, live_tables, own_statements, plain_table
from restore.databases.staged_rows import FetchedItem
from vault.errors import TargetError
from vault.progress import never
from vault.source.sql.mariadb_connection import literal, quoted

if TYPE_CHECKING:
    from restore.databases.mariadb_target import MdPlace
    from vault.source.sql.mariadb_session import Session

_AFTERWARDS = ("foreign key", "trigger")
"""Kinds of statements that wait until the rows are there; one that fails is left out, and the plan of what was done says so."""


class MissingTables:
    """See this module's text. items: those with the rows, and what made their tables · staged: where the rows wait · known:
    whether the server has a type, by its declaration."""

    def __init__(
        self, place: MdPlace, items: Sequence[FetchedItem], staged: Sequence[MdStaged], known: Mapping[str, bool]
    ) -> None:
        self._place = place
        self._items = items
        self._staged = staged
        self._known = known
        self._numbers = sequence_numbers(items)
        self._made: list[MdStaged] = []
        self._made_database = False

    @property
    def made(self) -> list[str]:
        """The names of the tables that were made."""
        return [one.table for one in self._made]

    def make(self, session: Session) -> None:
        """Make the tables that are not there, and the database. What was made before an error is known to `take_away`."""
        live = live_tables(session, self._staged)
        if self._place.schema is not None:
            there = f"select 1 from information_schema.schemata where schema_name = {literal(self._place.schema)}"  # noqa: S608
            self._made_database = not session.rows(there)
            session.run(f"create database if not exists {quoted(self._place.schema)}")
        for one in self._staged:
            if one.table in live:
                continue
            statements = self._own_statements(one)
            for text in statements.get("sequence", ()):
                self._make_sequence(session, text)
            session.run("set session foreign_key_checks = 0")
            session.run(statements["table"][0] if "table" in statements else plain_table(one, self._known))
            session.run("set session foreign_key_checks = 1")
            self._made.append(one)

    def _make_sequence(self, session: Session, text: str) -> None:
        """A sequence that a table's default asks for, unless it is there; it goes on where it was."""
        name = text.split("`")[1]
        there = f"table_schema = database() and table_name = {literal(name)}"
        if session.rows(f"select 1 from information_schema.tables where {there}"):  # noqa: S608 (quoted names)
            return
        session.run(text)
        if following := self._numbers.get(name, {}).get(""):
            session.run(f"alter sequence {quoted(name)} restart {following}")

    def take_away(self, session: Session) -> None:
        """End the transaction, and drop the tables that were made for it, by another session where this one is gone. Raises
        `TargetError` where they stay."""
        from pymysql.err import Error

        from vault.source.sql.mariadb_session import reason_of

        left, reason, own = self.made, "", session
        try:
            if session.open:
                session.watch(never)
                session.run("rollback")
            elif self._made or self._made_database:
                session.kill_connection()
                session = self._place.connect()
            for one in reversed(self._made):
                session.run(f"drop table if exists {one.quoted}")
                left.remove(one.table)
            if self._made_database:
                session.run(f"drop database {quoted(self._place.database)}")
        except Error as error:
            reason = reason_of(error)
        finally:
            if session is not own:
                session.close()
        if left:
            raise TargetError(
                f"the rows were not written, and new tables stay, empty: {', '.join(left)} ({reason})",
                hint="drop them, or run it again: it goes on with them",
            )

    def finish(self, session: Session) -> list[str]:
        """What the new tables have besides, once the rows are in them; gives what could not be made."""
        return [note for one in self._made for note in self._finish(session, one)]

    def _finish(self, session: Session, one: MdStaged) -> Iterator[str]:
        from pymysql.err import Error

        from vault.source.sql.mariadb_session import is_lost, reason_of

        statements = self._own_statements(one)
        for kind in _AFTERWARDS:
            for text in statements.get(kind, ()):
                try:
                    session.run(text)
                except Error as error:
                    yield f"a {kind} of {one.table!r} was not made: {reason_of(error)}"
                    if is_lost(error):
                        return

    def advance_counters(self, session: Session, written: Collection[str]) -> list[str]:
        """Let AUTO_INCREMENT give numbers that are above those that it had given; gives what could not be done. What is above
        the rows themselves the server knows."""
        from pymysql.err import Error

        from vault.source.sql.mariadb_session import reason_of

        notes = []
        try:
            live = live_tables(session, [one for one in self._staged if one.table in written])
            for name, one in live.items():
                counting = next((column.name for column in one.table.columns if column.counts), "")
                wanted = self._numbers.get(name, {}).get(counting, 0) + 1
                if counting and wanted > (one.table.relation.next_number or 1):
                    session.run(f"alter table {quoted(self._place.database)}.{quoted(name)} auto_increment = {wanted}")
        except Error as error:  # the rows are there by now
            notes.append(f"the numbers of AUTO_INCREMENT were not advanced: {reason_of(error)}")
        return notes

    def _own_statements(self, one: MdStaged) -> dict[str, list[str]]:
        """What the snapshot's schema has of a table; nothing for one that goes into another database."""
        return {} if self._place.schema is not None else own_statements(statements_among(self._items), one)
