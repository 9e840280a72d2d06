"""Tasks as values, and where they are written down. What a task does is to get a basket back, or its `work`.

    asked -> queued -> running -> done | partly | failed | cancelled       a restore; `asked` where a second person must approve
    asked -> ready -> running -> done | partly | ready                     a download, which can be fetched as long as it stands
    asked -> waiting -> running -> done | partly | failed | cancelled      a restore that a host carries out
                                -> confirm -> asked | waiting              it would replace what nobody has confirmed
    queued -> running -> done | partly | failed | cancelled                other work: an export, a bag, erasing

A task that ran when the console was killed is `queued` again when it starts, or `ready`: restores go on where they were. One
that a host carries out goes on there (see `console.hosts`).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

import msgspec
from msgspec import Struct, field
from msgspec.structs import replace

from console.access.rights import Action, Scope
from console.basket import Entry
from console.errors import NotThere, TooLarge
from console.return_options import ReturnOptions

if TYPE_CHECKING:
    import sqlite3

    from console.state import ConsoleState

AREA = "tasks"
TABLES = (
    """CREATE TABLE task (
        id TEXT PRIMARY KEY, person TEXT NOT NULL, project TEXT NOT NULL, goal TEXT NOT NULL, state TEXT NOT NULL,
        created TEXT NOT NULL, due TEXT NOT NULL, ended TEXT NOT NULL, seen INTEGER NOT NULL, document BLOB NOT NULL)""",
    "CREATE INDEX task_of_person ON task (person, created)",
    "CREATE INDEX task_by_state ON task (state, due)",
    """CREATE TABLE download_key (one INTEGER PRIMARY KEY CHECK (one = 1), value BLOB NOT NULL)""",
)

KEPT = timedelta(days=90)
"""For so long a task that is over can be looked at."""

PROBLEMS_KEPT = 200

State = Literal["asked", "queued", "waiting", "confirm", "ready", "running", "done", "partly", "failed", "cancelled", "refused"]
UNFINISHED: tuple[State, ...] = ("asked", "queued", "waiting", "confirm", "running")
OVER: tuple[State, ...] = ("done", "partly", "failed", "cancelled", "refused")


class Trouble(Struct, frozen=True):
    """An item that something is wrong with. path: for people · what: a word for programs · message: in words."""

    path: str
    what: str
    message: str


class BagVerdict(Struct, frozen=True):
    """What the verification of a bag came to. sound: nothing is wrong · files, bytes: that are what the manifest says · signed:
    whether a signature is right · signer: whose it is; "" where nobody here knows · compared, converted: files, and originals
    of tables, whose content is that of a snapshot · snapshots_asked: whether they were compared at all · findings: how many
    things are wrong."""

    sound: bool
    files: int = 0
    bytes: int = 0
    signed: bool = False
    signer: str = ""
    stamped_at: datetime | None = None
    stamp_verified: bool = False
    compared: int = 0
    converted: int = 0
    snapshots_asked: bool = False
    findings: int = 0


class ExportWork(Struct, frozen=True, tag="export"):
    """Items with proof, as a signed bag. The fields are those of a `strongroom.selection.SelectionOptions`, and of the tables
    that are converted · reason: for the report."""

    kinds: tuple[str, ...] = ()
    periods: tuple[str, ...] = ()
    formats: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    overlapping: bool = False
    at: str = ""
    deleted: bool = False
    versions: int | None = 1
    table_format: str = ""
    people: bool = False
    reason: str = ""


class BagWork(Struct, frozen=True, tag="bag"):
    """The verification of a bag. name: of it · folder: of the settings in which it lies, by its name there; "" for one that was
    brought, which lies in the task's own folder · sha256: of what was brought."""

    name: str
    folder: str = ""
    sha256: str = ""


class ErasureWork(Struct, frozen=True, tag="erasure"):
    """The erasing of a project. reason: as it was asked for, where one person is enough."""

    reason: str = ""


Work = ExportWork | BagWork | ErasureWork


class Outcome(Struct, frozen=True):
    """What a task has done. files, bytes: that were written · already_there: were right already · problems: of single items, in
    all · troubles: the first of them · where: the place · verified: files that were read again; None where nobody asked
    · bag: what its verification came to."""

    files: int = 0
    bytes: int = 0
    already_there: int = 0
    problems: int = 0
    troubles: tuple[Trouble, ...] = ()
    where: str = ""
    verified: int | None = None
    bag: BagVerdict | None = None


class FoundPlan(Struct, frozen=True):
    """What a host found that it would do. files, size: that it would write · replacing: that exist, and would be replaced ·
    kept_newer, skipped, beside: that exist and stay · already_there: right already · where: the place · names: of the first of
    those that would be replaced."""

    files: int = 0
    size: int = 0
    replacing: int = 0
    kept_newer: int = 0
    skipped: int = 0
    beside: int = 0
    already_there: int = 0
    where: str = ""
    names: tuple[str, ...] = ()


