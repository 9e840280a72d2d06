"""Letters on their way: they wait in the findings until their channel has taken them, through every restart.

Everything that touches the findings happens on the daemon's thread; a channel is given a letter on a thread of its own, one
at a time for each, so that a mail server that hangs keeps nobody from anything. A letter that nobody takes is tried again
after a minute, two, four, … up to an hour, and given up after three days: by then another way must have told it.
"""

from __future__ import annotations

import queue
from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import partial

from policies.notify.channels import Channel
from policies.notify.message import Message
from policies.promises.findings import Findings, Letter
from policies.schedule.jobs import Launch, in_a_thread
from vault.clock import Clock
from vault.errors import StrongroomError

FIRST_WAIT, LONGEST_WAIT = timedelta(minutes=1), timedelta(hours=1)
GIVEN_UP_AFTER = timedelta(days=3)


class Post:
    """tell: hears what could not be delivered."""

    def __init__(
        self,
        findings: Findings,
        channels: Sequence[Channel],
        clock: Clock,
        tell: Callable[[str], None],
        *,
        launch: Launch = in_a_thread,
    ) -> None:
        self._findings = findings
        self._clock = clock
        self._tell = tell
        self._launch = launch
        self._busy: set[str] = set()
        self._done: queue.SimpleQueue[tuple[Letter, Exception | None]] = queue.SimpleQueue()
        self._channels: dict[str, Channel] = {}
        self.use(channels)

    def use(self, channels: Sequence[Channel]) -> None:
        """From now on these are the ways to tell people."""
        self._channels = {channel.name: channel for channel in channels}

    def letters(self, message: Message) -> list[tuple[str, dict[str, object]]]:
        """What goes into the outbox for a message: a letter for each channel."""
        return [(name, message.as_json()) for name in self._channels]

    def deliver(self) -> None:
        """Hear what became of letters, and give out those whose time has come. Raises `StrongroomError` of the findings."""
        self._collect()
        for letter in self._findings.letters(self._clock.now()):
            channel = self._channels.get(letter.channel)
            if channel is None:  # the settings no longer have it
                self._findings.sent(letter.number)
            elif letter.channel not in self._busy:
                self._launch(f"tell {letter.channel}", partial(self._give, channel, letter))
                self._busy.add(letter.channel)

    @property
    def is_idle(self) -> bool:
        """Whether no channel is being told anything."""
        return not self._busy

    def _give(self, channel: Channel, letter: Letter) -> None:
        """On a thread of its own."""
        trouble: Exception | None = None
        try:
            channel.tell(Message.from_json(letter.value))
        except Exception as error:  # noqa: BLE001 (whatever it was is told, and the letter is tried again)
            trouble = error
        self._done.put((letter, trouble))

    def _collect(self) -> None:
        now = self._clock.now()
        while not self._done.empty():
            letter, trouble = self._done.get()
            self._busy.discard(letter.channel)
            if trouble is None:
                self._findings.sent(letter.number)
                continue
            # what is not one of ours may hold a secret in its words
            what = str(trouble) if isinstance(trouble, StrongroomError) else type(trouble).__name__
            if now - letter.at > GIVEN_UP_AFTER:
                self._findings.sent(letter.number)
                self._tell(f"a letter by {letter.channel} is given up after {letter.attempts + 1} tries: {what}")
                continue
            wait = min(LONGEST_WAIT, FIRST_WAIT * (1 << min(letter.attempts, 20)))
            self._findings.not_sent(letter.number, now + wait)
            self._tell(f"a letter by {letter.channel} could not be delivered: {what}")
