"""A small contact centre as a folder: what `strongroom demo` backs up, loses and brings back.

    <client>/reports/hourly/2026-10-25/queues_2026-10-25T14.csv      the last two weeks
    <client>/reports/daily/2026-10/calls_2026-10-25.csv              every call of the day
    <client>/reports/{monthly,quarterly,yearly}/summary_2026-Q3.{csv,xlsx,pdf}
    <client>/tickets/2026-10/tickets_2026-10-25.jsonl                the last 90 days; before them a file a month
    <client>/raw/2026/10/calls_2026-10-25.jsonl                      the call records that every report was made from

The same seed, span and end give the same bytes, names and modification times. `grow` adds one more hour, exactly as
`write_contact_centre` would have written it with a later end.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from msgspec import Struct

from cli.demo.calls import CLIENTS, Call, Client, agents_of, call_lines, calls_of, clock_time, tickets_of
from cli.demo.files import Cell, DemoTable, csv_bytes, pdf_bytes, xlsx_bytes
from vault.errors import TargetError

DEFAULT_SEED = "a small contact centre"
DEFAULT_UNTIL = datetime(2026, 11, 1, 9, tzinfo=UTC)
HOURLY_DAYS = 14
DAILY_TICKET_DAYS = 90
_HOUR = timedelta(hours=1)
_WRITTEN_AFTER = 131_204_511_873  # nanoseconds from the end of what a file is about to its modification time


class Summary(Struct, frozen=True):
    """What was written. `until` is the end of the last hour (UTC): the hour that `grow` would add begins there."""

    files: int
    bytes: int
    clients: tuple[str, ...]
    first_day: date
    until: datetime


class Tally(Struct):
    """What one queue did in one stretch of time. Times are seconds."""

    offered: int = 0
    answered: int = 0
    in_20_s: int = 0
    waited: int = 0
    talked: int = 0
    longest_wait: int = 0

    def count(self, call: Call) -> None:
        """Adds a call."""
        self.offered += 1
        self.waited += call.wait
        self.talked += call.talk
        self.longest_wait = max(self.longest_wait, call.wait)
        if call.agent is not None:
            self.answered += 1
            self.in_20_s += call.wait <= 20

    def merge(self, other: Tally) -> None:
        """Adds another stretch of time."""
        self.offered += other.offered
        self.answered += other.answered
        self.in_20_s += other.in_20_s
        self.waited += other.waited
        self.talked += other.talked
        self.longest_wait = max(self.longest_wait, other.longest_wait)

    def cells(self) -> tuple[Cell, ...]:
        """The figures of a report, in the order of `_FIGURES`."""
        offered, answered = max(1, self.offered), max(1, self.answered)
        return (
            self.offered,
            self.answered,
            self.offered - self.answered,
            round(100 * self.in_20_s / offered, 1),
            round(self.waited / offered, 1),
            round(self.talked / answered, 1),
            self.longest_wait,
        )


_FIGURES = (
    "offered", "answered", "abandoned", "within_20_s_percent", "average_wait_s", "average_talk_s", "longest_wait_s",
)  # fmt: skip
_CALL_COLUMNS = (
    "call_id", "started_at", "caller", "queue_code", "queue", "agent_id", "agent", "wait_s", "talk_s", "disposition",
    "comment",
)  # fmt: skip


class _Writer:
    """Puts files below a root, with the modification time that belongs to them."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.files = 0
        self.bytes = 0

    def put(self, name: str, content: bytes, end: datetime) -> None:
        path = self.root / name
        moment = int(end.timestamp()) * 1_000_000_000 + _WRITTEN_AFTER
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
            os.utime(path, ns=(moment, moment))
        except OSError as error:
            raise TargetError(f"cannot write {path}: {error.strerror}") from error
        self.files += 1
        self.bytes += len(content)


