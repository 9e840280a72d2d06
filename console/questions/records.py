"""Questions that somebody has kept for a project: their own, and those that they share with whoever may ask there."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from msgspec import Struct

from console.errors import NotThere
from vault.errors import UsageError

if TYPE_CHECKING:
    import sqlite3

    from console.state import ConsoleState

AREA = "questions"
TABLES = (
    """CREATE TABLE question (
        id TEXT PRIMARY KEY, person TEXT NOT NULL, project TEXT NOT NULL, title TEXT NOT NULL, sql TEXT NOT NULL,
        at TEXT NOT NULL, shared INTEGER NOT NULL, kept TEXT NOT NULL)""",
    "CREATE INDEX question_by_project ON question (project, title)",
)
MOST = 200
"""That one person keeps in one project."""

LONGEST_SQL = 20_000
LONGEST_TITLE = 200


class Question(Struct, frozen=True):
    """A question. id: nobody can guess it · person: whose it is · at: the moment that it is about, as people write it; "" for
    now · shared: with whoever may ask in the project."""

    id: str
    person: str
    project: str
    title: str
    sql: str
    at: str
    shared: bool
    kept: datetime


class Questions:
    """Where they are written down."""

    def __init__(self, state: ConsoleState) -> None:
        self._state = state

    def seen(self, person: str, project: str) -> tuple[Question, ...]:
        """Those of a project that somebody may use, by title."""
        with self._state.reading() as database:
            rows = database.execute(
                "SELECT * FROM question WHERE project = ? AND (person = ? OR shared) ORDER BY title, id LIMIT 1000",
                (project, person),
            ).fetchall()
        return tuple(map(_question, rows))

    def keep(self, question: Question) -> None:
        """Write one down. Raises `UsageError` where there are too many, or it is too long."""
        if not question.title or len(question.title) > LONGEST_TITLE or len(question.sql) > LONGEST_SQL:
            raise UsageError("a question needs a title, and neither may be too long", hint="give it a short title")
        with self._state.transaction() as database:
            (count,) = database.execute(
                "SELECT count(*) FROM question WHERE person = ? AND project = ?", (question.person, question.project)
            ).fetchone()
            if count >= MOST:
                raise UsageError("you keep too many questions here already", hint="remove some of them first")
            database.execute(
                "INSERT INTO question VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    *(question.id, question.person, question.project, question.title, question.sql, question.at),
                    *(int(question.shared), question.kept.isoformat()),
                ),
            )

    def remove(self, question: str, person: str, project: str) -> None:
        """Remove one's own. Raises `NotThere`."""
        with self._state.transaction() as database:
            gone = database.execute(
                "DELETE FROM question WHERE id = ? AND person = ? AND project = ?", (question, person, project)
            )
            if not gone.rowcount:
                raise NotThere("you keep no such question", hint="see the list of questions")


def chosen(questions: Sequence[Question], question: str) -> Question | None:
    """One by its id."""
    return next((one for one in questions if one.id == question), None)


def _question(row: sqlite3.Row) -> Question:
    return Question(
        row["id"],
        row["person"],
        row["project"],
        row["title"],
        row["sql"],
        row["at"],
        bool(row["shared"]),
        datetime.fromisoformat(row["kept"]),
    )
