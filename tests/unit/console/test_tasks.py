"""Tasks are written down before they begin, are tried again where that may help, and go on after the console was ended."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast
from zoneinfo import ZoneInfo

import pytest
from msgspec.structs import replace

from console.access.rights import Action, Person, Role, Scope
from console.basket import Entry
from console.errors import NotAllowed, NotThere, TooLarge
from console.gateway.restoring import LOOK_AT_RIGHTS, WhileAllowed
from console.limits import ConsoleLimits
from console.live_settings import ConsoleRules
from console.post import Write, no_readers
from console.return_options import ReturnOptions
from console.state import ConsoleState
from console.tasks import records
from console.tasks.records import Outcome, State, Task, Tasks, Trouble
from console.tasks.runner import TaskRunner, Work
from console.tasks.signals import RunningTask
from console.texts import Texts
from console.visit import Console
from tests.support.clock import StillClock
from tests.support.console import person
from vault.errors import Busy, Interrupted, NoRepository, StorageFull, TargetError, TransientStorageError
from vault.randomness import SystemRandomness

PATIENCE = 30.0


class Letters:
    """Whom somebody was told."""

    def __init__(self) -> None:
        self.told: list[tuple[str, str]] = []

    def tell(self, person: str, write: Write) -> None:
        self.told.append((person, write(Texts("en", ZoneInfo("UTC"))).subject))

    def tell_all(self, write: Write, readers: Callable[[], Iterable[str]] = no_readers) -> None:
        raise AssertionError(write)


def console_at(folder: Path, limits: ConsoleLimits | None = None) -> Console:
    """One without pages and repositories."""
    state = ConsoleState(folder / "console.sqlite")
    state.migrate(records.AREA, records.TABLES)
    nothing = cast(Any, None)
    return Console(
        nothing,
        state,
        nothing,
        nothing,
        nothing,
        StillClock(),
        SystemRandomness(),
        lambda: ConsoleRules(limits=limits or ConsoleLimits()),
        post=Letters(),
    )


@pytest.fixture
def console(tmp_path: Path) -> Console:
    return console_at(tmp_path)


def added(console: Console, name: str = "one", person: str = "anna", state: State = "queued", goal: str = "place") -> Task:
    now = console.clock.now()
    task = Task(
        id=name,
        person=person,
        project="acme",
        action=Action.RESTORE_IN_PLACE,
        scope=Scope(((frozenset({"reports"}), ("reports/**",)),)),
        options=ReturnOptions(cast(Any, goal)),
        entries=(Entry("item", b"reports/\xff.csv"),),
        created=now,
        due=now,
        state=state,
    )
    Tasks(console.state).add(task, console.limits.tasks_by_person)
    return task


@contextmanager
def running(console: Console, work: Work) -> Iterator[TaskRunner]:
    runner = TaskRunner(console, work)
    runner.start()
    try:
        yield runner
    finally:
        runner.stop()


def reached(console: Console, task: str, *states: State, when: Callable[[Task], bool] = lambda task: True) -> Task:
    """The task once it is in one of these states."""
    deadline = time.monotonic() + PATIENCE
    while True:
        found = Tasks(console.state).get(task)
        if found.state in states and when(found):
            return found
        assert time.monotonic() < deadline, found
        time.sleep(0.01)


def test_a_task_is_what_was_asked_for_whatever_its_names_are(console: Console) -> None:
    task = added(console)
    assert Tasks(console.state).get("one", "anna") == task
    for name in ("ivan", ""):
        with pytest.raises(NotThere):
            Tasks(console.state).get("one", name)


def test_what_becomes_of_it_is_kept_and_told_to_its_person(console: Console) -> None:
    added(console)
    added(console, "two")

    def work(console: Console, task: Task, running: RunningTask) -> Outcome:
        troubles = (Trouble("a", "newer", "it stays"),) if task.id == "two" else ()
        return Outcome(files=3, problems=len(troubles), troubles=troubles)

    with running(console, work):
        assert reached(console, "one", "done").outcome.files == 3
        assert reached(console, "two", "partly").outcome.troubles[0].path == "a"
    assert Tasks(console.state).unseen("anna") == 2
    Tasks(console.state).look("one")
    assert Tasks(console.state).unseen("anna") == 1
    assert sorted(cast(Letters, console.post).told) == [
        ("anna", "Your restore in acme is done"),
        ("anna", "Your restore in acme is done, and not all is as you asked"),
    ]


@pytest.mark.parametrize("error", [Busy("somebody"), TransientStorageError("a reset"), NoRepository("not mounted")])
def test_what_may_pass_is_tried_again_later_and_given_up_at_last(console: Console, error: Exception) -> None:
    added(console)
    tries: list[int] = []

    def work(console: Console, task: Task, running: RunningTask) -> Outcome:
        tries.append(task.attempts)
        raise error

    with running(console, work):
        for attempt in range(1, console.limits.attempts):
            waiting = reached(console, "one", "queued", when=lambda task, attempt=attempt: task.attempts == attempt)  # type: ignore[misc]
            assert waiting.due > console.clock.now() and waiting.error == str(error)
            console.clock.sleep((waiting.due - console.clock.now()).total_seconds())
            console.tasks.wake.set()
        assert reached(console, "one", "failed").error == str(error)
    assert tries == list(range(1, console.limits.attempts + 1))


@pytest.mark.parametrize(
    ("error", "state", "words"),
    [
        (TargetError("the disk is full", hint="free some room"), "failed", "the disk is full"),
        (StorageFull("no room"), "failed", "no room"),
        (NotAllowed("not any more"), "refused", "not any more"),
        (ZeroDivisionError("olena,17"), "failed", "something went wrong that nobody expected"),
    ],
)
def test_what_does_not_pass_ends_it_in_words_without_content(
    console: Console, error: Exception, state: State, words: str
) -> None:
    added(console)

    def work(console: Console, task: Task, running: RunningTask) -> Outcome:
        raise error

    with running(console, work):
        task = reached(console, "one", state)
        assert task.error == words and "olena" not in task.hint
        assert ("its log has under it" in task.hint) == isinstance(error, ZeroDivisionError)


def until_ended(began: threading.Event) -> Work:
    """Work that ends when it is told to."""

    def work(console: Console, task: Task, running: RunningTask) -> Outcome:
        running.phase("restoring", items=10, size=100)
        running.advance(items=5, size=50)
        began.set()
        while True:
            running()
            time.sleep(0.005)

    return work


def test_one_that_runs_tells_how_far_it_is_and_can_be_cancelled(console: Console) -> None:
    added(console)
    began = threading.Event()
    with running(console, until_ended(began)):
        assert began.wait(PATIENCE)
        progress = console.tasks.progress("one")
        assert progress is not None and (progress.share, progress.items, progress.of_items) == (0.5, 5, 10)
        console.tasks.end("one", "cancelled")
        reached(console, "one", "cancelled")
    assert console.tasks.progress("one") is None


def test_what_runs_when_the_console_ends_goes_on_when_it_starts_again(console: Console) -> None:
    added(console)
    began = threading.Event()
    with running(console, until_ended(began)):
        assert began.wait(PATIENCE)
    assert Tasks(console.state).get("one").state == "queued"
    with running(console, lambda console, task, running: Outcome(files=1)):
        assert reached(console, "one", "done").outcome.files == 1


def test_what_ran_when_the_console_was_killed_goes_on_and_a_download_can_be_fetched_again(console: Console) -> None:
    added(console)
    added(console, "two", goal="download", state="ready")
    tasks = Tasks(console.state)
    assert tasks.take(console.clock.now()) is not None
    tasks.change(replace(tasks.get("two"), state="running"))
    with running(console, lambda console, task, running: Outcome(files=task.attempts)):
        assert reached(console, "one", "done").outcome.files == 2
    assert tasks.get("two").state == "ready"


def test_work_that_runs_is_ended_soon_after_its_person_may_not_have_it_done_any_more(tmp_path: Path) -> None:
    people: list[Person | None] = [person("anna", Role.RESTORER)]
    console = replace(console_at(tmp_path), people=lambda _: people[-1])
    running = RunningTask(console.clock)
    stop = WhileAllowed(console, added(console), running)
    for known in (None, person("anna", Role.RESTORER, Role.OPERATOR), person("anna", Role.RESTORER)):
        people.append(known)
        console.clock.sleep(LOOK_AT_RIGHTS)
        stop()
    people.append(person("anna", Role.RESTORER, kinds=["tickets"]))
    stop()
    console.clock.sleep(LOOK_AT_RIGHTS)
    with pytest.raises(Interrupted):
        stop()
    assert running.ended_by == "not-allowed"


def test_people_take_turns_and_one_has_only_so_many(tmp_path: Path) -> None:
    console = console_at(tmp_path, ConsoleLimits(tasks_by_person=2))
    for name, who in (("a1", "anna"), ("a2", "anna"), ("i1", "ivan")):
        added(console, name, who)
        console.clock.sleep(1)
    with pytest.raises(TooLarge, match="too many of your tasks"):
        added(console, "a3")
    tasks = Tasks(console.state)
    taken = [tasks.take(console.clock.now()) for _ in range(4)]
    assert [one and one.id for one in taken] == ["a1", "i1", "a2", None]


def test_only_so_many_downloads_are_sent_at_once(tmp_path: Path) -> None:
    console = console_at(tmp_path, ConsoleLimits(downloads_at_once=3, downloads_by_person=2))
    mine, other = added(console, state="ready"), added(console, "two", "ivan", state="ready")
    sent = [RunningTask(console.clock) for _ in range(5)]
    assert [console.tasks.admit(mine, one, console.limits) for one in sent[:3]] == [True, True, False]
    assert [console.tasks.admit(other, one, console.limits) for one in sent[3:]] == [True, False]
    console.tasks.ended(mine.id, sent[0])
    assert console.tasks.admit(mine, sent[2], console.limits)


def test_old_tasks_are_forgotten(console: Console) -> None:
    task = added(console)
    Tasks(console.state).change(replace(task, state="done", ended=console.clock.now()))
    console.clock.sleep(records.KEPT.total_seconds() + 1)
    added(console, "two")
    assert [one.id for one in Tasks(console.state).of_person("anna")] == ["two"]
