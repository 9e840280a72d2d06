"""Tables of a manifest's columns, for tests of retention."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from vault.format.manifest import schema

if TYPE_CHECKING:
    import pyarrow as pa

    from policies.retention.items import ItemVerdict

WHEN = datetime(2024, 5, 17, 12, tzinfo=UTC)


def day(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def item(path: str | bytes, **facts: Any) -> dict[str, Any]:
    """A row: a file of its path's kind that the source has, about no known period, unless `facts` say otherwise."""
    raw = path if isinstance(path, bytes) else path.encode()
    row: dict[str, Any] = {"path": raw, "kind": raw.partition(b"/")[0].decode(), "type": "file", "mtime": 0, "seen_at": WHEN}
    return row | dict.fromkeys(("period_start", "period_end", "vanished_at")) | facts


def about(start: str, end: str) -> dict[str, Any]:
    return {"period_start": day(start), "period_end": day(end)}


def table(*rows: dict[str, Any]) -> pa.Table:
    import pyarrow as pa

    names = ("path", "kind", "type", "mtime", "period_start", "period_end", "seen_at", "vanished_at")
    return pa.Table.from_pylist(list(rows), schema=pa.schema([schema().field(name) for name in names]))


def going(found: pa.Table, verdict: ItemVerdict) -> list[str]:
    return [path.decode() for path in found.filter(verdict.goes)["path"].to_pylist()]
