"""One record over all snapshots: a ticket, a call, a row: every version of it, and the items that have it.

found = record_history(context, project, query, RecordId("4711"), HistoryOptions())
for event in found.histories[0].events:
    event.what, event.at, event.changes

What is shown is content: it takes a key that reads, and is recorded in the log.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

from msgspec import Struct

from restore.history.records.record_id import RecordId
from restore.history.records.timeline import RecordHistory
from strongroom import command_log, notices
from vault.errors import NothingFound
from vault.problems import printable
from vault.wording import counted

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from restore.history.ledger import Ledger
    from restore.history.records.item_records import ItemRecords, RecordVersion
    from restore.history.timeline import Question
    from restore.history.update import History
    from restore.selection.query import ItemQuery
    from strongroom.context import Context
    from strongroom.history import HistoryOptions
    from vault.coverage import Coverage
    from vault.problems import Problem
    from vault.repository.project import Project

__all__ = ["FoundIn", "FoundRecords", "RecordHistories", "RecordId", "find_record", "record_history"]


class RecordHistories(Struct, frozen=True):
    """What happened to a record: in each entity that has one of this id. zone: in which moments are shown · damage: items and
    snapshots that could not be read."""

    project: str
    record: RecordId
    histories: tuple[RecordHistory, ...]
    zone: ZoneInfo
    damage: tuple[Problem, ...]

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "project": self.project,
            "record_id": self.record.text,
            "history_list": [one.as_json() for one in self.histories],
            "damage": [one.as_json() for one in self.damage],
        }


class FoundIn(Struct, frozen=True):
    """An item that has a record, or whose name has its id. where: `content` or `name` · key: the field that has the id; "" for
    a name · first_seen, last_seen: moments of snapshots in which it had it · missing_since: when it was found without; None
    while it has it · snapshot: the newest that has it."""

    path: bytes
    source: str
    where: Literal["content", "name"]
    key: str
    first_seen: datetime
    last_seen: datetime
    missing_since: datetime | None
    snapshot: str

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "path": printable(self.path),
            "source": self.source,
            "where": self.where,
            "key": self.key or None,
            "first_seen": self.first_seen.isoformat(),
            "last_seen": self.last_seen.isoformat(),
            "missing_since": None if self.missing_since is None else self.missing_since.isoformat(),
            "snapshot": self.snapshot,
        }


class FoundRecords(Struct, frozen=True):
    """All items that have a record, by content or by name."""

    project: str
    record: RecordId
    items: tuple[FoundIn, ...]
    zone: ZoneInfo
    damage: tuple[Problem, ...]

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "project": self.project,
            "record_id": self.record.text,
            "items": [one.as_json() for one in self.items],
            "damage": [one.as_json() for one in self.damage],
        }


def record_history(
    context: Context, project: Project, query: ItemQuery, record: RecordId, options: HistoryOptions
) -> RecordHistories:
    """What happened to a record, in the items that a query means; its moment counts for nothing.

    Raises `NothingFound` where no version of any of them has it, `KeyRefused` without a key that reads content, `UsageError`,
    `StorageError`.
    """
    from restore.history.records.timeline import histories
    from restore.history.timeline import window

    known, question, read = _read(context, project, query, record, options, "history")
    found: list[RecordHistory] = []
    for source, one in read.items():
        ledger = known.ledgers[source]
        found += histories(source, ledger, one.versions, window(ledger, question))
    damage = (*known.problems, *(problem for one in read.values() for problem in one.problems))
    if not found:
        raise _not_found(project, record, read, damage)
    _notice_keys(record, known, found)
    return RecordHistories(project.name, record, tuple(found), context.zone(project.name), damage)


def find_record(
    context: Context, project: Project, query: ItemQuery, record: RecordId, options: HistoryOptions
) -> FoundRecords:
    """The items that have a record, and those whose names have its id, such as recordings of a call. Raises as
    `record_history` does."""
    from restore.history.timeline import window

    known, question, read = _read(context, project, query, record, options, "find")
    found: list[FoundIn] = []
    for source, one in read.items():
        ledger = known.ledgers[source]
        found += _with_content(source, ledger, one.versions, window(ledger, question).last)
    found += _with_name(known, question, record)
    damage = (*known.problems, *(problem for one in read.values() for problem in one.problems))
    if not found:
        raise _not_found(project, record, read, damage)
    items = sorted(found, key=lambda one: (one.path, one.source, one.where))
    return FoundRecords(project.name, record, tuple(items), context.zone(project.name), damage)


def _read(
    context: Context, project: Project, query: ItemQuery, record: RecordId, options: HistoryOptions, action: str
) -> tuple[History, Question, dict[str, ItemRecords]]:
    """What the items of each source have of the record."""
    from restore.history.find import ever_matched
    from restore.history.records.item_records import RecordReader
    from restore.history.suggestions import nothing_found
    from restore.history.timeline import window
    from strongroom.history import load_history, question_of

    command_log.require_reading(context, project, action)
    question = question_of(query, options.since, options.until)
    known = load_history(context, project, options, source=query.source)
    if not ever_matched(known, question):
        notices.problems(known.problems)
        raise nothing_found(known, query)
    what = {
        "record": record.text,
        "key": record.key,
        "patterns": query.patterns,
        "kinds": query.kinds,
        "periods": query.periods,
        "source": query.source,
        "since": options.since,
        "until": options.until,
    }
    read: dict[str, ItemRecords] = {}
    with command_log.recorded(context, action, [project], what) as entry:
        entry.begin()
        reader = RecordReader(project, record, _opening(context, project, known, options))
        for source, ledger in known.ledgers.items():
            if question.source in (None, source):
                read[source] = reader.read(source, ledger, question.mask, window(ledger, question))
        entry.count(
            items=sum(one.items for one in read.values()),
            contents=sum(one.contents for one in read.values()),
            chunks=sum(one.chunks_read for one in read.values()),
        )
        entry.problems(sum(len(one.problems) for one in read.values()))
    return known, question, read


def _opening(context: Context, project: Project, known: History, options: HistoryOptions) -> Any:  # noqa: ANN401
    from restore.history.records.item_records import Opening
    from restore.tables.formats import FORMATS
    from restore.tables.loss_report import LossReport
    from restore.tables.registry import open_tables
    from strongroom.sources import headers_of

    endings = {ending.encode(): name for name, one in FORMATS.items() for ending in one.endings}
    headers, losses = headers_of(context.settings, project.name, None), LossReport()
    return Opening(
        open_tables=lambda file, name, source: open_tables(file, name, losses, headers.of(source)),
        format_of=lambda path: endings.get(path.rpartition(b".")[2].lower(), ""),
        keys=lambda source, path: stated_key(known.ledgers[source], path),
        stop=options.stop,
        progress=options.progress,
    )


def stated_key(ledger: Ledger, path: bytes) -> str:
    """The field that tells the records of an item apart, as its source states it in its newest snapshot; "" where it does not.
    Records of an entity NAME lie in KIND/NAME.jsonl, or KIND/NAME/PERIOD.jsonl."""
    return stated_by(ledger.records[-1].coverage, path)


def stated_by(coverage: Coverage | None, path: bytes) -> str:
    """The same, as a snapshot's coverage states it."""
    below = printable(path).partition("/")[2]
    for entity in coverage.entities if coverage is not None else ():
        if below == f"{entity.name}.jsonl" or (below.startswith(f"{entity.name}/") and below.endswith(".jsonl")):
            return entity.key
    return ""


