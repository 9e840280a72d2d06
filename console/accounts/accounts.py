"""All that is known of people, as one console has it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from console.accounts import tables
from console.accounts.account_log import AccountLog
from console.accounts.local import LocalAccounts
from console.accounts.login import Login
from console.accounts.openid import OpenId
from console.accounts.passkeys import Passkeys
from console.accounts.passwords import Passwords
from console.accounts.preferences import Preferences
from console.accounts.sessions import Lifetimes, Sessions
from console.accounts.throttle import Throttle
from console.accounts.tokens import Tokens

if TYPE_CHECKING:
    from collections.abc import Callable

    from console.accounts.passwords import Work
    from console.state import ConsoleState
    from strongroom.settings.console import ConsoleSettings
    from vault.clock import Clock
    from vault.randomness import Randomness


class Accounts(Struct, frozen=True):
    """See the modules of this package. settings: the table [console] as it is now."""

    settings: Callable[[], ConsoleSettings]
    local: LocalAccounts
    sessions: Sessions
    tokens: Tokens
    throttle: Throttle
    preferences: Preferences
    login: Login
    openid: OpenId
    passkeys: Passkeys
    log: AccountLog


def opened(
    state: ConsoleState,
    settings: Callable[[], ConsoleSettings],
    clock: Clock,
    randomness: Randomness,
    work: Work | None = None,
) -> Accounts:
    """Of a console's memory. work: how hard passwords are to guess; tests take less. Raises `StateError`, `Busy`."""
    from strongroom.settings import durations

    state.migrate("accounts", tables.STATEMENTS)

    def lifetimes() -> Lifetimes:
        now = settings()
        return Lifetimes(durations.read(now.session), durations.read(now.idle))

    log = AccountLog(state, clock)
    local = LocalAccounts(state, Passwords(work), log, clock, randomness)
    sessions = Sessions(state, lifetimes, log, clock, randomness)
    throttle = Throttle(state, log, clock)
    passkeys = Passkeys(state, log, clock, randomness)
    return Accounts(
        settings,
        local,
        sessions,
        Tokens(state, log, clock, randomness),
        throttle,
        Preferences(state),
        Login(state, local, passkeys, sessions, throttle, clock, randomness),
        OpenId(state, settings, clock, randomness),
        passkeys,
        log,
    )
