"""Restores into databases: rows by their keys, in one transaction; planned first, as a value.

    with planned_rows(context, selected, destination, options) as planned:
        planned.plan.inserted, planned.plan.replaced
        planned.apply()

The rows wait in a private folder, or in the session with the server, between the plan and what is done.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from msgspec import Struct

from restore.databases.row_plan import RowPlan, policy_for_rows
from restore.databases.sqlite_target import SqliteTarget
from restore.databases.staged_rows import FetchedItem, StagedRows, stage
from restore.outputs.scratch_dir import scratch_dir
from strongroom.command_log import recorded
from strongroom.source_kinds import file_servers, registry
from vault.errors import StrongroomError, UsageError
from vault.format import manifest
from vault.problems import printable
from vault.progress import Stop, never
from vault.source.sql import layout

if TYPE_CHECKING:
    import pyarrow as pa

    from restore.databases.mariadb_target import MdPlace
    from restore.databases.postgresql_target import PgPlace
    from restore.planning.conflict_policy import ConflictPolicy
    from strongroom.context import Context
    from strongroom.selection import SelectedItems
    from strongroom.settings.projects import SourceSettings

SCHEMES = ("sqlite", "postgresql", "mariadb", "mysql")
_PARAMETERS = ("schema", "version_column", "sslmode", "certificates", "password_file")
_OF_MARIADB = ("schema", "version_column", "tls", "certificates", "socket", "timeout", "password_file")
"""What the address of a PostgreSQL database, and of a MariaDB one, may say besides, after a question mark."""


class SqliteFile(Struct, frozen=True):
    """A SQLite database that rows are put into. version_column: tells which of two rows is newer; None where nothing does."""

    path: Path
    version_column: str | None = None


class PostgresqlDatabase(Struct, frozen=True):
    """A database of a PostgreSQL server that rows are put into."""

    place: PgPlace

    @property
    def version_column(self) -> str | None:
        """Tells which of two rows is newer."""
        return self.place.version_column


class MariadbDatabase(Struct, frozen=True):
    """A database of a MariaDB or MySQL server that rows are put into."""

    place: MdPlace

    @property
    def version_column(self) -> str | None:
        """Tells which of two rows is newer."""
        return self.place.version_column


Database = SqliteFile | PostgresqlDatabase | MariadbDatabase


class RowOptions(Struct, frozen=True, kw_only=True):
    """How rows are put back. on_conflict: what becomes of rows that are there and differ; None: refuse · where: a condition in
    the database's SQL; None for all rows."""

    on_conflict: ConflictPolicy | None = None
    where: str | None = None


class RowTarget(Protocol):
    """A database with the rows at hand that go there."""

    def plan(self) -> RowPlan:
        """What would be done. Raises `TargetError` where the database cannot be read."""
        ...

    def apply(self) -> RowPlan:
        """Do it; gives what was done. Raises `TargetError`, and nothing is written then."""
        ...


class PlannedRows(Struct, frozen=True):
    """What would be done. `apply` does it; it looks at the database again first."""

    plan: RowPlan
    target: RowTarget
    context: Context
    selected: SelectedItems
    options: RowOptions

    def apply(self) -> RowPlan:
        """Put the rows there; gives what was done. Raises `TargetError` and writes nothing where a row is in the way that may
        not be replaced, where the rows do not fit, or the database cannot be written."""
        with recorded(self.context, "restore", [self.selected.project], self._asked()) as entry:
            entry.begin()
            done = self.target.apply()
            entry.count(inserted=done.inserted, replaced=done.replaced)
        return done

    def _asked(self) -> dict[str, object]:
        """For the log."""
        return {
            "selection": self.selected.options.as_json(),
            "to": self.plan.where,
            "where": self.options.where,
            "on_conflict": self.plan.policy.value,
            "snapshots": [one.id for one in self.selected.selection.records],
        }


class _SqliteRows(Struct, frozen=True):
    target: SqliteTarget
    staged: StagedRows

    def plan(self) -> RowPlan:
        return self.target.plan(self.staged)

    def apply(self) -> RowPlan:
        return self.target.apply(self.staged)


def is_database(text: str) -> bool:
    """Whether `--to` names a database."""
    return registry.scheme_of(text) in SCHEMES


