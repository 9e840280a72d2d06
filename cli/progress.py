"""Progress of long work on standard error: a line that is drawn anew on a terminal, now and then a plain line where there is
none, JSON Lines for programs, or nothing.

bar     a line with a bar, as long as the work lasts
plain   a sentence every `HEARTBEAT` seconds: a log shows that the work goes on, and short work says nothing
json    a document a line, of the schema strongroom.progress/1: at each phase's beginning, every second, and at the end
none    nothing
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from enum import StrEnum
from typing import IO, TYPE_CHECKING, Any, Protocol, cast

from msgspec import Struct

from cli import output
from strongroom import environment, notices, schemas
from vault import wording
from vault.clock import Clock, SystemClock
from vault.errors import UsageError
from vault.progress import NoProgress, Progress
from vault.wording import counted

if TYPE_CHECKING:
    from rich.progress import Progress as Bar
    from rich.progress import TaskID

HEARTBEAT = 30.0
"""Seconds between two plain lines, and before the first one."""

JSON_EVERY = 1.0
"""Seconds between two JSON documents."""

REDRAW_EVERY = 0.1
VARIABLE = environment.PROGRESS
MEASURED_AFTER = 1.0
"""Seconds of a phase before which nobody can say how fast it is."""


class ProgressStyle(StrEnum):
    """How progress is shown."""

    BAR = "bar"
    PLAIN = "plain"
    JSON = "json"
    NONE = "none"


class ShownProgress(Progress, Protocol):
    """A listener that shows what it hears."""

    def pause(self) -> None:
        """Until the next phase nothing is drawn: something is to be said."""
        ...


class _Nothing(NoProgress):
    """Shows nothing."""

    def pause(self) -> None:
        """Nothing."""


class Phase(Struct):
    """How far a phase has come. items_total, bytes_total: 0 where nobody knows · began: of the monotonic clock."""

    project: str
    name: str
    began: float
    items_total: int = 0
    bytes_total: int = 0
    items: int = 0
    bytes: int = 0

    def rate(self, now: float) -> float | None:
        """Bytes in a second; None where that is not known yet."""
        passed = now - self.began
        return self.bytes / passed if self.bytes and passed >= MEASURED_AFTER else None

    def seconds_left(self, now: float) -> float | None:
        """By the bytes, or by the items where no bytes are counted; None where nobody can say."""
        done, total = (self.bytes, self.bytes_total) if self.bytes_total else (self.items, self.items_total)
        passed = now - self.began
        if not done or done > total or passed < MEASURED_AFTER:
            return None
        return passed * (total - done) / done

    def numbers(self, now: float) -> str:
        """As `120 of 1 000 items, 1.2 GiB of 4.0 GiB, 85.3 MiB/s, about 34 s left`."""
        parts = []
        if self.items or self.items_total:
            of = f"{self.items:,} of ".replace(",", " ") if self.items_total else ""
            parts.append(of + counted(self.items_total or self.items, "item"))
        if self.bytes or self.bytes_total:
            of = f"{wording.size(self.bytes)} of " if self.bytes_total else ""
            parts.append(of + wording.size(self.bytes_total or self.bytes))
        rate, left = self.rate(now), self.seconds_left(now)
        parts += [f"{wording.size(rate)}/s"] if rate is not None else []
        parts += [f"about {wording.duration(left)} left"] if left is not None else []
        return ", ".join(parts)

    def as_json(self, now: float, at: datetime) -> dict[str, Any]:
        """A document of the schema strongroom.progress/1."""
        rate, left = self.rate(now), self.seconds_left(now)
        return {
            "schema": schemas.identifier("progress/1"),
            "at": at.isoformat(),
            "project": self.project,
            "phase": self.name,
            "items": self.items,
            "items_total": self.items_total or None,
            "bytes": self.bytes,
            "bytes_total": self.bytes_total or None,
            "seconds": round(now - self.began, 3),
            "bytes_per_second": None if rate is None else round(rate),
            "seconds_left": None if left is None else round(left, 1),
        }


def style(*, quiet: bool, as_json: bool) -> ProgressStyle:
    """What was asked for, else what fits: a bar on a terminal, plain lines elsewhere, nothing beside a JSON document. Raises
    `UsageError` where the variable has another word."""
    named = environment.variable(VARIABLE)
    if named is not None and named not in list(ProgressStyle):
        known = ", ".join(one.value for one in ProgressStyle)
        raise UsageError(f"unknown style {named!r} of progress in {VARIABLE}", hint=f"known styles: {known}")
    if quiet:
        return ProgressStyle.NONE
    if named is not None:
        return ProgressStyle(named)
    if as_json:
        return ProgressStyle.NONE
    return ProgressStyle.BAR if environment.shows_progress() else ProgressStyle.PLAIN


@contextmanager
def shown(*, quiet: bool, project: str, as_json: bool = False) -> Iterator[ShownProgress]:
    """A listener that shows how far the work of the block has come, from its first phase on. project: whose work it is, to be
    named: a run may cover several · as_json: a document is asked for, beside which nothing is shown unless it is asked for.
    Raises `UsageError`."""
    wanted = style(quiet=quiet, as_json=as_json)
    if wanted is ProgressStyle.NONE:
        yield _Logged(_Nothing(), project)
        return
    drawn = (
        _drawn(project)
        if wanted is ProgressStyle.BAR
        else _LineReporter(project, _LINES[wanted], _EVERY[wanted](), whole=wanted is ProgressStyle.JSON)
    )
    try:
        yield _Logged(drawn, project)
    finally:
        drawn.close()


@contextmanager
def phase(name: str, *, project: str, quiet: bool = False, as_json: bool = False) -> Iterator[None]:
    """The block is one phase, of which only is known that it goes on. The rest: as of `shown`."""
    with shown(quiet=quiet, project=project, as_json=as_json) as listener:
        listener.phase(name)
        yield


class _Logged(notices.LoggedPhases):
    """Says in the log which phase begins."""

    def __init__(self, inner: ShownProgress, project: str) -> None:
        super().__init__(inner, project)
        self.pause = inner.pause


class _LineReporter:
    """Says now and then how far the work has come. A thread of its own does that: the work may be in one long call. whole: each
    phase is said, and the end."""

    def __init__(self, project: str, line: Callable[[Phase, Clock], str], every: float, *, whole: bool) -> None:
        self._project, self._line, self._every, self._whole = project, line, every, whole
        self._clock = SystemClock()
        self._phase: Phase | None = None
        self._over = threading.Event()
        self._thread: threading.Thread | None = None

    def phase(self, name: str, *, items: int = 0, size: int = 0) -> None:
        """The numbers begin anew."""
        self._phase = Phase(self._project, name, self._clock.monotonic(), items, size)
        if self._whole:
            self._say()
        if self._thread is None:
            thread = threading.Thread(target=self._run, name="progress", daemon=True)
            with suppress(RuntimeError, MemoryError):  # no thread is to be had: the work goes on, and says nothing meanwhile
                thread.start()
                self._thread = thread

    def advance(self, *, items: int = 0, size: int = 0) -> None:
        """Counts."""
        if self._phase is not None:
            self._phase.items += items
            self._phase.bytes += size

    def pause(self) -> None:
        """Nothing: its lines are whole."""

    def close(self) -> None:
        """No further line."""
        self._over.set()
        if self._thread is not None:
            self._thread.join()
        if self._whole:
            self._say()

    def _run(self) -> None:
        while not self._over.wait(self._every):
            self._say()

    def _say(self) -> None:
        if self._phase is not None:
            screen = output.Screen()
            screen.write(f"{self._line(self._phase, self._clock)}\n")
            screen.flush()


def _sentence(phase: Phase, clock: Clock) -> str:
    now = clock.monotonic()
    numbers = phase.numbers(now) or f"{wording.duration(now - phase.began)} so far"
    return f"{phase.project}: {phase.name}: {numbers}"


def _document(phase: Phase, clock: Clock) -> str:
    return json.dumps(phase.as_json(clock.monotonic(), clock.now()), ensure_ascii=False)


_LINES = {ProgressStyle.PLAIN: _sentence, ProgressStyle.JSON: _document}
_EVERY = {ProgressStyle.PLAIN: lambda: HEARTBEAT, ProgressStyle.JSON: lambda: JSON_EVERY}


def _drawn(project: str) -> _Drawn:
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn
    from rich.progress import Progress as RichProgress

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=24),
        TextColumn("{task.fields[numbers]}", markup=False),
    )
    return _Drawn(RichProgress(*columns, console=Console(file=cast("IO[str]", output.Screen())), transient=True), project)


class _Drawn:
    """Feeds a rich progress line. Nothing is drawn before the first phase: until then a person may be asked something."""

    def __init__(self, bar: Bar, project: str) -> None:
        self._bar = bar
        self._project = project
        self._clock = SystemClock()
        self._task: TaskID | None = None
        self._phase: Phase | None = None
        self._redrawn = 0.0

    def phase(self, name: str, *, items: int = 0, size: int = 0) -> None:
        """The line of the part before goes."""
        if self._task is None:
            self._bar.start()
        else:
            self._bar.remove_task(self._task)
        now = self._clock.monotonic()
        self._phase = Phase(self._project, name, now, items, size)
        numbers = self._phase.numbers(now)
        self._task = self._bar.add_task(f"{self._project}: {name}", total=size or items or None, numbers=numbers)

    def advance(self, *, items: int = 0, size: int = 0) -> None:
        """Moves the line."""
        if self._task is None or self._phase is None:
            return
        self._phase.items += items
        self._phase.bytes += size
        now = self._clock.monotonic()
        if now - self._redrawn >= REDRAW_EVERY:
            self._redrawn = now
            done = self._phase.bytes if self._phase.bytes_total else self._phase.items
            self._bar.update(self._task, completed=done, numbers=self._phase.numbers(now))

    def pause(self) -> None:
        """The line goes, and comes back with the next phase."""
        if self._task is not None:
            self._bar.remove_task(self._task)
            self._bar.stop()
            self._task = None

    def close(self) -> None:
        """The line goes."""
        self.pause()
