"""From a name and a password to a session: the password, then the one-time password where the account has one; all throttled.

Whether a name exists is never said: the answer, and how long it takes, are the same.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from msgspec import Struct

from console.accounts.sessions import Identity
from console.accounts.tables import digest, words
from console.errors import LoginRefused, TooManyTries

if TYPE_CHECKING:
    from console.accounts.local import Account, LocalAccounts
    from console.accounts.sessions import Sessions
    from console.accounts.throttle import Throttle
    from console.state import ConsoleState
    from vault.clock import Clock
    from vault.randomness import Randomness

_log = logging.getLogger("strongroom.console")

STEP_HOLDS = 300.0
"""Seconds from the password to the one-time password."""
MOST_CODES = 5
"""Tries for one password that was right."""


class Client(Struct, frozen=True):
    """Who asks. agent: what the browser calls itself."""

    address: str
    agent: str


class Answer(Struct, frozen=True):
    """What came of a try. session: what its cookie holds, "" where it has not begun · step: what the cookie of the second step
    holds · back: the page that was asked for first."""

    name: str
    session: str = ""
    step: str = ""
    back: str = ""


class Login:
    """See this module's text."""

    def __init__(
        self,
        state: ConsoleState,
        local: LocalAccounts,
        sessions: Sessions,
        throttle: Throttle,
        clock: Clock,
        randomness: Randomness,
    ) -> None:
        self._state = state
        self._local = local
        self._sessions = sessions
        self._throttle = throttle
        self._clock = clock
        self._randomness = randomness

    def password(self, name: str, password: str, back: str, client: Client) -> Answer:
        """The first step. Raises `LoginRefused`, `TooManyTries`, `Busy`."""
        self.require_patience(name, client)
        good = self._local.has_password(name, password)
        account = self._local.get(name)
        if not good or account is None:
            self.refused(name, client)
            raise LoginRefused("the name or the password is wrong", hint="try again, or ask whoever administers the console")
        if account.has_totp:
            return Answer(name, step=self._second_step(name, back), back=back)
        self._throttle.succeeded(name, client.address)
        return self.begin(_identity(account), back, client)

    def code(self, step: str, typed: str, client: Client) -> Answer:
        """The second step. step: what its cookie holds. Raises `LoginRefused`, `TooManyTries`."""
        now = self._clock.now().timestamp()
        with self._state.transaction() as database:
            row = database.execute("SELECT * FROM login_step WHERE id = ?", (digest(step),)).fetchone()
            database.execute("UPDATE login_step SET tries = tries + 1 WHERE id = ?", (digest(step),))
        if row is None or now - row["created"] >= STEP_HOLDS or row["tries"] >= MOST_CODES:
            raise LoginRefused("too much time has passed, or too many codes were wrong", hint="begin again with the password")
        name = str(row["name"])
        self.require_patience(name, client)
        account = self._local.get(name)
        if account is None or not self._local.has_code(name, typed):
            self.refused(name, client)
            raise LoginRefused("the code is wrong, or was used before", hint="wait for the next one", again=True)
        with self._state.transaction() as database:
            database.execute("DELETE FROM login_step WHERE id = ?", (digest(step),))
        self._throttle.succeeded(name, client.address)
        return self.begin(_identity(account), row["back"], client)

    def begin(self, identity: Identity, back: str, client: Client) -> Answer:
        """A session for somebody who has proven who they are."""
        _log.info("%s signed in from %s (%s)", identity.name, client.address, identity.way)
        return Answer(identity.name, self._sessions.begin(identity, client.address, client.agent), back=back)

    def require_patience(self, name: str, client: Client) -> None:
        """Before anything secret is checked for a person. Raises `TooManyTries`."""
        wait = self._throttle.wait(name, client.address)
        if wait > 0:
            raise TooManyTries("too many wrong answers", wait)

    def refused(self, name: str, client: Client) -> None:
        """Something secret was wrong."""
        self._throttle.failed(name, client.address)
        who = name if self._local.get(name) is not None else "somebody unknown"  # people type passwords where names belong
        _log.warning("%s was refused, from %s", who, client.address)

    def _second_step(self, name: str, back: str) -> str:
        secret = words(self._randomness.token(32))
        now = self._clock.now().timestamp()
        with self._state.transaction() as database:
            database.execute("DELETE FROM login_step WHERE created < ?", (now - STEP_HOLDS,))
            database.execute("INSERT INTO login_step VALUES (?, ?, ?, ?, 0)", (digest(secret), name, back, now))
        return secret


def _identity(account: Account) -> Identity:
    return Identity(account.name, account.title, frozenset(account.groups), "local")
