"""What differs between two states of a project's items: created, changed, attributes changed, deleted."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from restore.history import versions
from restore.history.alignment import match
from restore.history.ledger import Ledger, Mask
from restore.history.timeline import Question
from restore.history.update import History
from vault.errors import NothingFound
from vault.format.snapshot_record import Record
from vault.problems import printable
from vault.repository import snapshots

if TYPE_CHECKING:
    import pyarrow as pa

CREATED, CHANGED, TOUCHED, DELETED = "created", "changed", "attributes changed", "deleted"
KINDS_OF_CHANGE = (CREATED, CHANGED, TOUCHED, DELETED)

_SHOWN = ("kind", "type", "size", "mtime", "format", "period_start", "period_end")


class Sides(Struct, frozen=True):
    """The snapshots of one source that are compared. after: None for the live folder."""

    source: str
    before: Record | None
    after: Record | None


class Difference(Struct, frozen=True):
    """Between two states. table: a row for each item that differs: path, source, what, and of both sides, each null where the
    item was not there: size, mtime and what it is about (`before_size`, `after_size`, …), by path · sides: what was
    compared."""

    table: pa.Table
    sides: tuple[Sides, ...]

    def counts(self) -> dict[str, int]:
        """How many items of each kind of change."""
        counted = self.table["what"].value_counts()
        found = dict(zip(counted.field("values").to_pylist(), counted.field("counts").to_pylist(), strict=True))
        return {what: found.get(what, 0) for what in KINDS_OF_CHANGE}


def difference(history: History, question: Question) -> Difference:
    """Between the moments `since` and `until` of a question. Raises `NothingFound` where nothing was kept yet at the second."""
    tables, sides = [], []
    for source, ledger in history.ledgers.items():
        if question.source not in (None, source):
            continue
        before, after = (_number(ledger, source, moment) for moment in (question.since, question.until))
        tables.append(compared(source, state(ledger, before, question.mask), state(ledger, after, question.mask)))
        pair = [None if number is None else ledger.records[number] for number in (before, after)]
        sides.append(Sides(source, pair[0], pair[1]))
    if not any(one.after for one in sides):
        name = history.project.name
        up_to = "" if question.until is None else f" up to {question.until:%Y-%m-%d %H:%M:%S %Z}"
        raise NothingFound(
            f"project {name!r} has no snapshot{up_to}", hint=f"see when there are some: `strongroom list {name}`"
        )
    return Difference(united(tables), tuple(sides))


def _number(ledger: Ledger, source: str, moment: datetime | None) -> int | None:
    """Of the snapshot that shows a source as it was at a moment."""
    found = snapshots.at(ledger.records, moment)
    return ledger.records.index(found[0]) if found else None


def state(ledger: Ledger, number: int | None, mask: Mask | None) -> pa.Table:
    """The items that the source had at snapshot `number`, by path; none for None."""
    import pyarrow as pa
    import pyarrow.compute as pc

    parts = [versions.schema().empty_table()]
    if number is not None:
        at = pa.scalar(number, pa.int32())
        for piece in ledger.pieces(mask):
            there = pc.and_(pc.less_equal(piece["first"], at), pc.greater_equal(piece["last"], at))
            parts.append(piece.filter(pc.and_(there, pc.is_null(piece["vanished_at"]))))
    return pa.concat_tables(parts).sort_by("path").combine_chunks()


def compared(source: str, before: pa.Table, after: pa.Table) -> pa.Table:
    """The rows of a `Difference` for one source. Both: of `versions.schema()`, by path."""
    import pyarrow as pa
    import pyarrow.compute as pc

    found = match(after, before, (*versions.CONTENT, *versions.ATTRIBUTES))
    new, other = pc.is_null(found.where), pc.and_(pc.is_valid(found.where), pc.invert(found.same))
    old = before.take(found.where.filter(other))
    content = versions.equal(after.filter(other), old, versions.CONTENT)
    what = pc.if_else(content, pa.scalar(TOUCHED), pa.scalar(CHANGED))
    gone = before.filter(pc.invert(pc.is_in(before["path"], value_set=after["path"].combine_chunks())))
    nothing = versions.schema().empty_table()
    return united(
        [
            _rows(source, nothing, after.filter(new), pa.repeat(pa.scalar(CREATED), pc.sum(new).as_py() or 0)),
            _rows(source, old, after.filter(other), what),
            _rows(source, gone, nothing, pa.repeat(pa.scalar(DELETED), len(gone))),
        ]
    )


def _rows(source: str, before: pa.Table, after: pa.Table, what: pa.Array) -> pa.Table:
    import pyarrow as pa

    columns = {
        "path": after["path"] if len(after) else before["path"],
        "source": pa.repeat(pa.scalar(source), len(what)),
        "what": what,
    }
    for side, table in (("before", before), ("after", after)):
        for name in _SHOWN:
            kind = versions.schema().field(name).type
            columns[f"{side}_{name}"] = table[name] if len(table) else pa.nulls(len(what), kind)
    return pa.table(columns)


def united(tables: Sequence[pa.Table]) -> pa.Table:
    """Rows of several sources, by path."""
    import pyarrow as pa

    empty = versions.schema().empty_table()
    nothing = [] if tables else [_rows("", empty, empty, pa.array([], pa.string()))]
    return pa.concat_tables([*nothing, *tables]).sort_by([("path", "ascending"), ("source", "ascending")])


def as_json(row: dict[str, Any]) -> dict[str, Any]:
    """A row of a `Difference` for `--json`."""
    return {
        "path": printable(row["path"]),
        "source": row["source"],
        "type": row["after_type"] or row["before_type"],
        "what": row["what"],
        "size_before": row["before_size"],
        "size_after": row["after_size"],
        "mtime_before": row["before_mtime"],
        "mtime_after": row["after_mtime"],
    }
