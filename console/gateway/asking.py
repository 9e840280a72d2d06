"""Questions in SQL to the tables of a project, of which whoever asks sees those that they may; bounded in time and rows.

Masks of previews do not hold here: SQL makes new columns out of old ones. Whoever shall not see one is not given the action.
"""

from __future__ import annotations

import io
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Literal

from msgspec import Struct

from console.access.rights import Action, Scope
from console.errors import NotThere, TooLarge
from console.gateway import checks
from console.gateway.scoped import within
from console.questions.records import LONGEST_SQL, Question, Questions, chosen
from console.visit import Visit
from strongroom.query import ProjectTables, TableInfo, open_tables
from strongroom.selection import SelectionOptions
from vault.errors import NothingFound, TargetError, UsageError

if TYPE_CHECKING:
    import pyarrow as pa
    from _typeshed import ReadableBuffer

__all__ = [
    "Answer",
    "Asked",
    "TableInfo",
    "answer",
    "answer_file",
    "can_ask",
    "keep",
    "question",
    "questions",
    "remove",
    "tables",
]

MOST_ROWS = 500
LONGEST_CELL = 400
LARGEST_FILE = 512 << 20
SECONDS = 60.0
"""For one question."""

WAIT = 20.0
"""Seconds that a question waits for others to end."""


class Answer(Struct, frozen=True):
    """What came of a question. columns: (name, whether they are numbers) · rows: texts; None for an empty cell · more: whether
    there are more rows than are shown · problems: what could not be read."""

    columns: tuple[tuple[str, bool], ...]
    rows: tuple[tuple[str | None, ...], ...]
    more: bool
    problems: tuple[str, ...]


class Asked(Struct, frozen=True):
    """A question, as a form has it. at: a moment; "" for now · sheets: names of sheets, apart by commas."""

    sql: str
    at: str = ""
    sheets: str = ""

    @property
    def sheet_names(self) -> tuple[str, ...]:
        """One by one."""
        return tuple(one.strip() for one in self.sheets[:1000].split(",") if one.strip())


def tables(visit: Visit, project: str, asked: Asked) -> list[TableInfo]:
    """Which tables there are for whoever asks, with their columns. Raises as `answer`."""
    try:
        with _opened(visit, project, asked, Action.ASK) as found:
            return found.describe(broken=lambda _name, _error: None)  # it is listed without columns
    except NotThere:
        raise
    except NothingFound:
        return []


def answer(visit: Visit, project: str, asked: Asked) -> Answer:
    """The answer to one SELECT. Raises `NotThere`, `NotAllowed`, `UsageError` with DuckDB's words, `NothingFound` where there
    is no table, `TooLarge` where it takes too long, `Busy`, `KeyRefused`, `Damaged`, `StorageError`."""
    with _opened(visit, project, asked, Action.ASK) as found:
        result = found.read(_sql(asked), most=MOST_ROWS)
    numbers = [_is_number(field.type) for field in result.rows.schema]
    names = [field.name for field in result.rows.schema]
    rows = tuple(tuple(_text(cell) for cell in row) for row in result.cells())
    return Answer(tuple(zip(names, numbers, strict=True)), rows, result.more, tuple(one.message for one in result.problems))


def answer_file(visit: Visit, project: str, asked: Asked, format_: Literal["csv", "xlsx"]) -> BinaryIO:
    """All rows, as a file for people, in which no cell is a formula. Raises as `answer`, `TargetError`."""
    with tempfile.TemporaryDirectory(prefix="strongroom-answer-") as folder:
        file = Path(folder) / "answer"
        with _opened(visit, project, asked, Action.ASK, Action.DOWNLOAD) as found:
            found.write(_sql(asked), format_, lambda: _written(file), again=True, for_people=True)
        return file.open("rb")


def questions(visit: Visit, project: str) -> tuple[Question, ...]:
    """Those that whoever asks may use. Raises `NotThere`, `NotAllowed`."""
    checks.allowed(visit, Action.ASK, project)
    return Questions(visit.console.state).seen(visit.person.name, project)


