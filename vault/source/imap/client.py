"""Several connections to one server, with patience: what can be asked again is asked again where a connection breaks off."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

from vault.clock import Clock
from vault.errors import SourceError
from vault.source.imap.address import ImapAddress
from vault.source.imap.connection import TEMPORARY, Disconnected, ImapConnection, Refused

PATIENCE = 300.0
"""Seconds that a server which is away, or busy, is waited for."""

LONGEST_PAUSE = 60.0
BREAKS = 20
"""Connections that may break off during one task, one after another, each of them after a login."""

RESTED = 20.0
"""Seconds after which a connection is looked at before something is sent that must not be sent twice."""

REFUSALS = 2
"""Times that something is asked again of a server that says it cannot just now."""

_T = TypeVar("_T")


class BrokenOff(SourceError):
    """A connection that broke off during what must not be asked twice: nobody knows whether it was done."""


class ImapClient:
    """One server and user. Used by several threads."""

    def __init__(self, address: ImapAddress, clock: Clock) -> None:
        self.address = address
        self._clock = clock
        self._free = threading.Condition()
        self._idle: list[ImapConnection] = []
        self._used_now: set[ImapConnection] = set()
        self._to_close: set[ImapConnection] = set()
        self._open = 0
        self._most = max(1, address.connections)
        self._used = 0.0
        self._was_there = False

    def run(self, task: Callable[[ImapConnection], _T], mailbox: object = None) -> _T:
        """What a task gives; it may be begun again on another connection, at its start. mailbox: that it had better be open
        already. Raises `SourceError`, and what the task raises."""
        reason, refusals, begun = "", 0, self._clock.monotonic()
        for _ in range(BREAKS):
            connection = self._taken(mailbox)
            try:
                done = task(connection)
            except Disconnected as error:
                reason = error.strerror or ""
                self._drop(connection)
                if self._clock.monotonic() - begun > PATIENCE:
                    break
                continue
            except Refused as error:  # the answer is whole, and the connection as good as before
                self._give_back(connection)
                refusals += 1
                if error.code not in TEMPORARY or refusals > REFUSALS:
                    raise
                self._clock.sleep(1.0)
                continue
            except BaseException:  # an answer may be under way
                self._drop(connection)
                raise
            self._give_back(connection)
            return done
        raise SourceError(f"{self.address.text} breaks off each time: {reason}", hint="try again later")

    def run_once(self, task: Callable[[ImapConnection], _T]) -> _T:
        """The same for what must not be asked twice. Raises `BrokenOff`, and `SourceError` as `run` does."""
        self.run(self._awake)
        connection = self._taken()
        try:
            done = task(connection)
        except Disconnected as error:
            self._drop(connection)
            hint = "run it again: what is there already is not put there twice"
            raise BrokenOff(f"{self.address.text} cannot go on: {error.strerror}", hint=hint) from error
        except Refused:
            self._give_back(connection)
            raise
        except BaseException:
            self._drop(connection)
            raise
        self._give_back(connection)
        return done

    def _awake(self, connection: ImapConnection) -> None:
        """Whether the server still listens on a connection that waited: it may have closed it meanwhile."""
        now = self._clock.monotonic()
        if now - self._used > RESTED:
            connection.command("NOOP")
        self._used = now

    def close(self) -> None:
        """End the connections that wait, and those that somebody uses as soon as they are given back; new ones are made where
        they are needed."""
        with self._free:
            self._to_close |= self._used_now
            waiting, self._idle = self._idle, []
            self._open -= len(waiting)
            self._free.notify_all()
        for connection in waiting:
            connection.logout()

    def _taken(self, mailbox: object = None) -> ImapConnection:
        """A connection that nobody uses: one that waits, a new one, or the next that is given back."""
        begun, pause = self._clock.monotonic(), 0.5
        while True:
            with self._free:
                while not self._idle and self._open >= self._most:
                    self._free.wait()
                if self._idle:
                    fitting = (place for place, one in enumerate(self._idle) if one.mailbox == mailbox)
                    found = self._idle.pop(next(fitting, -1))
                    self._used_now.add(found)
                    return found
                self._open += 1
            try:
                made = ImapConnection(self.address)
                with self._free:
                    self._was_there = True
                    self._used_now.add(made)
                return made
            except Disconnected as error:
                others, reason = self._forget(is_full=error.is_full), error.strerror
                is_unknown = error.is_away and not self._was_there  # it is the address, more likely than the server
            except BaseException:
                self._forget(is_full=False)
                raise
            if others:
                continue
            if is_unknown or self._clock.monotonic() - begun + pause > PATIENCE:
                hint = "is the address right? Try again later"
                raise SourceError(f"{self.address.text} cannot be used: {reason}", hint=hint)
            self._clock.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE)

    def _forget(self, *, is_full: bool) -> bool:
        """A connection that did not come to be; whether there are others, which will have to do since the server wants no
        more."""
        with self._free:
            self._open -= 1
            if is_full and self._open:
                self._most = self._open
            self._free.notify()
            return is_full and self._open > 0

    def _give_back(self, connection: ImapConnection) -> None:
        with self._free:
            if connection not in self._to_close:
                self._used_now.discard(connection)
                self._idle.append(connection)
                self._free.notify()
                return
        self._drop(connection)

    def _drop(self, connection: ImapConnection) -> None:
        connection.close()
        with self._free:
            self._used_now.discard(connection)
            self._to_close.discard(connection)
            self._open -= 1
            self._free.notify()