def write_contact_centre(root: Path, *, seed: str = DEFAULT_SEED, years: float = 2, until: datetime = DEFAULT_UNTIL) -> Summary:
    """Writes `years` of history that ends at `until` (aware, cut to the full hour) into `root`.

    `root` must be empty or absent. Two years are about 6,000 files and 95 MB. Raises TargetError.
    """
    if root.exists() and (not root.is_dir() or any(root.iterdir())):
        raise TargetError(f"{root} is not an empty folder", hint="name a folder that does not exist yet")
    end = until.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    first = end.date() - timedelta(days=max(1, round(years * 365.25)))
    writer = _Writer(root)
    for client in CLIENTS:
        _write_client(writer, client, seed, first, end)
    return Summary(writer.files, writer.bytes, tuple(client.name for client in CLIENTS), first, end)


def grow(root: Path, hour: datetime, *, seed: str = DEFAULT_SEED) -> Summary:
    """Adds the hour that begins at `hour` (aware) to a centre written up to then with the same seed.

    A new hourly report appears; the day's calls, tickets and raw records get longer; the last hour of a month, quarter
    or year brings its summaries. Doing it twice changes nothing. Raises TargetError.
    """
    start = hour.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    end, day = start + _HOUR, start.date()
    writer = _Writer(root)
    for client in CLIENTS:
        part = _part_of_day(client, seed, day, end)
        _write_hours(writer, client, part, range(start.hour, start.hour + 1))
        _write_calls(writer, client, part)
        writer.put(_ticket_name(client, day), "".join(part.tickets).encode(), end)
        for since, name, by_day in _summaries_that_end(end.date()) if end.hour == 0 else ():
            days = {past: _tallies(client, calls_of(client, past, seed)) for past in _days(since, end.date())}
            _write_summary(writer, client, name, _summary_table(client, name, days, by_day=by_day), end)
    return Summary(writer.files, writer.bytes, tuple(client.name for client in CLIENTS), day, end)


class _Part(Struct, frozen=True):
    """A client's day up to `end`, which may be the midnight after it. `tickets` are lines."""

    day: date
    end: datetime
    calls: list[Call]
    tickets: list[str]


def _part_of_day(client: Client, seed: str, day: date, end: datetime) -> _Part:
    cutoff = (end - _midnight(day)).total_seconds()
    calls = calls_of(client, day, seed)
    tickets = [ticket.line for ticket in tickets_of(client, day, seed, calls) if ticket.second < cutoff]
    return _Part(day, end, [call for call in calls if call.second < cutoff], tickets)


def _write_client(writer: _Writer, client: Client, seed: str, first: date, end: datetime) -> None:
    tallies: dict[date, dict[int, Tally]] = {}
    month_of_tickets: list[str] = []
    hourly_since = end.date() - timedelta(days=HOURLY_DAYS)
    tickets_since = end.date() - timedelta(days=DAILY_TICKET_DAYS)
    for day in _days(first, (end + timedelta(hours=23)).date()):
        morning = day + timedelta(days=1)
        part = _part_of_day(client, seed, day, min(end, _midnight(morning)))
        tallies[day] = _tallies(client, part.calls)
        if day >= hourly_since:
            _write_hours(writer, client, part, range(int((part.end - _midnight(day)) / _HOUR)))
        _write_calls(writer, client, part)
        if day >= tickets_since:
            writer.put(_ticket_name(client, day), "".join(part.tickets).encode(), part.end)
        else:
            month_of_tickets += part.tickets
            if morning.day == 1 or morning >= tickets_since:
                name = f"{client.name}/tickets/tickets_{day:%Y-%m}.jsonl"
                writer.put(name, "".join(month_of_tickets).encode(), part.end)
                month_of_tickets = []
        for since, name, by_day in _summaries_that_end(morning) if part.end == _midnight(morning) else ():
            days = {past: tallies[past] for past in _days(max(since, first), morning)}
            _write_summary(writer, client, name, _summary_table(client, name, days, by_day=by_day), part.end)


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def _days(first: date, end: date) -> Iterator[date]:
    for ordinal in range(first.toordinal(), end.toordinal()):
        yield date.fromordinal(ordinal)


