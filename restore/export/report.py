"""What an auditor must know of a bag: `report.json`.

    asked         who, when, why: besides the bagging date and who signs, the only things that differ between two exports of one
                  request
    signature     by whom, and how it is verified
    selection     in words, as typed, its moment          snapshots    that the items are from
    counts        of what was asked for                   exported     of what is in the bag
    schemas       columns of tables, each list once; a table says which is its own, and where it changed is seen in the items
    renamed       files whose names are not portable       problems     what is missing, damaged or not converted
    items         each with its history, checksums and what became of it

Items are written one a line, one at a time.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import IO, TYPE_CHECKING, Any

from msgspec import Struct

from classify import period_grammar
from classify.period import Period, micros
from restore.export.counts import counted
from restore.export.payload_names import DATA
from restore.export.request import ExportRequest
from restore.export.signature import BagSigner
from restore.export.sink import Payload
from restore.outputs.output_item import ItemOutcome
from restore.outputs.write_items import OutputReport
from restore.selection.select import Selection
from restore.tables.model import TableShape
from vault.format import manifest
from vault.problems import printable

if TYPE_CHECKING:
    import pyarrow as pa

    from vault.format.snapshot_record import Record

VERSION = 1
ROWS = 2048


class Exported(Struct, frozen=True):
    """What was asked for and what came of it. items: those that were asked for, as the output counts
    their rows · payload: files of the bag · signer: None where nobody signs it."""

    request: ExportRequest
    selection: Selection
    items: pa.Table
    output: OutputReport
    payload: Sequence[Payload]
    signer: BagSigner | None = None


class ExportReport:
    """See this module's text. head: all but the items."""

    def __init__(self, exported: Exported) -> None:
        self._exported = exported
        self._by_row = {one.row: one for one in exported.output.outcomes if one.row >= 0}
        self._merged = [one for one in exported.output.outcomes if one.row < 0]
        self._files: dict[int, list[Payload]] = {}
        for one in exported.payload:
            self._files.setdefault(one.row, []).append(one)
        shapes = [table for outcome in exported.output.outcomes for table in outcome.tables]
        counts = Counter(table.columns for table in shapes)
        self._schemas = {columns: number for number, columns in enumerate(counts)}
        schemas: dict[int, dict[str, Any]] = {}
        for table in shapes:
            number = self._schemas[table.columns]
            schemas[number] = {"schema": number, "tables": counts[table.columns], "columns": table.columns_as_json()}
        self.head = self._head([*schemas.values()])

    def items(self) -> Iterator[dict[str, Any]]:
        """Each item that was asked for, in the order of their paths."""
        table = self._exported.items
        row = 0
        for start in range(0, table.num_rows, ROWS):
            for values in table.slice(start, ROWS).drop_columns(["chunks", "xattrs"]).to_pylist():
                yield self._item(row, values)
                row += 1

    def write(self, out: IO[bytes]) -> None:
        """As JSON: the head's fields, then the items, one a line."""
        head = json.dumps(self.head, ensure_ascii=False, indent=2).removesuffix("\n}")
        out.write(f'{head},\n  "items": ['.encode("utf-8", "backslashreplace"))
        for place, item in enumerate(self.items()):
            line = json.dumps(item, ensure_ascii=False)
            out.write(f"{',' if place else ''}\n    {line}".encode("utf-8", "backslashreplace"))
        out.write(b"\n  ]\n}\n")

    def _head(self, schemas: list[dict[str, Any]]) -> dict[str, Any]:
        exported = self._exported
        request, selection, output = exported.request, exported.selection, exported.output
        project = selection.project
        outcomes = output.outcomes
        return {
            "report": "export",
            "version": VERSION,
            "software": request.software,
            "asked": request.asker.as_json(),
            "signature": None if exported.signer is None else exported.signer.as_json(),
            "project": project.name,
            "project_id": project.id,
            "selection": {
                "in_words": request.words,
                "as_typed": request.selection,
                "moment": None if request.moment is None else request.moment.isoformat(),
                "time_zone": request.zone.key,
                "beyond": {"items": selection.beyond.items, "bytes": selection.beyond.bytes},
            },
            "tables": request.tables,
            "snapshots": [_snapshot(record) for record in selection.records],
            "counts": counted(exported.items, request.zone),
            "exported": {
                "files": len(exported.payload),
                "bytes": sum(one.size for one in exported.payload),
                "converted": sum(one.target is not None for one in outcomes),
                "rows_converted": sum(table.rows or 0 for one in outcomes if one.target is not None for table in one.tables),
                "cells_with_losses": sum(loss.cells for one in outcomes for loss in one.losses),
                "problems": len(output.report.problems),
            },
            "schemas": schemas,
            "renamed": [
                {"path": printable(one.path), "path_hex": one.path.hex(), "file": one.file}
                for one in exported.payload
                if one.file.encode() != DATA.encode() + b"/" + one.path
            ],
            "merged": [self._outcome_facts(one, -1) for one in self._merged],
            "problems": [problem.as_json() for problem in output.report.problems],
        }

    def _item(self, row: int, values: dict[str, Any]) -> dict[str, Any]:
        path = values["path"]
        start, end, digest = values["period_start"], values["period_end"], values["blake3"]
        zone = self._exported.request.zone
        facts = {
            "path": printable(path),
            "path_hex": None if _is_text(path) else path.hex(),
            "source": values["source"],
            "kind": values["kind"],
            "type": values["type"],
            "format": values["format"],
            "size": values["size"] if values["type"] == manifest.FILE else None,
            "blake3": None if digest is None else digest.hex(),
            "modified": _modified(values["mtime"], values["mtime_nanos"]),
            "period": None
            if start is None or end is None
            else period_grammar.written(Period(micros(start), micros(end)), zone),
            "period_origin": values["period_origin"],
            "first_seen": _moment(values["seen_at"]),
            "last_seen": _moment(values["last_seen_at"]),
            "vanished": _moment(values["vanished_at"]),
            "consistency": values["consistency"],
            "points_to": None if values["link_target"] is None else printable(values["link_target"]),
        }
        outcome = self._by_row.get(row)
        became = {} if outcome is None else self._outcome_facts(outcome, row)
        if outcome is None and values["type"] == manifest.FILE and self._merged:
            became = {"given_as": "merged"}
        return {name: value for name, value in (facts | became).items() if value not in (None, [])}

    def _outcome_facts(self, outcome: ItemOutcome, row: int) -> dict[str, Any]:
        facts = outcome.as_json()
        del facts["path"], facts["format"], facts["outputs"]
        files = self._files.get(row, [])
        if row >= 0 and not files:
            del facts["given_as"]
        if outcome.tables:
            facts["tables"] = [self._with_schema(table) for table in outcome.tables]
        return {"files": [{"file": one.file, "size": one.size, "sha256": one.sha256} for one in files], **facts}

    def _with_schema(self, table: TableShape) -> dict[str, Any]:
        rows = {} if table.rows is None else {"rows": table.rows}
        return {"name": table.name, **rows, "schema": self._schemas[table.columns]}


def _snapshot(record: Record) -> dict[str, Any]:
    return {
        "snapshot": record.id,
        "source": record.source,
        "taken_at": record.taken_at.isoformat(),
        "finished_at": record.finished_at.isoformat(),
        "host": record.host,
        "writer": record.writer,
    }


def _moment(when: datetime | None) -> str | None:
    return None if when is None else when.isoformat()


def _modified(seconds: int, nanos: int) -> str:
    """All nine digits, also where no calendar reaches."""
    try:
        return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{nanos:09}Z"
    except (OverflowError, OSError, ValueError):
        return f"{seconds}.{nanos:09} seconds after 1970"


def _is_text(path: bytes) -> bool:
    try:
        text = path.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return text.isprintable()
