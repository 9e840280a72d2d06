"""`history --record ID` and `find --record ID`: what they show."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from msgspec.structs import replace

from cli import colour, output, progress
from strongroom.records import RecordId, find_record, record_history
from vault import wording
from vault.errors import UsageError
from vault.problems import printable
from vault.wording import counted

if TYPE_CHECKING:
    from restore.history.records.fields import FieldChange
    from restore.history.records.timeline import RecordEvent, RecordHistory
    from restore.selection.query import ItemQuery
    from restore.tables.model import Value
    from strongroom.context import Context
    from strongroom.history import HistoryOptions
    from strongroom.records import FoundIn
    from vault.repository.project import Project

LONGEST_VALUE = 160
"""Characters of a value that are shown; --json has all."""

FIELDS_SHOWN = 30
SIGNS = {
    "added": ("+", colour.Style.ADDED),
    "removed": ("-", colour.Style.REMOVED),
    "cleared": ("-", colour.Style.REMOVED),
    "changed": ("~", colour.Style.CHANGED),
    "reordered": ("~", colour.Style.CHANGED),
}


def refuse_key_alone(record: str | None, key: str) -> None:
    """Raises `UsageError` for a key without a record, or a record without an id."""
    if record is None and key:
        raise UsageError("--key needs --record ID", hint="name the record, such as --record 4711")
    if record == "":
        raise UsageError("missing id of the record: use --record ID", hint="for example --record 4711")


def history(
    context: Context, project: Project, query: ItemQuery, record: RecordId, over: HistoryOptions, *, quiet: bool, as_json: bool
) -> None:
    """Every version of a record. Raises `typer.Exit` where not all could be read."""
    with progress.shown(quiet=quiet, as_json=as_json, project=project.name) as listener:
        found = record_history(context, project, query, record, replace(over, progress=listener))
    if as_json:
        output.document("history-record/1", found.as_json())
    else:
        for one in found.histories:
            _show(one, record, found.zone)
    output.finish(found.damage)


def find(
    context: Context, project: Project, query: ItemQuery, record: RecordId, over: HistoryOptions, *, quiet: bool, as_json: bool
) -> None:
    """The items that have a record. Raises `typer.Exit` where not all could be read."""
    with progress.shown(quiet=quiet, as_json=as_json, project=project.name) as listener:
        found = find_record(context, project, query, record, replace(over, progress=listener))
    if as_json:
        output.document("find-record/1", found.as_json())
    else:
        heads = ["FOUND BY", "FIRST SEEN", "LAST SEEN", "MISSING SINCE", "NEWEST SNAPSHOT", "PATH"]
        output.tell_left_out(output.table([_cells(one, found.zone) for one in found.items], heads, spare=(4, 1)))
    output.finish(found.damage)


def _cells(one: FoundIn, zone: ZoneInfo) -> list[str]:
    return [
        one.key or one.where,
        wording.moment(one.first_seen, zone),
        wording.moment(one.last_seen, zone),
        "-" if one.missing_since is None else wording.moment(one.missing_since, zone),
        one.snapshot,
        printable(one.path),
    ]


def _show(one: RecordHistory, record: RecordId, zone: ZoneInfo) -> None:
    output.result(f"{one.entity}: {one.key} {record.text}  (source {one.source})")
    for event in one.events:
        output.result(f"  {wording.moment(event.at, zone)}  {_what(event, zone)}")
        for line, paint in _lines(event):
            output.result(f"    {line}", paint=paint)


def _what(event: RecordEvent, zone: ZoneInfo) -> str:
    between = "" if event.after is None else f", after {wording.moment(event.after, zone)}"
    shown = counted(event.snapshots, "snapshot")
    if event.value is None:
        item = "its item is gone" if event.item_is_gone else "deleted, or archived out of what the source lists"
        return f"{event.what}{between}: {item}; was in {printable(event.path)}"
    moved = f" from {printable(event.moved_from)}" if event.moved_from is not None else ""
    return f"{event.what}{moved}{between}  ({printable(event.path)}, snapshot {event.snapshot}, {shown})"


def _lines(event: RecordEvent) -> Iterator[tuple[str, tuple[str, colour.Style] | None]]:
    if event.changes:
        for change in event.changes:
            sign, style = SIGNS[change.what]
            yield f"{sign} {change_text(change)}", (f"    {sign}", style)
    elif event.value is not None and event.moved_from is None:
        fields = list(event.value.items())
        for name, value in fields[:FIELDS_SHOWN]:
            yield f"{name}: {_text(value)}", None
        if len(fields) > FIELDS_SHOWN:
            yield f"… and {counted(len(fields) - FIELDS_SHOWN, 'field')} more", None


def change_text(change: FieldChange) -> str:
    """A field that differs, for people."""
    match change.what:
        case "added":
            return f"{change.path} is new: {_text(change.after)}"
        case "removed":
            return f"{change.path} is gone: {_text(change.before)}"
        case "cleared":
            return f"{change.path} cleared: {_text(change.before)} -> {_text(change.after)}"
        case _:
            return f"{change.path}: {_text(change.before)} -> {_text(change.after)}"


def _text(value: Value) -> str:
    """A value as JSON, cut short."""
    from restore.history.records.fields import plain

    text = json.dumps(plain(value), ensure_ascii=False)
    shown = text if len(text) <= LONGEST_VALUE else f"{text[:LONGEST_VALUE]}… ({len(text)} characters)"
    return printable(shown.encode("utf-8", "backslashreplace"))
