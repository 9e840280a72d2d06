"""Local accounts: a name, a password, groups, and a one-time password where it is set up."""

from __future__ import annotations

import json
import re
import sqlite3
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from msgspec import Struct

from console.accounts import passwords, totp
from vault.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Collection

    from console.accounts.account_log import AccountLog
    from console.accounts.passwords import Passwords
    from console.state import ConsoleState
    from vault.clock import Clock
    from vault.randomness import Randomness

NAME = re.compile(r"[\w.@+-]{1,100}")
LONGEST_TITLE = 200


class Account(Struct, frozen=True):
    """A local account. has_totp: whether it needs a one-time password · passkeys: how many it has."""

    name: str
    title: str
    groups: tuple[str, ...]
    created: datetime
    has_totp: bool
    passkeys: int


class LocalAccounts:
    """Makes, changes and checks them."""

    def __init__(
        self, state: ConsoleState, passwords: Passwords, log: AccountLog, clock: Clock, randomness: Randomness
    ) -> None:
        self._state = state
        self._log = log
        self._passwords = passwords
        self._clock = clock
        self._randomness = randomness

    def add(self, name: str, password: str, title: str = "", groups: Collection[str] = ()) -> None:
        """A new one. Raises `UsageError`."""
        if not NAME.fullmatch(name):
            raise UsageError(f"{name!r} cannot be a name", hint="letters, digits and . @ + - _, at most 100")
        if len(title) > LONGEST_TITLE or not title.isprintable():
            raise UsageError("the title is too long, or cannot be printed", hint="write a person's name")
        passwords.require_good(password, name)
        hashed = self._passwords.hashed(password)
        with self._state.transaction() as database:
            if self._row(database, name) is not None or _is_vouched(database, name):
                raise UsageError(f"there is an account {name!r} already", hint="choose another name")
            database.execute(
                "INSERT INTO account (name, title, groups, password, created) VALUES (?, ?, ?, ?, ?)",
                (name, title, json.dumps(sorted(set(groups))), hashed, self._clock.now().timestamp()),
            )
            self._log.note("account-add", name, title=title, groups=sorted(set(groups)))

    def all(self) -> list[Account]:
        """Every one, by name."""
        with self._state.reading() as database:
            rows = database.execute(f"{_SELECT} ORDER BY name").fetchall()
        return [_account(row) for row in rows]

    def get(self, name: str) -> Account | None:
        """One of them."""
        with self._state.reading() as database:
            row = database.execute(f"{_SELECT} WHERE name = ?", (name,)).fetchone()
        return None if row is None else _account(row)

    def remove(self, name: str) -> None:
        """It, its sessions, tokens and passkeys; or whoever a provider vouches for by that name. Raises `UsageError`."""
        with self._state.transaction() as database:
            gone = database.execute("DELETE FROM account WHERE name = ?", (name,)).rowcount
            gone += database.execute("DELETE FROM vouched WHERE name = ?", (name,)).rowcount
            gone += database.execute("DELETE FROM session WHERE name = ?", (name,)).rowcount
            for table in ("token", "passkey", "login_step", "preference"):
                database.execute(f"DELETE FROM {table} WHERE name = ?", (name,))  # noqa: S608 (names of our own)
            if not gone:
                raise _unknown(name)
            self._log.note("account-remove", name)

    def set_groups(self, name: str, groups: Collection[str]) -> None:
        """Other groups, from the next request on. Raises `UsageError`."""
        with self._state.transaction() as database:
            self._require(database, name)
            database.execute("UPDATE account SET groups = ? WHERE name = ?", (json.dumps(sorted(set(groups))), name))
            self._log.note("account-groups", name, groups=sorted(set(groups)))

    def set_password(self, name: str, password: str, *, keep_session: str = "") -> None:
        """Another password; all sessions end. keep_session: the id of one that goes on. Raises `UsageError`."""
        passwords.require_good(password, name)
        hashed = self._passwords.hashed(password)
        with self._state.transaction() as database:
            self._require(database, name)
            database.execute("UPDATE account SET password = ? WHERE name = ?", (hashed, name))
            ended = database.execute("DELETE FROM session WHERE name = ? AND id != ?", (name, keep_session)).rowcount
            database.execute("DELETE FROM login_step WHERE name = ?", (name,))
            self._log.note("password-change", name, sessions_ended=ended)

    def has_password(self, name: str, password: str) -> bool:
        """Whether it is the account's; takes as long where there is no such account. Raises `Busy`."""
        with self._state.reading() as database:
            row = self._row(database, name)
        stored = None if row is None else str(row["password"])
        good = self._passwords.verify(password, stored)
        if good and stored is not None and self._passwords.is_old(stored):
            hashed = self._passwords.hashed(password)
            with self._state.transaction() as database:
                database.execute("UPDATE account SET password = ? WHERE name = ? AND password = ?", (hashed, name, stored))
        return good

    def new_totp(self, name: str) -> bytes:
        """A secret for an app, which counts once a code of it was typed: the one that waits for that, or a new one. Raises
        `UsageError`."""
        with self._state.transaction() as database:
            waiting: bytes | None = self._require(database, name)["totp_new"]
            secret = waiting or self._randomness.token(totp.SIZE)
            database.execute("UPDATE account SET totp_new = ? WHERE name = ?", (secret, name))
        return secret

    def confirm_totp(self, name: str, typed: str) -> bool:
        """Whether a code of the new secret was typed: then it is needed from now on. Raises `UsageError`."""
        with self._state.transaction() as database:
            secret: bytes | None = self._require(database, name)["totp_new"]
            step = None if secret is None else totp.matching_step(secret, typed, self._clock.now().timestamp(), 0)
            if step is not None:
                database.execute(
                    "UPDATE account SET totp = totp_new, totp_new = NULL, totp_step = ? WHERE name = ?", (step, name)
                )
                self._log.note("second-factor-set", name)
        return step is not None

    def has_code(self, name: str, typed: str) -> bool:
        """Whether a code of the account's was typed that nobody has used before."""
        with self._state.transaction() as database:
            row = self._row(database, name)
            if row is None or row["totp"] is None:
                return False
            step = totp.matching_step(row["totp"], typed, self._clock.now().timestamp(), row["totp_step"])
            if step is not None:
                database.execute("UPDATE account SET totp_step = ? WHERE name = ?", (step, name))
        return step is not None

    def reset_totp(self, name: str) -> None:
        """No one-time password and no passkey is needed any more; all sessions end. Raises `UsageError`."""
        with self._state.transaction() as database:
            self._require(database, name)
            database.execute("UPDATE account SET totp = NULL, totp_new = NULL, totp_step = 0 WHERE name = ?", (name,))
            gone = database.execute("DELETE FROM passkey WHERE name = ?", (name,)).rowcount
            ended = database.execute("DELETE FROM session WHERE name = ?", (name,)).rowcount
            self._log.note("second-factor-reset", name, passkeys_removed=gone, sessions_ended=ended)

    def reset_passkeys(self, name: str) -> int:
        """No passkey signs in any more; all sessions end. Gives how many there were. Raises `UsageError`."""
        with self._state.transaction() as database:
            self._require(database, name)
            gone = database.execute("DELETE FROM passkey WHERE name = ?", (name,)).rowcount
            ended = database.execute("DELETE FROM session WHERE name = ?", (name,)).rowcount
            database.execute("DELETE FROM login_step WHERE name = ?", (name,))
            self._log.note("passkey-remove", name, passkeys_removed=gone, sessions_ended=ended)
        return gone

    def _require(self, database: sqlite3.Connection, name: str) -> sqlite3.Row:
        row = self._row(database, name)
        if row is None:
            raise _unknown(name)
        return row

    def _row(self, database: sqlite3.Connection, name: str) -> sqlite3.Row | None:
        row: sqlite3.Row | None = database.execute("SELECT * FROM account WHERE name = ?", (name,)).fetchone()
        return row


_SELECT = """SELECT name, title, groups, created, totp IS NOT NULL AS has_totp,
    (SELECT count(*) FROM passkey WHERE passkey.name = account.name) AS passkeys FROM account"""


def _account(row: sqlite3.Row) -> Account:
    return Account(
        row["name"],
        row["title"],
        tuple(json.loads(row["groups"])),
        datetime.fromtimestamp(row["created"], UTC),
        bool(row["has_totp"]),
        row["passkeys"],
    )


def _is_vouched(database: sqlite3.Connection, name: str) -> bool:
    return database.execute("SELECT 1 FROM vouched WHERE name = ?", (name,)).fetchone() is not None


def _unknown(name: str) -> UsageError:
    return UsageError(f"there is no account {name!r}", hint="`strongroom console user list` shows them")