class Task(Struct, frozen=True):
    """Work that somebody asked for.

    id: nobody can guess it · action: that it is · scope: what the person might do it with when they asked · entries: of the
    basket · name: of a download, for the file · files, size: as the plan said · state: see this module's text · due: not before
    then · attempts: how often it was begun · error, hint: why it failed · approved_by: a second person ·
    hosted: a host carries it out, as this console cannot read content · host: which one does, or did · found: what that one
    would do · ending: its person wants it to end · work: what it does where that is not to get the basket back
    """

    id: str
    person: str
    project: str
    action: Action
    scope: Scope
    options: ReturnOptions
    entries: tuple[Entry, ...]
    created: datetime
    due: datetime
    state: State = "queued"
    name: str = ""
    files: int = 0
    size: int = 0
    attempts: int = 0
    ended: datetime | None = None
    error: str = ""
    hint: str = ""
    approved_by: str = ""
    outcome: Outcome = field(default_factory=Outcome)
    hosted: bool = False
    host: str = ""
    found: FoundPlan | None = None
    ending: bool = False
    work: Work | None = None

    @property
    def kind(self) -> str:
        """What it does: a goal of getting back, `export`, `bag` or `erasure`."""
        match self.work:
            case None:
                return self.options.goal
            case ExportWork():
                return "export"
            case BagWork():
                return "bag"
            case ErasureWork():
                return "erasure"

    @property
    def is_over(self) -> bool:
        """Whether nothing more will happen."""
        return self.state in OVER

    @property
    def is_download(self) -> bool:
        """Whether it goes to a browser."""
        return self.work is None and self.options.goal == "download"


class Tasks:
    """Where they are written down."""

    def __init__(self, state: ConsoleState) -> None:
        self._state = state

    def add(self, task: Task, most: int) -> None:
        """Write a new one down. most: that one person may have that are not over. Raises `TooLarge`."""
        with self._state.transaction() as database:
            marks = ",".join("?" * len(UNFINISHED))
            query = f"SELECT count(*) FROM task WHERE person = ? AND state IN ({marks})"  # noqa: S608 (question marks)
            (unfinished,) = database.execute(query, (task.person, *UNFINISHED)).fetchone()
            if unfinished >= most and task.state in UNFINISHED:
                raise TooLarge("too many of your tasks are not finished yet", hint="wait for one of them, or cancel it")
            database.execute("DELETE FROM task WHERE ended <> '' AND ended < ?", (_written(task.created - KEPT),))
            database.execute("INSERT INTO task VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", _row(task))

    def get(self, task: str, person: str | None = None) -> Task:
        """One. person: whose it must be. Raises `NotThere`."""
        with self._state.reading() as database:
            row = database.execute("SELECT document FROM task WHERE id = ?", (task,)).fetchone()
        found = None if row is None else _read(row)
        if found is None or person not in (None, found.person):
            raise NotThere("there is no such task", hint="see the list of your tasks")
        return found

    def of_person(self, person: str, most: int = 50) -> tuple[Task, ...]:
        """Somebody's, the newest first."""
        with self._state.reading() as database:
            rows = database.execute(
                "SELECT document FROM task WHERE person = ? ORDER BY created DESC, id LIMIT ?", (person, most)
            ).fetchall()
        return tuple(_read(row) for row in rows)

    def unseen(self, person: str) -> int:
        """How many are over that they have not looked at since."""
        with self._state.reading() as database:
            row = database.execute(
                "SELECT count(*) FROM task WHERE person = ? AND ended <> '' AND seen = 0", (person,)
            ).fetchone()
        return int(row[0])

    def look(self, task: str) -> None:
        """Its person has seen what became of it."""
        with self._state.transaction() as database:
            database.execute("UPDATE task SET seen = 1 WHERE id = ? AND ended <> ''", (task,))

    def change(self, task: Task, *, unless: Sequence[State] = ()) -> bool:
        """Write down what became of it. unless: it is in one of these states by now. Gives whether it was written."""
        with self._state.transaction() as database:
            row = database.execute("SELECT state FROM task WHERE id = ?", (task.id,)).fetchone()
            if row is None or row["state"] in unless:
                return False
            *values, document = _row(task)[4:]
            database.execute(
                "UPDATE task SET state = ?, created = ?, due = ?, ended = ?, seen = ?, document = ? WHERE id = ?",
                (*values, document, task.id),
            )
            return True

    def take(self, now: datetime) -> Task | None:
        """The next restore that is due, as one that runs now. People take turns: whoever has fewest running comes first."""
        with self._state.transaction() as database:
            row = database.execute(
                """SELECT document FROM task WHERE state = 'queued' AND due <= ? ORDER BY
                (SELECT count(*) FROM task AS other WHERE other.person = task.person AND other.state = 'running'), created, id
                LIMIT 1""",
                (_written(now),),
            ).fetchone()
            if row is None:
                return None
            found = _read(row)
            taken = replace(found, state="running", attempts=found.attempts + 1)
            self.change(taken)
            return taken

    def revive(self) -> int:
        """What ran here when the console ended goes on: gives how many restores do."""
        with self._state.transaction() as database:
            found = [_read(row) for row in database.execute("SELECT document FROM task WHERE state = 'running'").fetchall()]
            found = [one for one in found if not one.hosted]
            for one in found:
                self.change(replace(one, state="ready" if one.is_download else "queued"))
        return sum(not one.is_download for one in found)

    def key(self, made: bytes) -> bytes:
        """The key by which addresses of downloads are signed. made: a new one, for the first time."""
        with self._state.transaction() as database:
            database.execute("INSERT OR IGNORE INTO download_key VALUES (1, ?)", (made,))
            return bytes(database.execute("SELECT value FROM download_key").fetchone()[0])


def begun_anew(task: Task) -> State:
    """In which state a task is that may begin."""
    return "ready" if task.is_download else "waiting" if task.hosted else "queued"


def _written(moment: datetime | None) -> str:
    return "" if moment is None else moment.isoformat()


def _row(task: Task) -> tuple[Any, ...]:
    facts = (task.id, task.person, task.project, task.kind, task.state)
    return (*facts, _written(task.created), _written(task.due), _written(task.ended), 0, msgspec.json.encode(task))


def _read(row: sqlite3.Row) -> Task:
    return msgspec.json.decode(row["document"], type=Task)
