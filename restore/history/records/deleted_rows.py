"""What is gone of items, as rows for tables: records out of the history, and when items were last seen."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from restore.history.records.gone_records import JSON_LINES, GoneRecordsReader
from restore.tables.deleted_column import GoneRows
from restore.tables.loss_report import LossReport
from restore.tables.registry import open_tables

if TYPE_CHECKING:
    import pyarrow as pa


class RecordsOfHistory:
    """See `restore.outputs.conversion.DeletedRows`. items: rows of manifests."""

    def __init__(self, reader: GoneRecordsReader, items: pa.Table) -> None:
        self._reader = reader
        self._seen: dict[str, dict[bytes, datetime]] = {}
        self._gone = _gone_items(items)

    def token(self, source: str, path: bytes) -> str:
        """See `DeletedRows`."""
        return self._reader.token(source, path)

    def seen_at(self, source: str, path: bytes) -> datetime | None:
        """See `DeletedRows`."""
        if source not in self._seen:
            self._seen[source] = self._reader.last_seen(source, self._gone.get(source, ()))
        return self._seen[source].get(path)

    def rows(self, source: str, path: bytes, folder: Path) -> GoneRows | None:
        """See `DeletedRows`."""
        found = self._reader.read(source, path, folder)
        if found is None:
            return None
        (table,) = open_tables(found.file, JSON_LINES, LossReport())
        return GoneRows(table, found.deleted_at, found.seen_at)


def _gone_items(items: pa.Table) -> dict[str, list[bytes]]:
    """Paths of what the sources no longer have, by source."""
    import pyarrow.compute as pc

    rows = items.filter(pc.is_valid(items["vanished_at"])).select(["source", "path"])
    found: dict[str, list[bytes]] = {}
    for source, path in zip(*(rows[name].to_pylist() for name in ("source", "path")), strict=True):
        found.setdefault(source, []).append(path)
    return found
