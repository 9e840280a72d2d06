"""What the items of a selection are to a database: the files of each table, the statements and the numbers of its schema."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from msgspec.structs import replace

from restore.databases.row_plan import RowPlan
from restore.databases.staged_rows import FetchedItem, StagedColumn
from vault.errors import Damaged, UsageError
from vault.problems import printable
from vault.source.sql import layout
from vault.source.sql.schema_statements import Statement, statements_of

if TYPE_CHECKING:
    import pyarrow as pa


class ColumnKeys(NamedTuple):
    """Names of the metadata that a kind of database gives a Parquet file. origin: of the file, which no other kind has · the
    others are of its fields."""

    origin: bytes
    declared: bytes
    key: bytes
    generated: bytes


class Comparison(NamedTuple):
    """The number of staged rows that a table lacks, has, has otherwise, and has in a newer version."""

    missing: int
    equal: int
    differing: int
    newer: int


def files_by_table(items: Sequence[FetchedItem]) -> dict[str, list[FetchedItem]]:
    """The files of each table, by name. Raises `UsageError` where no item is a table."""
    found: dict[str, list[FetchedItem]] = {}
    for item in items:
        part = layout.partition_of(item.path)
        if part is not None:
            found.setdefault(part.table, []).append(item)
    if not found:
        hint = "name tables, such as 'raw/calls/**', or use --to DIR"
        raise UsageError("none of the items that match is a table of a database", hint=hint)
    return dict(sorted(found.items()))


def columns_of(parts: Sequence[FetchedItem], keys: ColumnKeys, kind: str) -> tuple[bytes, tuple[StagedColumn, ...]]:
    """What the files of a table say that they are of, and its columns: all that any of them has. kind: of the database, for
    people. Raises `Damaged`, and `UsageError` for the table of another kind of database."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns: dict[str, StagedColumn] = {}
    origin = b""
    for part in parts:
        try:
            found = pq.read_schema(part.file)
        except (pa.ArrowException, OSError) as error:
            raise Damaged(f"{printable(part.path)} is not a table: {error}") from error
        own = found.metadata or {}
        if keys.origin not in own:
            raise UsageError(
                f"{printable(part.path)} is not a table of a {kind} database",
                hint="restore it as a file with --to DIR, or into a database of the kind that it came from",
            )
        origin = own[keys.origin]
        columns |= {field.name: _column(field, keys) for field in found}
    return origin, tuple(columns.values())


def _column(field: pa.Field, keys: ColumnKeys) -> StagedColumn:
    metadata = field.metadata or {}
    key = metadata.get(keys.key, b"0")
    declared = metadata.get(keys.declared, b"text").decode()
    return StagedColumn(field.name, declared, int(key) if key.isdigit() else 0, keys.generated in metadata)


def statements_among(items: Sequence[FetchedItem]) -> list[Statement]:
    """What made the tables of a snapshot. Raises `Damaged`."""
    return [one for item in items if item.path == layout.SCHEMA for one in statements_of(item.file.read_bytes())]


def sequence_numbers(items: Sequence[FetchedItem]) -> dict[str, dict[str, int]]:
    """The last number of each sequence, by table and column. Raises `Damaged`."""
    for item in items:
        if item.path == layout.SEQUENCES:
            try:
                found = json.loads(item.file.read_bytes())
                return {table: {name: int(value) for name, value in own.items()} for table, own in found.items()}
            except (ValueError, TypeError, AttributeError) as error:
                raise Damaged(f"the sequences in the snapshot cannot be read: {error}") from error
    return {}


def column_notes(
    columns: Sequence[StagedColumn], there: dict[str, str] | None, writable: dict[str, str], *, has_key: bool
) -> Iterator[str]:
    """What cannot be as it was. there: the columns of the table with their types; None where it is not there · writable: those
    that the database does not compute."""
    if generated := [column.name for column in columns if column.generated]:
        yield f"generated columns are computed anew: {', '.join(generated)}"
    if there is None:
        return
    if gone := [column.name for column in columns if column.name not in there]:
        yield f"columns that the table has no longer are left out: {', '.join(gone)}"
    names = {column.name for column in columns}
    if added := [name for name in writable if name not in names]:
        yield f"columns that the snapshot does not have get their defaults: {', '.join(added)}"
    plain = (column for column in columns if not column.generated and column.name in writable)
    if changed := [column.name for column in plain if column.declared != writable[column.name]]:
        yield f"columns that have another type now are read as that: {', '.join(changed)}"
    if not has_key:
        yield "the table has no primary key: whole rows are compared"


def with_notes(plan: RowPlan, notes: Sequence[str]) -> RowPlan:
    """A plan of what was done, with notes on what was not."""
    if not notes:
        return plan
    first, *rest = plan.tables
    return replace(plan, tables=(replace(first, notes=(*first.notes, *notes)), *rest))
