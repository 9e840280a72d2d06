"""Sessions: what a cookie stands for. Each ends by its age, by nobody using it, or because somebody ends it."""

from __future__ import annotations

import json
import sqlite3
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Literal

from msgspec import Struct

from console.accounts.account_log import SIGN_IN, acting_as
from console.accounts.tables import digest, words

if TYPE_CHECKING:
    from collections.abc import Callable

    from console.accounts.account_log import AccountLog
    from console.state import ConsoleState
    from vault.clock import Clock
    from vault.randomness import Randomness

SIZE = 32
NOTED_EVERY = 60.0
"""Seconds: so exactly is known when a session was used last."""
MOST = 50
"""Sessions of one person; the oldest ends."""
LONGEST_AGENT = 200

Way = Literal["local", "openid", "proxy"]


class Identity(Struct, frozen=True):
    """Somebody for whom one of the ways vouches. groups: as that says."""

    name: str
    title: str
    groups: frozenset[str]
    way: Way


class Session(Struct, frozen=True):
    """One that holds. id: under which it is stored, which signs nobody in · agent: what the browser calls itself."""

    id: str
    identity: Identity
    csrf: str
    created: datetime
    seen: datetime
    address: str
    agent: str


class Lifetimes(Struct, frozen=True):
    """How long sessions hold. whole: from signing in · idle: without a request."""

    whole: timedelta
    idle: timedelta


class Sessions:
    """Begins, finds and ends them. lifetimes: as the settings have them now."""

    def __init__(
        self,
        state: ConsoleState,
        lifetimes: Callable[[], Lifetimes],
        log: AccountLog,
        clock: Clock,
        randomness: Randomness,
    ) -> None:
        self._state = state
        self._log = log
        self._lifetimes = lifetimes
        self._clock = clock
        self._randomness = randomness

    def begin(self, identity: Identity, address: str, agent: str, by: str = "") -> str:
        """A new one; returns what the cookie holds. What the browser had before never goes on. by: what proved who it is."""
        secret = words(self._randomness.token(SIZE))
        csrf = words(self._randomness.token(SIZE))
        now = self._clock.now().timestamp()
        with self._state.transaction() as database:
            self._sweep(database, now)
            database.execute(
                "DELETE FROM session WHERE id IN (SELECT id FROM session WHERE name = ? ORDER BY seen DESC LIMIT -1 OFFSET ?)",
                (identity.name, MOST - 1),
            )
            database.execute(
                "INSERT INTO session VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    *(digest(secret), identity.name, identity.title, json.dumps(sorted(identity.groups)), identity.way),
                    *(csrf, now, now, address, agent[:LONGEST_AGENT]),
                ),
            )
            with acting_as(identity.name, "console"):
                self._log.note(SIGN_IN, identity.name, by=by, address=address)
        return secret

    def find(self, secret: str) -> Session | None:
        """Whose cookie it is; None where the session is over, or never was."""
        now = self._clock.now().timestamp()
        with self._state.reading() as database:
            row = database.execute("SELECT * FROM session WHERE id = ?", (digest(secret),)).fetchone()
        if row is None or not self._holds(row, now):
            return None
        if now - row["seen"] >= NOTED_EVERY:
            with self._state.transaction() as database:
                database.execute("UPDATE session SET seen = ? WHERE id = ?", (now, row["id"]))
        return _session(row)

    def of(self, name: str | None = None) -> list[Session]:
        """Those that hold, of one person or of all; the newest first."""
        now = self._clock.now().timestamp()
        with self._state.reading() as database:
            rows = database.execute("SELECT * FROM session WHERE name = ? OR ? IS NULL ORDER BY seen DESC", (name, name))
            return [_session(row) for row in rows.fetchall() if self._holds(row, now)]

    def end(self, id_: str, name: str | None = None, action: str = "session-end") -> bool:
        """End one; whether there was one. name: only where it is this person's · action: as the log calls it."""
        with self._state.transaction() as database:
            row = database.execute(
                "DELETE FROM session WHERE id = ? AND (name = ? OR ? IS NULL) RETURNING name", (id_, name, name)
            ).fetchone()
            if row is not None:
                self._log.note(action, row["name"])
        return row is not None

    def end_all(self, name: str, but: str = "") -> None:
        """End those of a person. but: the id of one that goes on."""
        with self._state.transaction() as database:
            ended = database.execute("DELETE FROM session WHERE name = ? AND id != ?", (name, but)).rowcount
            if ended:
                self._log.note("session-end", name, sessions_ended=ended)

    def _holds(self, row: sqlite3.Row, now: float) -> bool:
        lifetimes = self._lifetimes()
        return bool(
            now - row["created"] < lifetimes.whole.total_seconds() and now - row["seen"] < lifetimes.idle.total_seconds()
        )

    def _sweep(self, database: sqlite3.Connection, now: float) -> None:
        lifetimes = self._lifetimes()
        database.execute(
            "DELETE FROM session WHERE created <= ? OR seen <= ?",
            (now - lifetimes.whole.total_seconds(), now - lifetimes.idle.total_seconds()),
        )


def _session(row: sqlite3.Row) -> Session:
    return Session(
        row["id"],
        Identity(row["name"], row["title"], frozenset(json.loads(row["groups"])), row["way"]),
        row["csrf"],
        datetime.fromtimestamp(row["created"], UTC),
        datetime.fromtimestamp(row["seen"], UTC),
        row["address"],
        row["agent"],
    )