def can_ask(visit: Visit, project: str) -> bool:
    """Whether this console can answer any. Raises as `questions`."""
    checks.allowed(visit, Action.ASK, project)
    return checks.reads_content(visit, project)


def question(visit: Visit, project: str, id_: str) -> Question | None:
    """One of them. Raises as `questions`."""
    return chosen(questions(visit, project), id_)


def keep(visit: Visit, project: str, asked: Asked, title: str, *, shared: bool) -> Question:
    """Keep a question. Raises `NotThere`, `NotAllowed`, `UsageError`."""
    checks.allowed(visit, Action.ASK, project)
    id_ = visit.console.randomness.token(12).hex()
    kept = Question(id_, visit.person.name, project, " ".join(title.split()), asked.sql, asked.at[:100], shared, visit.now)
    Questions(visit.console.state).keep(kept)
    return kept


def remove(visit: Visit, project: str, id_: str) -> None:
    """Remove one's own. Raises `NotThere`, `NotAllowed`."""
    checks.allowed(visit, Action.ASK, project)
    Questions(visit.console.state).remove(id_, visit.person.name, project)


@contextmanager
def _opened(visit: Visit, project: str, asked: Asked, *actions: Action) -> Iterator[ProjectTables]:
    """The tables in which whoever asks may do all of this, for a while."""
    scopes = [checks.allowed(visit, one, project) for one in actions]
    with visit.console.asking.taken(visit.person.name, WAIT), checks.opened_content(visit, project) as (repository, opened):
        context = repository.context
        query = SelectionOptions(at=asked.at[:100] or None).query(context, opened.stored)
        made = open_tables(context, opened.stored, query, sheets=asked.sheet_names, only=lambda table: _within(table, scopes))
        with made as found, _in_time(found):
            yield found


def _within(table: pa.Table, scopes: list[Scope]) -> pa.Table:
    for one in scopes:
        table = within(table, one)
    return table


@contextmanager
def _in_time(found: ProjectTables) -> Iterator[None]:
    """Raises `TooLarge` where the time is over."""
    over = threading.Event()

    def end() -> None:
        over.set()
        found.interrupt()

    timer = threading.Timer(SECONDS, end)
    timer.daemon = True
    timer.start()
    try:
        yield
    except UsageError as error:
        if over.is_set():
            raise TooLarge("the question takes too long", hint="narrow it down, or use `strongroom query`") from error
        raise
    finally:
        timer.cancel()


def _sql(asked: Asked) -> str:
    if not asked.sql.strip() or len(asked.sql) > LONGEST_SQL:
        raise UsageError("there is no question, or a very long one", hint="write one SELECT")
    return asked.sql


def _is_number(type_: pa.DataType) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_integer(type_) or pa.types.is_floating(type_) or pa.types.is_decimal(type_))


def _text(cell: object) -> str | None:
    if cell is None:
        return None
    text = cell if isinstance(cell, str) else str(cell)
    return text if len(text) <= LONGEST_CELL else f"{text[:LONGEST_CELL]}…"


class _BoundedFile(io.FileIO):
    """A file that an answer may fill up to a size."""

    def write(self, data: ReadableBuffer, /) -> int:
        """Raises `TooLarge`, OSError."""
        if self.tell() + memoryview(data).nbytes > LARGEST_FILE:
            raise TooLarge("the answer is too large for a download", hint="narrow it down, or use `strongroom query`")
        return super().write(data)


@contextmanager
def _written(file: Path) -> Iterator[BinaryIO]:
    """Raises `TargetError` where it cannot be written."""
    try:
        with io.BufferedRandom(_BoundedFile(file, "w+b")) as out:
            yield out
    except OSError as error:
        raise TargetError(f"there is no room for the answer: {error.strerror}", hint="free some room") from error
