"""What is done with accounts, on its way into the log of the repository: signing in and out, wrong answers, every change.

It is written down here in the very step in which it happens, so that nobody waits for the store and nothing is lost while that
is away; `console.recording` takes it from here into the signed log. Wrong answers are counted: one entry for each account, and
one for all names that nobody has, every quarter of an hour, so that strangers cannot make the log grow.
"""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from msgspec import Struct

if TYPE_CHECKING:
    from console.state import ConsoleState
    from vault.clock import Clock

STATEMENTS = (
    """CREATE TABLE account_event (
        number INTEGER PRIMARY KEY AUTOINCREMENT, action TEXT NOT NULL, about TEXT NOT NULL, person TEXT NOT NULL,
        face TEXT NOT NULL, at REAL NOT NULL, due REAL NOT NULL, facts TEXT NOT NULL, counted TEXT UNIQUE) STRICT""",
)
SIGN_IN, SIGN_OUT, REFUSED = "sign-in", "sign-out", "sign-in-refused"
ACTIONS = (
    *(SIGN_IN, SIGN_OUT, REFUSED, "session-end", "account-add", "account-remove", "account-groups", "password-change"),
    *("second-factor-set", "second-factor-reset", "passkey-add", "passkey-remove", "passkey-doubted"),
    *("token-make", "token-end", "host-add", "host-end"),
)
"""As they stand in the log."""
TOGETHER = 900
"""Seconds of wrong answers that are one entry."""
MOST_ADDRESSES = 10
MOST_WAITING = 100_000
"""Entries that wait for a log that cannot be written."""
NOBODY = "somebody unknown"

_log = logging.getLogger("strongroom.console")
_doer: ContextVar[tuple[str, str] | None] = ContextVar("doer", default=None)


@contextmanager
def acting_as(person: str, face: str) -> Iterator[None]:
    """What happens meanwhile was done by this person. face: by what; "" for the command line."""
    token = _doer.set((person, face))
    try:
        yield
    finally:
        _doer.reset(token)


class AccountEvent(Struct, frozen=True):
    """What happened. about: the account · person, face: who did it, and by what · facts: more of it; never a secret."""

    number: int
    action: str
    about: str
    person: str
    face: str
    at: datetime
    facts: dict[str, Any]


class AccountLog:
    """What waits to be written into the log. wake: set when there is more."""

    def __init__(self, state: ConsoleState, clock: Clock) -> None:
        state.migrate("account-log", STATEMENTS)
        self._state = state
        self._clock = clock
        self.wake = threading.Event()

    def note(self, action: str, about: str, **facts: object) -> None:
        """Something has happened with an account. It is a part of the transaction that is under way, if one is."""
        person, face = _doer.get() or (about, "console")
        now = self._clock.now().timestamp()
        with self._state.transaction() as database:
            database.execute(
                "INSERT INTO account_event (action, about, person, face, at, due, facts) VALUES (?, ?, ?, ?, ?, ?, ?)",
                (action, about, person, face, now, now, json.dumps({key: one for key, one in facts.items() if one})),
            )
            lost = database.execute(
                "DELETE FROM account_event WHERE number <= (SELECT max(number) FROM account_event) - ?", (MOST_WAITING,)
            ).rowcount
        if lost:
            _log.error("%d entries about accounts are lost: %d wait already for the log", lost, MOST_WAITING)
        self.wake.set()

    def refused(self, account: str | None, address: str) -> None:
        """A wrong answer. account: that was to be signed in to; None where there is none of that name."""
        now = self._clock.now().timestamp()
        quarter = int(now // TOGETHER)
        key, about = f"{quarter} {account or ''}", account or NOBODY
        with self._state.transaction() as database:
            row = database.execute("SELECT facts FROM account_event WHERE counted = ?", (key,)).fetchone()
            facts: dict[str, Any] = {"tries": 0, "addresses": []} if row is None else json.loads(row["facts"])
            facts["tries"] += 1
            if address not in facts["addresses"]:
                if len(facts["addresses"]) < MOST_ADDRESSES:
                    facts["addresses"].append(address)
                else:
                    facts["and_other_addresses"] = True
            database.execute(
                """INSERT INTO account_event (action, about, person, face, at, due, facts, counted)
                VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (counted) DO UPDATE SET facts = excluded.facts""",
                (REFUSED, about, about, "console", now, (quarter + 1) * TOGETHER, json.dumps(facts), key),
            )

    def due(self, most: int = 200) -> list[AccountEvent]:
        """What can be written now, the oldest first."""
        now = self._clock.now().timestamp()
        with self._state.reading() as database:
            rows = database.execute(
                "SELECT * FROM account_event WHERE due <= ? ORDER BY number LIMIT ?", (now, most)
            ).fetchall()
        return [
            AccountEvent(
                *(row["number"], row["action"], row["about"], row["person"], row["face"]),
                at=datetime.fromtimestamp(row["at"], UTC),
                facts=json.loads(row["facts"]),
            )
            for row in rows
        ]

    def waiting(self) -> int:
        """How much is not in the log yet, wrong answers that are still counted among it."""
        with self._state.reading() as database:
            return int(database.execute("SELECT count(*) FROM account_event").fetchone()[0])

    def written(self, number: int) -> None:
        """It is in the log."""
        with self._state.transaction() as database:
            database.execute("DELETE FROM account_event WHERE number = ?", (number,))