def _summaries_that_end(morning: date) -> Iterator[tuple[date, str, bool]]:
    """First day, name and whether rows are days (else months) of each summary that is complete on this morning."""
    if morning.day != 1:
        return
    last = morning - timedelta(days=1)
    yield last.replace(day=1), f"monthly/{last:%Y}/summary_{last:%Y-%m}", True
    if last.month % 3 == 0:
        quarter = last.month // 3
        yield last.replace(month=last.month - 2, day=1), f"quarterly/summary_{last.year}-Q{quarter}", True
    if last.month == 12:
        yield last.replace(month=1, day=1), f"yearly/summary_{last.year}", False


def _tallies(client: Client, calls: Iterable[Call]) -> dict[int, Tally]:
    tallies = {queue: Tally() for queue in range(len(client.queues))}
    for call in calls:
        tallies[call.queue].count(call)
    return tallies


def call_table(client: Client, day: date, calls: list[Call]) -> DemoTable:
    """Every call as a row, for people: what the daily report holds."""
    agents: dict[int | None, tuple[str, str]] = {None: ("", ""), **dict(enumerate(agents_of(client)))}
    rows: list[tuple[Cell, ...]] = [
        (
            call.call_id,
            f"{day} {clock_time(call.second)}",
            call.caller,
            *client.queues[call.queue],
            *agents[call.agent],
            call.wait,
            call.talk,
            call.disposition,
            call.comment,
        )
        for call in calls
    ]
    return DemoTable(f"{client.title} {day}", _CALL_COLUMNS, rows)


def _summary_table(client: Client, name: str, days: dict[date, dict[int, Tally]], *, by_day: bool) -> DemoTable:
    merged: dict[date, dict[int, Tally]] = {}
    for day, tallies in days.items():
        row = merged.setdefault(day if by_day else day.replace(day=1), {queue: Tally() for queue in tallies})
        for queue, tally in tallies.items():
            row[queue].merge(tally)
    rows = [(day, *client.queues[queue], *tally.cells()) for day, tallies in merged.items() for queue, tally in tallies.items()]
    title = f"{client.title} {name.rpartition('_')[2]}"
    return DemoTable(title, ("day" if by_day else "month", "queue_code", "queue", *_FIGURES), list(rows))


def _write_hours(writer: _Writer, client: Client, part: _Part, hours: range) -> None:
    calls_by_hour: dict[int, list[Call]] = {hour: [] for hour in hours}
    for call in part.calls:
        if call.second // 3600 in calls_by_hour:
            calls_by_hour[call.second // 3600].append(call)
    for hour, calls in calls_by_hour.items():
        label = f"{part.day} {hour:02d}:00"
        rows = [(label, *client.queues[queue], *tally.cells()) for queue, tally in _tallies(client, calls).items()]
        table = DemoTable(f"{client.title} {label}", ("hour", "queue_code", "queue", *_FIGURES), list(rows))
        name = f"{client.name}/reports/hourly/{part.day}/queues_{part.day}T{hour:02d}.csv"
        writer.put(name, csv_bytes(table), _midnight(part.day) + (hour + 1) * _HOUR)


def _write_calls(writer: _Writer, client: Client, part: _Part) -> None:
    day = part.day
    daily = f"{client.name}/reports/daily/{day:%Y-%m}/calls_{day}.csv"
    writer.put(daily, csv_bytes(call_table(client, day, part.calls)), part.end)
    raw = f"{client.name}/raw/{day:%Y/%m}/calls_{day}.jsonl"
    writer.put(raw, "".join(call_lines(client, day, part.calls)).encode(), part.end)


def _write_summary(writer: _Writer, client: Client, name: str, table: DemoTable, end: datetime) -> None:
    base = f"{client.name}/reports/{name}"
    writer.put(f"{base}.csv", csv_bytes(table), end)
    writer.put(f"{base}.xlsx", xlsx_bytes(table), end)
    writer.put(f"{base}.pdf", pdf_bytes(table), end)


def _ticket_name(client: Client, day: date) -> str:
    return f"{client.name}/tickets/{day:%Y-%m}/tickets_{day}.jsonl"
