"""How long somebody waits after wrong answers: longer with each, counted by account and address together, by address, and by
account. So nobody locks a person out of the address that this person uses, and guessing from many addresses is slow as well.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from msgspec import Struct

from console.accounts.proxy import counted_as

if TYPE_CHECKING:
    from collections.abc import Iterator

    from console.accounts.account_log import AccountLog
    from console.state import ConsoleState
    from vault.clock import Clock

FORGOTTEN = 24 * 3600.0
"""Seconds after the last wrong answer."""
LONGEST = 900.0


class _Rule(Struct, frozen=True):
    free: int
    longest: float


_RULES = {"pair": _Rule(5, LONGEST), "address": _Rule(30, LONGEST), "account": _Rule(100, 60.0)}


class Throttle:
    """Counts wrong answers."""

    def __init__(self, state: ConsoleState, log: AccountLog, clock: Clock) -> None:
        self._state = state
        self._log = log
        self._clock = clock

    def wait(self, name: str, address: str) -> float:
        """Seconds until an answer is looked at again; 0 where it is now."""
        now = self._clock.now().timestamp()
        longest = 0.0
        with self._state.reading() as database:
            for kind, subject in _subjects(name, address):
                row = database.execute("SELECT count, last FROM failure WHERE subject = ?", (subject,)).fetchone()
                rule = _RULES[kind]
                if row is None or row["count"] < rule.free or now - row["last"] > FORGOTTEN:
                    continue
                pause = min(rule.longest, 2.0 ** min(row["count"] - rule.free, 20))
                longest = max(longest, row["last"] + pause - now)
        return longest

    def failed(self, name: str, address: str, account: str | None = None) -> None:
        """A wrong answer. name: that was typed · account: that there is, as the log may say it."""
        now = self._clock.now().timestamp()
        with self._state.transaction() as database:
            self._log.refused(account, address)
            database.execute("DELETE FROM failure WHERE last < ?", (now - FORGOTTEN,))
            for _, subject in _subjects(name, address):
                database.execute(
                    "INSERT INTO failure VALUES (?, 1, ?) ON CONFLICT (subject) DO UPDATE SET count = count + 1, last = ?",
                    (subject, now, now),
                )

    def succeeded(self, name: str, address: str) -> None:
        """A right one: the account is forgiven at this address; what others did from there stays."""
        with self._state.transaction() as database:
            subject = dict(_subjects(name, address))["pair"]
            database.execute("DELETE FROM failure WHERE subject = ?", (subject,))


def _subjects(name: str, address: str) -> Iterator[tuple[str, str]]:
    """As they are stored: hashed, as people type passwords where names belong."""
    near = counted_as(address)
    for kind, text in (("pair", f"{near} {name}"), ("address", near), ("account", name)):
        yield kind, f"{kind} {hashlib.sha256(text.encode('utf-8', 'surrogatepass')).hexdigest()}"
