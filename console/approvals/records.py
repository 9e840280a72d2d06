"""Requests for a second person's approval, as values, and where they are written down.

open -> approved -> used        somebody else has approved it, and it was done
open -> refused | withdrawn
open | approved -> expired      nobody decided in time, or nobody did it in time
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Literal

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from console.access.rights import Action, Scope
from console.errors import NotThere

if TYPE_CHECKING:
    from collections.abc import Sequence

    from console.state import ConsoleState

AREA = "approvals"
TABLES = (
    """CREATE TABLE approval (
        id TEXT PRIMARY KEY, person TEXT NOT NULL, project TEXT NOT NULL, state TEXT NOT NULL, asked TEXT NOT NULL,
        expires TEXT NOT NULL, document BLOB NOT NULL)""",
    "CREATE INDEX approval_by_state ON approval (state, asked)",
)

KEPT = timedelta(days=400)
"""For so long a request that is over can be looked at; the log of the repository keeps it for ever."""

State = Literal["open", "approved", "refused", "withdrawn", "expired", "used"]


class Request(Struct, frozen=True):
    """What somebody asks a second person for.

    id: nobody can guess it · person: who asks · action, project, scope: what for; project "": all of every project · what: the
    very thing, in words and numbers, which is compared when it is done · reason: theirs · task: that waits for it; "" for
    none · expires: when it is over if nothing happens · decided_by, decided, note: who decided, when, and their words
    """

    id: str
    person: str
    project: str
    action: Action
    scope: Scope
    what: dict[str, str | int | list[str]]
    reason: str
    asked: datetime
    expires: datetime
    task: str = ""
    state: State = "open"
    decided_by: str = ""
    decided: datetime | None = None
    note: str = ""

    def now(self, moment: datetime) -> Request:
        """As it is at a moment: what is late has expired."""
        return replace(self, state="expired") if self.state in ("open", "approved") and moment >= self.expires else self


class Requests:
    """Where they are written down."""

    def __init__(self, state: ConsoleState) -> None:
        self._state = state

    def add(self, request: Request) -> None:
        """Write a new one down."""
        with self._state.transaction() as database:
            database.execute("DELETE FROM approval WHERE expires < ?", ((request.asked - KEPT).isoformat(),))
            database.execute(
                "INSERT INTO approval VALUES (?, ?, ?, ?, ?, ?, ?)",
                (
                    *(request.id, request.person, request.project, request.state),
                    *(request.asked.isoformat(), request.expires.isoformat(), msgspec.json.encode(request)),
                ),
            )

    def get(self, request: str, now: datetime) -> Request:
        """One, as it is at a moment. Raises `NotThere`."""
        with self._state.reading() as database:
            row = database.execute("SELECT document FROM approval WHERE id = ?", (request,)).fetchone()
        if row is None:
            raise NotThere("there is no such request", hint="see the list of requests")
        return msgspec.json.decode(row["document"], type=Request).now(now)

    def newest(self, now: datetime, most: int = 200) -> tuple[Request, ...]:
        """The newest ones, as they are at a moment."""
        with self._state.reading() as database:
            rows = database.execute("SELECT document FROM approval ORDER BY asked DESC, id LIMIT ?", (most,)).fetchall()
        return tuple(msgspec.json.decode(row["document"], type=Request).now(now) for row in rows)

    def of_action(self, person: str, project: str, action: Action, now: datetime) -> tuple[Request, ...]:
        """Somebody's for an action in a project, the newest first."""
        with self._state.reading() as database:
            rows = database.execute(
                "SELECT document FROM approval WHERE person = ? AND project = ? ORDER BY asked DESC", (person, project)
            ).fetchall()
        found = (msgspec.json.decode(row["document"], type=Request).now(now) for row in rows)
        return tuple(one for one in found if one.action == action)

    def late(self, now: datetime) -> tuple[Request, ...]:
        """Those that are over by now, and are not written down as that."""
        with self._state.reading() as database:
            rows = database.execute(
                "SELECT document FROM approval WHERE state IN ('open', 'approved') AND expires <= ?", (now.isoformat(),)
            ).fetchall()
        found = (msgspec.json.decode(row["document"], type=Request) for row in rows)
        return tuple(one for one in found if one.expires <= now)

    def change(self, request: Request, *, only_in: Sequence[State]) -> bool:
        """Write down what became of it, if it is in one of these states; gives whether it was."""
        with self._state.transaction() as database:
            row = database.execute("SELECT state FROM approval WHERE id = ?", (request.id,)).fetchone()
            if row is None or row["state"] not in only_in:
                return False
            database.execute(
                "UPDATE approval SET state = ?, expires = ?, document = ? WHERE id = ?",
                (request.state, request.expires.isoformat(), msgspec.json.encode(request), request.id),
            )
            return True
