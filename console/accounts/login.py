"""From a name and a password to a session: the password, then the second factor where the account has one; or a passkey alone.
All of it is throttled.

Whether a name exists is never said: the answer, and how long it takes, are the same.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Literal

from msgspec import Struct

from console.accounts.account_log import NOBODY
from console.accounts.passkeys import CounterWentBack
from console.accounts.sessions import Identity
from console.accounts.tables import digest, words
from console.errors import LoginRefused, TooManyTries

if TYPE_CHECKING:
    import sqlite3

    from console.accounts.local import Account, LocalAccounts
    from console.accounts.passkeys import Passkeys, Site
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
        passkeys: Passkeys,
        sessions: Sessions,
        throttle: Throttle,
        clock: Clock,
        randomness: Randomness,
    ) -> None:
        self._state = state
        self._local = local
        self._passkeys = passkeys
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
        if account.has_totp or account.passkeys:
            return Answer(name, step=self._second_step(name, back), back=back)
        self._throttle.succeeded(name, client.address)
        return self.begin(_identity(account), back, client, "password")

    def passkey(self, sent: str, site: Site | None, holder: str, back: str, client: Client) -> Answer:
        """A passkey of a device that has verified its person, in the place of both steps. sent: what the device answered ·
        holder: to whom the question was given. Raises `LoginRefused`, `TooManyTries`."""
        name = self._passkeys.owner(sent)
        self.require_patience(name, client)
        account = self._local.get(self._proven(sent, "sign-in", site, holder, name, client))
        if account is None:
            raise LoginRefused("the account is gone", hint="ask whoever administers the console")
        self._throttle.succeeded(name, client.address)
        return self.begin(_identity(account), back, client, "passkey")

    def awaited(self, step: str) -> Account | None:
        """Whose second step is due; None where none is. step: what its cookie holds."""
        with self._state.reading() as database:
            row = database.execute("SELECT * FROM login_step WHERE id = ?", (digest(step),)).fetchone()
        return None if row is None or self._is_over(row) else self._local.get(str(row["name"]))

    def code(self, step: str, typed: str, client: Client) -> Answer:
        """The second step. Raises `LoginRefused`, `TooManyTries`."""
        account, back = self._tried(step, client)
        if not self._local.has_code(account.name, typed):
            self.refused(account.name, client)
            raise LoginRefused("the code is wrong, or was used before", hint="wait for the next one", again=True)
        return self._both(account, step, back, client, "password and one-time password")

    def second_passkey(self, step: str, sent: str, site: Site | None, client: Client) -> Answer:
        """The second step with a passkey of the same account. Raises `LoginRefused`, `TooManyTries`."""
        account, back = self._tried(step, client)
        self._proven(sent, "second-factor", site, step, account.name, client)
        return self._both(account, step, back, client, "password and passkey")

    def _tried(self, step: str, client: Client) -> tuple[Account, str]:
        """Whose second step it is, and the page that was asked for first. Raises `LoginRefused`, `TooManyTries`."""
        with self._state.transaction() as database:
            row = database.execute("SELECT * FROM login_step WHERE id = ?", (digest(step),)).fetchone()
            database.execute("UPDATE login_step SET tries = tries + 1 WHERE id = ?", (digest(step),))
        account = None if row is None or self._is_over(row) else self._local.get(str(row["name"]))
        if account is None:
            raise LoginRefused("too much time has passed, or too many codes were wrong", hint="begin again with the password")
        self.require_patience(account.name, client)
        return account, str(row["back"])

    def _is_over(self, row: sqlite3.Row) -> bool:
        return bool(self._clock.now().timestamp() - row["created"] >= STEP_HOLDS or row["tries"] >= MOST_CODES)

    def _proven(
        self, sent: str, purpose: Literal["sign-in", "second-factor"], site: Site | None, holder: str, name: str, client: Client
    ) -> str:
        """Whose passkey has answered. name: whose it must be. Raises `LoginRefused`."""
        try:
            found = self._passkeys.verified(sent, purpose, site, holder)
        except CounterWentBack as error:
            self.refused(name, client)
            _log.warning("a passkey of %s may have been copied: its counter went back", error.passkey.name)
            raise
        except LoginRefused as error:
            if not error.again:
                self.refused(name, client)
            raise
        if found.name != name:
            self.refused(name, client)
            raise LoginRefused("the passkey was not accepted", hint="it belongs to another account")
        return found.name

    def _both(self, account: Account, step: str, back: str, client: Client, by: str) -> Answer:
        with self._state.transaction() as database:
            database.execute("DELETE FROM login_step WHERE id = ?", (digest(step),))
        self._throttle.succeeded(account.name, client.address)
        return self.begin(_identity(account), back, client, by)

    def begin(self, identity: Identity, back: str, client: Client, by: str) -> Answer:
        """A session for somebody who has proven who they are. by: what."""
        _log.info("%s signed in from %s (%s)", identity.name, client.address, identity.way)
        return Answer(identity.name, self._sessions.begin(identity, client.address, client.agent, by), back=back)

    def require_patience(self, name: str, client: Client) -> None:
        """Before anything secret is checked for a person. Raises `TooManyTries`."""
        wait = self._throttle.wait(name, client.address)
        if wait > 0:
            raise TooManyTries("too many wrong answers", wait)

    def refused(self, name: str, client: Client) -> None:
        """Something secret was wrong."""
        known = name if self._local.get(name) is not None else None  # people type passwords where names belong
        self._throttle.failed(name, client.address, known)
        _log.warning("%s was refused, from %s", known or NOBODY, client.address)

    def _second_step(self, name: str, back: str) -> str:
        secret = words(self._randomness.token(32))
        now = self._clock.now().timestamp()
        with self._state.transaction() as database:
            database.execute("DELETE FROM login_step WHERE created < ?", (now - STEP_HOLDS,))
            database.execute("INSERT INTO login_step VALUES (?, ?, ?, ?, 0)", (digest(secret), name, back, now))
        return secret


def _identity(account: Account) -> Identity:
    return Identity(account.name, account.title, frozenset(account.groups), "local")