def named(text: str) -> Database:
    """The database that `--to` names. Raises `UsageError`."""
    from strongroom.source_kinds.sqlite import path_of

    match registry.scheme_of(text):
        case "postgresql":
            return _named_server(text)
        case "mariadb" | "mysql":
            return _named_mariadb(text)
    try:
        return SqliteFile(path_of(text, Path.cwd()))
    except UsageError as error:
        raise UsageError(f"{text!r} {error}", hint="write --to sqlite:FILE") from error


def _named_server(text: str) -> PostgresqlDatabase:
    """`postgresql://USER@host/database?schema=NAME`; no message repeats it, since it may bear a password."""
    from restore.databases.postgresql_target import PgPlace
    from strongroom.source_kinds import options as option
    from strongroom.source_kinds import postgresql

    url, found = option.server_and_parameters(text, _PARAMETERS)
    options = {name: value for name, value in found.items() if name not in ("schema", "version_column")}
    hint = "write --to postgresql://USER@host/database, and ?schema=NAME for another schema"
    try:
        postgresql.check(url, options)
        option.require("psycopg", "postgresql")
        address = postgresql.address_of(url, options, Path.cwd())
    except UsageError as error:
        raise UsageError(f"the address after --to {error}", hint=error.hint or hint) from error
    return PostgresqlDatabase(PgPlace(address, found.get("schema") or None, found.get("version_column") or None))


def _named_mariadb(text: str) -> MariadbDatabase:
    """`mariadb://USER@host/database?schema=NAME`; no message repeats it, since it may bear a password."""
    from strongroom.source_kinds import mariadb
    from strongroom.source_kinds import options as option

    url, found = option.server_and_parameters(text, _OF_MARIADB)
    options = {name: value for name, value in found.items() if name not in ("schema", "version_column")}
    hint = "write --to mariadb://USER@host/database, and ?schema=NAME for another database of that server"
    try:
        mariadb.check(url, options)
        return _mariadb(url, options, Path.cwd(), found.get("schema") or None, found.get("version_column") or None)
    except UsageError as error:
        raise UsageError(f"the address after --to {error}", hint=error.hint or hint) from error


def _mariadb(
    url: str, options: Mapping[str, str], folder: Path, schema: str | None, version_column: str | None
) -> MariadbDatabase:
    from strongroom.source_kinds import mariadb
    from strongroom.source_kinds import options as option

    option.require("pymysql", "mariadb")
    from restore.databases.mariadb_target import MdPlace

    return MariadbDatabase(MdPlace(mariadb.address_of(url, options, folder), schema, version_column))


def in_place(context: Context, selected: SelectedItems) -> Database | None:
    """The database that the selected items come from; None where they come from folders alone. Raises `UsageError` where they
    come from several sources, or from one that nothing can be put back into."""
    sources = _sources(context, selected)
    others = [one for one in sources if one.url is not None]
    if not others:
        return None
    if len(sources) > 1:
        named_sources = ", ".join(one.name for one in sources)
        raise UsageError(
            f"these items are of several sources ({named_sources}), and not all of them are folders",
            hint="restore them in place one after another, with --source NAME",
        )
    (source,) = others
    url, folder = source.url or "", context.settings.file.absolute().parent
    match registry.scheme_of(url):
        case "sqlite":
            from strongroom.source_kinds.sqlite import path_of

            return SqliteFile(path_of(url, folder), source.options.get("version_column"))
        case "postgresql":
            from restore.databases.postgresql_target import PgPlace
            from strongroom.source_kinds import options as option
            from strongroom.source_kinds import postgresql

            option.require("psycopg", "postgresql")
            address = postgresql.address_of(url, option.writer_of(source.options), folder)
            return PostgresqlDatabase(PgPlace(address, None, source.options.get("version_column")))
        case "mariadb" | "mysql":
            from strongroom.source_kinds import options as option

            return _mariadb(url, option.writer_of(source.options), folder, None, source.options.get("version_column"))
        case "webdav" | "webdavs" | "s3" | "imap" | "imaps":
            return None  # files: `strongroom.restore_plan` knows where they go
        case _ if file_servers.kind_of(url) is not None:
            return None
        case "rest":
            raise UsageError(
                f"records of {source.name!r} have no place that they go back to: they are created again, under new numbers",
                hint=f"name the interface: --to rest:{source.name}",
            )
        case _:
            raise UsageError(
                f"nothing can be put back into the source {source.name!r} ({url})", hint="name another place with --to"
            )


