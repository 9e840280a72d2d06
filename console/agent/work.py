"""One restore that a console has asked this host for: checked, planned and done by the library, as people asked for it.

All of what the console says is bounded by its form (`console.hosts.messages`), and by this host: its settings say what may go
where, paths are names of items to be selected and nothing else, and the plan that counts is the one that is made here.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from contextlib import suppress
from itertools import islice
from typing import TYPE_CHECKING
from urllib.parse import unquote_to_bytes

from console.access.rights import Scope
from console.basket import LONGEST_NAME, Entry
from console.errors import BadAnswer, ConsoleAway, LeaseLost
from console.gateway.planning import MoreReplaced, destination_of, outcome_of, planned_restore
from console.hosts.messages import FinishBody, HostOutcome, HostPlan, HostTrouble, ReportBody, Work
from console.incidents import noted
from console.return_options import ReturnOptions
from console.tasks.signals import RunningTask
from strongroom import command_log
from strongroom.restore import restore
from vault.errors import (
    Busy,
    Interrupted,
    NoRepository,
    StorageError,
    StorageFull,
    StrongroomError,
    UsageError,
)
from vault.problems import printable
from vault.randomness import SystemRandomness

if TYPE_CHECKING:
    from console.agent.client import ConsoleClient
    from console.agent.rules import HostRules
    from console.repositories import RepositoryPool
    from console.tasks.records import Outcome
    from strongroom.repository import Repository
    from strongroom.restore_plan import PlannedPart, PlannedRestore
    from vault.clock import Clock

NAMED = 20

_log = logging.getLogger("strongroom.agent")

PARTS = 6.0
"""A lease is renewed so often while it is good."""
LONGEST_PAUSE = 5.0
"""Seconds between two reports: whoever cancels waits no longer."""
TELL_FOR = 600.0
"""Seconds for which the outcome is sent again to a console that is away."""
LONGEST_TEXT, MOST_TROUBLES_SENT = 1000, 100
"""The reports on single items fit into a request."""


class LeasedTask(RunningTask):
    """Tells the console how far a restore is, and ends it where its person has cancelled it, or the lease may be over: the
    console that says nothing may have given it to another host. A context manager: it tells while it is open."""

    def __init__(self, client: ConsoleClient, work: Work, clock: Clock) -> None:
        super().__init__(clock)
        self._client = client
        self._work = work
        self._now = clock
        self._good_until = clock.monotonic() + work.seconds
        self._pause = min(LONGEST_PAUSE, work.seconds / PARTS)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._tell, name="lease", daemon=True)

    def __enter__(self) -> LeasedTask:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def __call__(self) -> None:
        """Raises `Interrupted` once it was ended."""
        if self._now.monotonic() >= self._good_until:
            self.end("lost")
        super().__call__()

    def _tell(self) -> None:
        while not self._over.wait(self._pause):
            self.tell()

    def tell(self) -> None:
        """Say how far it is, once."""
        at = self.progress
        body = ReportBody(self._work.lease, at.phase[:100], at.items, at.of_items, at.size, at.of_bytes, at.seconds)
        asked = self._now.monotonic()
        try:
            answer = self._client.report(body)
        except LeaseLost:
            self.end("lost")
        except (ConsoleAway, BadAnswer):
            pass  # for as long as the lease is good
        except StrongroomError:
            self.end("lost")
        else:
            self._good_until = asked + answer.seconds
            if not answer.go_on:
                self.end("cancelled")


def carry_out(repositories: RepositoryPool, host: HostRules, work: Work, running: LeasedTask) -> FinishBody:
    """Do it. What could not be done is what comes of it: nothing is raised."""
    try:
        with repositories.lent() as repository:
            outcome = _restored(repository, host, work, running)
    except MoreReplaced as error:
        return FinishBody(work.lease, "confirm", plan=_plan(error.planned))
    except Interrupted:
        why = {"lost": "the console said nothing for too long", "cancelled": "it was cancelled"}
        return FinishBody(work.lease, "stopped", error=why.get(running.ended_by, "the host was told to end"))
    except StrongroomError as error:
        _log.error("task %s: %s", work.task, error)
        result = "again" if _may_pass(error) else "failed"
        return FinishBody(
            work.lease,
            result,  # type: ignore[arg-type]  # one of both
            error=str(error)[:LONGEST_TEXT],
            hint=(error.hint or "")[:LONGEST_TEXT],
        )
    except Exception as error:  # noqa: BLE001 (the task says that it failed, and the log says why)
        number = noted(error, f"task {work.task}", SystemRandomness())
        words = "something went wrong on the host that nobody expected"
        return FinishBody(work.lease, "failed", error=words, hint=f"the log of the host has under {number} where this happened")
    return FinishBody(work.lease, "restored", _host_outcome(outcome))


def tell(client: ConsoleClient, body: FinishBody, clock: Clock, stop: Callable[[], None]) -> str:
    """The state of the task, once the console knows what came of it. Raises `LeaseLost`, `ConsoleAway` where it was away for
    too long, and what `stop` raises."""
    until, pause = clock.monotonic() + TELL_FOR, 1.0
    while True:
        try:
            return client.finish(body).state
        except (ConsoleAway, BadAnswer):
            if clock.monotonic() + pause > until:
                raise
        with suppress(Interrupted):  # once more, though this host is to end
            stop()
            clock.sleep(pause)
            pause = min(pause * 2, 30.0)
            continue
        return client.finish(body).state


def _restored(repository: Repository, host: HostRules, work: Work, running: LeasedTask) -> Outcome:
    host.require_allowed(work)
    _require_names(work)
    project = repository.project(work.project)
    options = _options(work)
    entries = tuple(_entry(one.sort, one.name, one.kind, one.at, one.deleted) for one in work.entries)
    scopes = [Scope(tuple((frozenset(part.kinds), tuple(part.paths)) for part in parts)) for parts in work.scopes]
    destination = destination_of(host.settings.folders, project, options, work.person)
    with command_log.acting_as(work.person, "console agent"):
        planned = planned_restore(project, entries, scopes, options, destination, running)
        about = {"task": work.task, "approved_by": work.approved_by, "carried_out_for": host.console}
        with command_log.recorded(project.context, "restore", [project.stored], about):
            result = restore(planned, stop=running, progress=running)
    where = planned.where if work.goal == "place" else f"{work.folder}: {destination_name(planned)}"
    return outcome_of(result, where)


def destination_name(planned: PlannedRestore) -> str:
    """The name of the folder that is new."""
    return planned.where.rpartition("/")[2]


def _require_names(work: Work) -> None:
    """Raises `UsageError` for what could not stand in a log, or is no moment."""
    for text in (work.person, work.approved_by, work.task, work.folder):
        if not text.isprintable():
            raise UsageError("the console names somebody by what is no name", hint="see the console")
    for part in (part for parts in work.scopes for part in parts):
        if any(not one for one in (*part.kinds, *part.paths)):
            raise UsageError("the console names a scope that is none", hint="see the console")


def _options(work: Work) -> ReturnOptions:
    return ReturnOptions(
        goal=work.goal,
        folder=work.folder,
        existing=work.existing if work.goal == "place" else "",
        format="" if work.goal == "place" else work.format,
        merge=work.merge and work.goal != "place",
        people=work.people and work.goal != "place",
        incomplete=work.incomplete,
        verify=work.verify,
        moment=work.moment,
        replacing=work.replacing,
    )


def _entry(sort: str, name: str, kind: str, at: str, deleted: str) -> Entry:
    """Raises `UsageError` for a path that is none."""
    path = unquote_to_bytes(name)
    if len(path) > LONGEST_NAME or b"\0" in path:
        raise UsageError("the console names a path that is none", hint="see the console")
    return Entry(sort, path, kind, at, deleted)  # type: ignore[arg-type]  # as their form says


def _may_pass(error: StrongroomError) -> bool:
    """Whether it is worth another try."""
    return isinstance(error, Busy | StorageError | NoRepository) and not isinstance(error, StorageFull)


def _plan(planned: PlannedRestore) -> HostPlan:
    names = (printable(path) for part in planned.parts for path in _replaced(part))
    return HostPlan(
        files=planned.files,
        size=planned.bytes_to_write,
        replacing=planned.replacing,
        kept_newer=sum(each.newer for each in planned.plans),
        skipped=sum(each.skipped for each in planned.plans),
        beside=sum(len(each.renamed) for each in planned.plans),
        already_there=sum(each.already_there for each in planned.plans),
        where=planned.where[:LONGEST_TEXT],
        names=[one[:LONGEST_TEXT] for one in islice(names, NAMED)],
    )


def _replaced(part: PlannedPart) -> list[bytes]:
    """The first of the items that exist and would be replaced, each with its kind in front."""
    plan = part.plan
    below = b"" if part.source_root is None else part.source_root.kind.encode() + b"/"
    return [below + path for path in plan.items["path"].take(sorted(plan.replacing)[:NAMED]).to_pylist()]


def _host_outcome(outcome: Outcome) -> HostOutcome:
    troubles = [
        HostTrouble(one.path[:LONGEST_TEXT], one.what[:100], one.message[:LONGEST_TEXT])
        for one in outcome.troubles[:MOST_TROUBLES_SENT]
    ]
    return HostOutcome(
        outcome.files,
        outcome.bytes,
        outcome.already_there,
        outcome.problems,
        troubles,
        outcome.where[:LONGEST_TEXT],
        outcome.verified,
    )
