"""Letters on their way, in simulated time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from policies.monitoring.state_store import StateStore
from policies.notifications.channels import NotDelivered, PartlyDelivered
from policies.notifications.message import Line, Message
from policies.notifications.outbox import Outbox
from tests.support.stage import NOON, StageClock

MESSAGE = Message("desk", NOON, (Line("sdek/reports", "rpo", "late", "look"),), ())


class Channel:
    """Takes letters, or fails as often as it is told to."""

    def __init__(self, name: str = "email", failures: int = 0) -> None:
        self.name = name
        self.failures = failures
        self.told: list[Message] = []
        self.tries = 0

    def send(self, message: Message) -> None:
        self.tries += 1
        if self.failures:
            self.failures -= 1
            raise NotDelivered("nobody is at home")
        self.told.append(message)


@pytest.fixture
def state_store(tmp_path: Path) -> Iterator[StateStore]:
    with StateStore.open(tmp_path / "findings.sqlite") as opened:
        yield opened


def at_once(_name: str, work: Callable[[], None]) -> None:
    work()


def posted(state_store: StateStore, clock: StageClock, notices: list[str], *channels: Channel) -> Outbox:
    post = Outbox(state_store, channels, clock, notices.append, launch=at_once)
    state_store.change_alerts([], [], post.for_channels(MESSAGE), clock.now())
    return post


def test_each_channel_gets_a_letter_once(state_store: StateStore) -> None:
    mail, hook, clock = Channel(), Channel("webhook"), StageClock()
    post = posted(state_store, clock, [], mail, hook)
    for _ in range(5):
        post.deliver()
        clock.sleep(60)
    assert mail.told == hook.told == [MESSAGE] and state_store.queued_messages(clock.now()) == []


def test_a_letter_that_nobody_takes_is_tried_again_later_and_later_and_the_others_do_not_wait(state_store: StateStore) -> None:
    mail, hook, clock, notices = Channel(failures=4), Channel("webhook"), StageClock(), list[str]()
    post = posted(state_store, clock, notices, mail, hook)
    post.deliver()
    assert hook.told == [MESSAGE]
    post.deliver()
    tries = []
    for minute in range(40):
        before = mail.tries
        post.deliver()
        post.deliver()  # hears what became of the first
        tries += [minute] * (mail.tries - before)
        clock.sleep(60)
    assert mail.told == [MESSAGE] and len(notices) == 4 and tries == [1, 3, 7, 15]


def test_a_letter_is_given_up_after_three_days_and_that_is_told(state_store: StateStore) -> None:
    mail, clock, notices = Channel(failures=10_000), StageClock(), list[str]()
    post = posted(state_store, clock, notices, mail)
    for _ in range(80):
        post.deliver()
        clock.sleep(3600)
    assert "given up" in notices[-1] and state_store.queued_messages(clock.now() + timedelta(days=9)) == []


def test_a_letter_survives_the_process(state_store: StateStore) -> None:
    clock = StageClock()
    posted(state_store, clock, [], Channel(failures=1)).deliver()
    clock.sleep(3600)
    again = Channel()
    post = Outbox(state_store, [again], clock, list[str]().append, launch=at_once)
    post.deliver()
    assert again.told == [MESSAGE]


def test_a_channel_that_hangs_is_asked_once_and_keeps_nobody_waiting(state_store: StateStore) -> None:
    clock, hanging, other = StageClock(), list[Callable[[], None]](), Channel("webhook")

    def launch(name: str, work: Callable[[], None]) -> None:
        hanging.append(work) if name == "tell email" else work()

    post = Outbox(state_store, [Channel(), other], clock, list[str]().append, launch=launch)
    state_store.change_alerts([], [], [*post.for_channels(MESSAGE), *post.for_channels(MESSAGE)], clock.now())
    for _ in range(5):
        post.deliver()
    assert len(hanging) == 1 and len(other.told) == 2


def test_a_letter_for_a_channel_that_is_no_longer_in_the_settings_goes(state_store: StateStore) -> None:
    clock = StageClock()
    post = posted(state_store, clock, [], Channel())
    post.use([])
    post.deliver()
    assert state_store.queued_messages(clock.now()) == [] and post.for_channels(MESSAGE) == []


def test_a_mistake_in_a_channel_is_told_without_its_words(state_store: StateStore) -> None:
    class Careless(Channel):
        def send(self, message: Message) -> None:
            raise ValueError("the password is hunter2")

    clock, notices = StageClock(), list[str]()
    post = posted(state_store, clock, notices, Careless())
    post.deliver()
    post.deliver()
    assert notices == ["a message by email could not be delivered: ValueError"]


def test_a_thread_that_cannot_be_had_costs_one_try_and_no_letter(state_store: StateStore) -> None:
    mail, clock, threads = Channel(), StageClock(), [False, True]

    def launch(name: str, work: Callable[[], None]) -> None:
        if not threads.pop(0):
            raise RuntimeError("can't start new thread")
        work()

    post = Outbox(state_store, [mail], clock, list[str]().append, launch=launch)
    state_store.change_alerts([], [], post.for_channels(MESSAGE), clock.now())
    with pytest.raises(RuntimeError):
        post.deliver()
    assert post.is_idle
    post.deliver()
    assert mail.told == [MESSAGE]


def test_a_letter_that_only_some_took_is_tried_again_for_the_others(state_store: StateStore) -> None:
    class Fussy(Channel):
        def send(self, message: Message) -> None:
            self.told.append(message)
            if len(self.told) == 1:
                raise PartlyDelivered("a server refuses one", ["b@example.org"])

    mail, clock = Fussy(), StageClock()
    post = posted(state_store, clock, [], mail)
    for _ in range(100):
        post.deliver()
        clock.sleep(10)
    assert [one.only for one in mail.told] == [(), ("b@example.org",)] and mail.told[1].firing == MESSAGE.firing


def test_a_letter_of_a_clock_that_was_ahead_is_tried_again_once_the_clock_is_right(state_store: StateStore) -> None:
    mail, clock = Channel(failures=1), StageClock(NOON + timedelta(days=400))
    post = posted(state_store, clock, [], mail)
    post.deliver()
    post.deliver()
    clock.set(NOON)
    for _ in range(3):
        post.deliver()
    assert mail.told == [MESSAGE] and state_store.queued_messages(clock.now()) == []


def test_a_machine_that_boots_without_a_clock_and_a_network_gives_up_no_letter_when_the_clock_is_set(
    state_store: StateStore,
) -> None:
    mail, clock, notices = Channel(failures=3), StageClock(NOON - timedelta(days=20_000)), list[str]()
    post = posted(state_store, clock, notices, mail)
    post.deliver()
    clock.set(NOON)
    for _ in range(20):
        post.deliver()
        clock.sleep(60)
    assert mail.told == [MESSAGE] and not any("given up" in notice for notice in notices)