@contextmanager
def planned_rows(
    context: Context,
    selected: SelectedItems,
    database: Database,
    options: RowOptions,
    stop: Stop = never,
) -> Iterator[PlannedRows]:
    """What putting the rows of the selected items into a database would do. Nothing is written to it.

    Raises `UsageError` for options that cannot be, or where no item is a table of a database; `TargetError` where the database
    cannot be read; `Damaged`, `StorageError`.
    """
    policy = policy_for_rows(options.on_conflict, database.version_column)
    with scratch_dir() as folder:
        items = list(_fetched(context, selected, folder, stop))
        match database:
            case SqliteFile(path, version_column):
                staged = stage(items, folder / "staged.db", options.where, stop)
                rows = _SqliteRows(SqliteTarget(path, policy, version_column, stop), staged)
                yield PlannedRows(rows.plan(), rows, context, selected, options)
            case PostgresqlDatabase(place):
                from restore.databases.postgresql_target import PostgresqlTarget

                with PostgresqlTarget(place, items, policy, options.where, stop) as target:
                    yield PlannedRows(target.plan(), target, context, selected, options)
            case MariadbDatabase(place):
                from restore.databases.mariadb_target import MariadbTarget

                with MariadbTarget(place, items, policy, options.where, stop) as rows_target:
                    yield PlannedRows(rows_target.plan(), rows_target, context, selected, options)


def _sources(context: Context, selected: SelectedItems) -> list[SourceSettings]:
    names = set(selected.selection.table["source"].unique().to_pylist())
    return [one for one in context.settings.project(selected.project.name).sources if one.name in names]


def _fetched(context: Context, selected: SelectedItems, folder: Path, stop: Stop) -> Iterator[FetchedItem]:
    """The contents of the tables among the items, and of the schemas that belong to them, each in a file."""
    from restore.execution.ordered_reader import contents
    from restore.outputs.scratch_dir import put_down
    from restore.planning.chunk_locations import locate_standing
    from vault.repository.pack_reader import PackReader

    selection = selected.selection
    table = _with_schemas(context, selected)
    reader = PackReader(selection.project, selection.index)
    references, _ = locate_standing(selection.project, table, selection.index, reader)
    paths = table["path"].to_pylist()
    for number, (row, content) in enumerate(contents(table, references, reader, stop, folder)):
        if isinstance(content, StrongroomError):
            raise content
        path = paths[row].partition(b"/")[2]
        if layout.partition_of(path) is None and path not in (layout.SCHEMA, layout.SEQUENCES):
            raise UsageError(
                f"{printable(paths[row])} is not a table of a database", hint="name tables alone, such as 'raw/calls/**'"
            )
        yield FetchedItem(path, put_down(content, folder / f"item-{number}"))


def _with_schemas(context: Context, selected: SelectedItems) -> pa.Table:
    """The files among the items, and the schemas of their sources at the same moment."""
    import pyarrow as pa
    import pyarrow.compute as pc

    from vault.repository import snapshots
    from vault.repository.catalog_chunks import MetaReader

    del context
    selection = selected.selection
    files = selection.table.filter(pc.equal(selection.table["type"], manifest.FILE))
    if len(files["source"].unique()) > 1:
        names = ", ".join(sorted(files["source"].unique().to_pylist()))
        raise UsageError(f"these tables are of several sources: {names}", hint="choose one with --source NAME")
    tables = [files]
    for record in selection.records:
        wanted = [f"{record.kind}/".encode() + name for name in (layout.SCHEMA, layout.SEQUENCES)]
        rows = snapshots.read_manifest(MetaReader(selection.project, selection.index), record)
        own = pc.is_in(rows["path"], value_set=pa.array(wanted, pa.binary()))
        known = pc.is_in(rows["path"], value_set=files["path"].combine_chunks())
        if record.source in files["source"].unique().to_pylist():
            tables.append(rows.filter(pc.and_(own, pc.invert(known))))
    return pa.concat_tables(tables)
