"""Tokens: what scripts sign in with, in the name of a person, for some actions in some projects, until a day."""

from __future__ import annotations

import hmac
import json
import sqlite3
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, cast

from msgspec import Struct

from console.access.rights import Action, Limit
from console.accounts.sessions import Identity
from console.accounts.tables import digest, words
from vault.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from console.accounts.account_log import AccountLog
    from console.accounts.sessions import Way
    from console.state import ConsoleState
    from vault.clock import Clock
    from vault.randomness import Randomness

PREFIX = "strongroom_"
"""By which scanners of leaked secrets know one."""
LONGEST_LIFE = timedelta(days=366)
MOST = 100
LONGEST_LABEL = 100
NOTED_EVERY = 60.0


class Token(Struct, frozen=True):
    """One that is there. id: by which it is named · identity: whose · limit: what it may be used for at most, of what its
    person may · used: when it was used last."""

    id: str
    identity: Identity
    label: str
    limit: Limit
    created: datetime
    until: datetime
    used: datetime | None


class Tokens:
    """Makes, finds and ends them."""

    def __init__(self, state: ConsoleState, log: AccountLog, clock: Clock, randomness: Randomness) -> None:
        self._state = state
        self._log = log
        self._clock = clock
        self._randomness = randomness

    def make(self, identity: Identity, label: str, actions: Sequence[Action], projects: Sequence[str], until: datetime) -> str:
        """A new one; returns what is sent with requests, which is shown this once. Raises `UsageError`."""
        now = self._clock.now()
        if not label.strip() or len(label) > LONGEST_LABEL or not label.isprintable():
            raise UsageError("a token needs a name of at most 100 characters", hint="say what it is for")
        if not actions or not projects:
            raise UsageError("a token needs something that it is for", hint="choose actions and projects")
        if not now < until <= now + LONGEST_LIFE:
            raise UsageError("a token ends within a year", hint="choose a day between tomorrow and then")
        id_, secret = words(self._randomness.token(9)), words(self._randomness.token(32))
        with self._state.transaction() as database:
            database.execute("DELETE FROM token WHERE until <= ?", (now.timestamp(),))
            number = database.execute("SELECT count(*) FROM token WHERE name = ?", (identity.name,)).fetchone()[0]
            if number >= MOST:
                raise UsageError(f"you have {MOST} tokens already", hint="end those that nobody uses")
            database.execute(
                "INSERT INTO token VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, NULL)",
                (
                    *(id_, digest(secret), identity.name, identity.title, json.dumps(sorted(identity.groups)), identity.way),
                    *(label.strip(), json.dumps(sorted(actions)), json.dumps(list(projects)), now.timestamp()),
                    until.timestamp(),
                ),
            )
            given = {"actions": sorted(actions), "projects": list(projects), "until": until.isoformat()}
            self._log.note("token-make", identity.name, token=id_, label=label.strip(), **given)
        return f"{PREFIX}{id_}.{secret}"

    def find(self, sent: str) -> Token | None:
        """Whose it is; None where it is none, or its time is over."""
        id_, _, secret = sent.removeprefix(PREFIX).partition(".")
        if not sent.startswith(PREFIX) or len(sent) > 200:
            return None
        now = self._clock.now().timestamp()
        with self._state.reading() as database:
            row = database.execute("SELECT * FROM token WHERE id = ?", (id_,)).fetchone()
        if row is None or not hmac.compare_digest(row["secret"], digest(secret)) or now >= row["until"]:
            return None
        if row["used"] is None or now - row["used"] >= NOTED_EVERY:
            with self._state.transaction() as database:
                database.execute("UPDATE token SET used = ? WHERE id = ?", (now, id_))
        return _token(row)

    def of(self, name: str | None = None) -> list[Token]:
        """Those of a person, or of all."""
        now = self._clock.now().timestamp()
        with self._state.reading() as database:
            rows = database.execute(
                "SELECT * FROM token WHERE (name = ? OR ? IS NULL) AND until > ? ORDER BY created DESC", (name, name, now)
            )
            return [_token(row) for row in rows.fetchall()]

    def end(self, id_: str, name: str | None = None) -> bool:
        """End one; whether there was one. name: only where it is this person's."""
        with self._state.transaction() as database:
            row = database.execute(
                "DELETE FROM token WHERE id = ? AND (name = ? OR ? IS NULL) RETURNING name, label", (id_, name, name)
            ).fetchone()
            if row is not None:
                self._log.note("token-end", row["name"], token=id_, label=row["label"])
        return row is not None


def _token(row: sqlite3.Row) -> Token:
    return Token(
        row["id"],
        Identity(row["name"], row["title"], frozenset(json.loads(row["groups"])), cast("Way", row["way"])),
        row["label"],
        Limit(frozenset(map(Action, json.loads(row["actions"]))), tuple(json.loads(row["projects"]))),
        _moment(row["created"]),
        _moment(row["until"]),
        None if row["used"] is None else _moment(row["used"]),
    )


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
