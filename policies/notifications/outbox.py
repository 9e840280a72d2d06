"""Messages on their way: they wait in the state store until their channel has taken them, through every restart.

Everything that touches the state store happens on the daemon's thread; a channel is given a message on a thread of its own, one
at a time for each, so that a mail server that hangs keeps nobody from anything. A message that nobody takes is tried again
after a minute, two, four, … up to an hour, and given up after three days and ten tries: by then another way must have reached
people. One that only some took is tried again for the others.

Where the state store cannot be written, messages and what became of them are kept in memory until they can be: nothing is sent
again and again, and nothing is lost.
"""

from __future__ import annotations

import queue
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from functools import partial

from policies.monitoring.state_store import LONGEST_WAIT, QueuedMessage, StateStore
from policies.notifications.channels import Channel, PartlyDelivered
from policies.notifications.message import Message
from policies.scheduling.jobs import Launch, in_a_thread
from vault.clock import A_LITTLE, Clock
from vault.errors import StrongroomError

FIRST_WAIT = timedelta(minutes=1)
GIVEN_UP_AFTER = timedelta(days=3)
FEWEST_TRIES = 10
"""Before a message is given up: a clock that is set right makes days of a moment, and so does a daemon that was off."""

_Key = tuple[int, str, datetime]


class Outbox:
    """report: hears what could not be delivered."""

    def __init__(
        self,
        state_store: StateStore,
        channels: Sequence[Channel],
        clock: Clock,
        report: Callable[[str], None],
        *,
        launch: Launch = in_a_thread,
    ) -> None:
        self._state_store = state_store
        self._clock = clock
        self._report = report
        self._launch = launch
        self._busy: set[str] = set()
        self._done: queue.SimpleQueue[tuple[QueuedMessage, Exception | None]] = queue.SimpleQueue()
        self._channels: dict[str, Channel] = {}
        self._in_memory: dict[_Key, tuple[QueuedMessage, datetime]] = {}
        """Messages that are in no outbox, and when they are due."""
        self._unwritten: dict[_Key, tuple[QueuedMessage, datetime | None]] = {}
        """What became of messages of the outbox, which does not have it yet: when they are due again, None where never."""
        self._last_number = 0
        self.use(channels)

    def use(self, channels: Sequence[Channel]) -> None:
        """From now on these are the channels."""
        self._channels = {channel.name: channel for channel in channels}

    @property
    def has_channels(self) -> bool:
        """Whether anybody is told anything."""
        return bool(self._channels)

    def for_channels(self, message: Message) -> list[tuple[str, dict[str, object]]]:
        """What goes into the outbox for a message: one for each channel."""
        return [(name, message.as_json()) for name in self._channels]

    def add(self, queued_messages: Sequence[tuple[str, dict[str, object]]]) -> None:
        """Hold messages in memory that the state store cannot take."""
        now = self._clock.now()
        for channel, value in queued_messages:
            self._last_number -= 1
            queued = QueuedMessage(self._last_number, channel, now, value, 0)
            self._in_memory[_key(queued)] = (queued, now)

    def deliver(self) -> None:
        """Collect what became of messages, and start sending those that are due. Raises `StrongroomError` of the state store
        once everything is done that can be done without it."""
        self._collect()
        now = self._clock.now()
        self._start_sending([queued for queued, due in self._in_memory.values() if _has_come(due, now)])
        self._record()
        self._start_sending(list(self._due_messages(now)))
        self._record()

    def _due_messages(self, now: datetime) -> Iterator[QueuedMessage]:
        for queued in self._state_store.queued_messages(now):
            known = self._unwritten.get(_key(queued))
            if known is None:
                yield queued
            elif known[1] is not None and _has_come(known[1], now):
                yield known[0]

    def _start_sending(self, queued_messages: Sequence[QueuedMessage]) -> None:
        for queued in queued_messages:
            channel = self._channels.get(queued.channel)
            if channel is None:  # the settings no longer have it
                self._finish(queued)
            elif queued.channel not in self._busy:
                self._launch(f"tell {queued.channel}", partial(self._send, channel, queued))
                self._busy.add(queued.channel)

    @property
    def is_idle(self) -> bool:
        """Whether no channel is sending."""
        return not self._busy

    def _send(self, channel: Channel, queued: QueuedMessage) -> None:
        """On a thread of its own."""
        trouble: Exception | None = None
        try:
            channel.send(Message.from_json(queued.value))
        except Exception as error:  # noqa: BLE001 (whatever it was is reported, and the message is tried again)
            trouble = error
        self._done.put((queued, trouble))

    def _collect(self) -> None:
        now = self._clock.now()
        while not self._done.empty():
            queued, trouble = self._done.get()
            self._busy.discard(queued.channel)
            if trouble is None:
                self._finish(queued)
                continue
            # what is not one of ours may hold a secret in its words
            what = str(trouble) if isinstance(trouble, StrongroomError) else type(trouble).__name__
            if now - queued.at > GIVEN_UP_AFTER and queued.attempts + 1 >= FEWEST_TRIES:
                self._finish(queued)
                self._report(f"a message by {queued.channel} is given up after {queued.attempts + 1} tries: {what}")
                continue
            due = now + min(LONGEST_WAIT, FIRST_WAIT * (1 << min(queued.attempts, 20)))
            value = queued.value | ({"only": list(trouble.left)} if isinstance(trouble, PartlyDelivered) else {})
            again = queued._replace(attempts=queued.attempts + 1, value=value)
            if queued.number < 0:
                self._in_memory[_key(queued)] = (again, due)
            else:
                self._unwritten[_key(queued)] = (again, due)
            self._report(f"a message by {queued.channel} could not be delivered: {what}")

    def _finish(self, queued: QueuedMessage) -> None:
        if queued.number < 0:
            self._in_memory.pop(_key(queued), None)
        else:
            self._unwritten[_key(queued)] = (queued, None)

    def _record(self) -> None:
        for key, (queued, due) in list(self._unwritten.items()):
            if due is None:
                self._state_store.sent(queued)
            else:
                self._state_store.not_sent(queued, due)
            del self._unwritten[key]


def _has_come(due: datetime, now: datetime) -> bool:
    """Or nobody ever waits for so long: the clock was set back since."""
    return due <= now or due > now + LONGEST_WAIT + A_LITTLE


def _key(queued: QueuedMessage) -> _Key:
    """Which one it is: numbers begin anew with the file."""
    return queued.number, queued.channel, queued.at