def _with_content(source: str, ledger: Ledger, versions: Sequence[RecordVersion], last: int) -> Iterator[FoundIn]:
    by_path: dict[bytes, list[RecordVersion]] = {}
    for one in versions:
        if one.found is not None:
            by_path.setdefault(one.path, []).append(one)
    for path, having in by_path.items():
        newest = max(one.last for one in having)
        yield FoundIn(
            path=path,
            source=source,
            where="content",
            key=having[-1].found.key if having[-1].found is not None else "",
            first_seen=ledger.records[min(one.first for one in having)].taken_at,
            last_seen=ledger.records[newest].taken_at,
            missing_since=ledger.records[newest + 1].taken_at if newest < last else None,
            snapshot=ledger.records[newest].id,
        )


def _with_name(known: History, question: Question, record: RecordId) -> Iterator[FoundIn]:
    """Items whose names have the id, with nothing beside it that would make it another one."""
    import re

    import pyarrow.compute as pc
    from msgspec.structs import replace

    from restore.history.find import find
    from vault.format import manifest

    inner = re.escape(record.text).encode("utf-8", "surrogateescape")
    pattern = rb"(?s)(^|[^0-9A-Za-z])" + inner + rb"([^0-9A-Za-z][^/]*)?$"

    def mask(table: Any) -> Any:  # noqa: ANN401 (Arrow's)
        named = pc.and_(pc.match_substring_regex(table["path"], pattern), pc.equal(table["type"], manifest.FILE))
        return named if question.mask is None else pc.and_(named, question.mask(table))

    for row in find(known, replace(question, mask=mask)).to_pylist():
        yield FoundIn(
            path=row["path"],
            source=row["source"],
            where="name",
            key="",
            first_seen=row["first_seen"],
            last_seen=row["last_seen"],
            missing_since=row["missing_since"],
            snapshot=row["snapshot"],
        )


def _not_found(project: Project, record: RecordId, read: dict[str, ItemRecords], damage: Sequence[Problem]) -> NothingFound:
    notices.problems(damage)
    looked = sum(one.items for one in read.values())
    by = f"the key {record.key!r}" if record.key else "a field such as id, key or number"
    return NothingFound(
        f"no version of {counted(looked, 'item')} of project {project.name!r} has a record {record.text!r}",
        hint=f"it was looked for by {by}; name the field that has it with --key FIELD, or look into more items",
    )


def _notice_keys(record: RecordId, known: History, found: Sequence[RecordHistory]) -> None:
    """Say which field was taken for the key, where neither a person nor the source has said so."""
    for one in found:
        if not record.key and stated_key(known.ledgers[one.source], one.events[-1].path) != one.key:
            notices.notice(f"{one.entity}: the key is taken to be {one.key}; --key FIELD names another field")
