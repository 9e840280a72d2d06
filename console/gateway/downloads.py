"""Downloads: addresses that are signed and good for minutes, and contents that are sent while they are read.

An address is good for the person whom it was made for, while they are signed in, and until its moment. The work is done by a
thread of its own, which a slow or broken connection ends; a download that was not sent to its end is never called done.
"""

from __future__ import annotations

import hashlib
import hmac
import threading
from typing import TYPE_CHECKING

from msgspec import Struct, field
from msgspec.structs import replace

from console.access.rights import Scope
from console.errors import NotAllowed, NotThere
from console.gateway import checks, picking
from console.gateway.planning import outcome_of, restore_options
from console.gateway.restoring import WhileAllowed
from console.incidents import Unexpected, noted
from console.pipes import Pipe
from console.tasks.records import State, Task, Tasks
from console.tasks.signals import RunningTask
from console.texts import marked
from console.visit import Visit
from strongroom import command_log
from strongroom.download import PlannedDownload, download, plan_download
from vault.errors import Busy, StrongroomError

if TYPE_CHECKING:
    from console.visit import Console
    from strongroom.restore_result import RestoreResult

TOO_MANY = marked("too many of your downloads are running")


class Address(Struct, frozen=True):
    """The parts of a download's address. until: seconds since 1970, as text · key: its signature."""

    task: str
    name: str
    until: str
    key: str


class Sending(Struct, frozen=True):
    """A download on its way. size: in bytes; None where nobody knows before · running: ends it · thread: that does it."""

    name: str
    size: int | None
    pipe: Pipe
    running: RunningTask
    thread: threading.Thread

    def close(self) -> None:
        """The reader is gone, or has got everything."""
        self.pipe.leave()
        self.running.end("gone")


def address_of(visit: Visit, task: Task) -> Address:
    """Of a download of whoever asks, good from now on for as long as the limits say."""
    until = str(int(visit.now.timestamp() + visit.console.limits.address))
    return Address(task.id, task.name, until, _signature(visit.console, task.id, task.person, until))


def task_of(visit: Visit, address: Address) -> Task:
    """What an address is of. Raises `NotThere` for one that is not good any more."""
    console, person = visit.console, visit.person.name
    expected = _signature(console, address.task, person, address.until)
    if not hmac.compare_digest(expected.encode(), address.key.encode("utf-8", "replace")) or not _is_good(visit, address.until):
        raise NotThere("this address is not good any more", hint="open the page of the task, and take the new one there")
    return Tasks(console.state).get(address.task, person)


def begin(visit: Visit, task: Task) -> Sending:
    """Begin to send it. Raises `NotThere` where it is no download, `Busy` where too many are being sent, and what reading meets
    before the first byte."""
    console = visit.console
    if not task.is_download or task.state not in ("ready", "running", "done", "partly", "failed"):
        raise NotThere("there is no such download", hint="see the list of your tasks")
    now = visit.person.scope(task.action, task.project, visit.now)
    if not now:
        raise NotAllowed("you may not do this any more", hint="ask whoever administers the console for the role")
    running = RunningTask(console.clock)
    running.end_after(console.limits.longest_download)
    if not console.tasks.admit(task, running, console.limits):
        raise Busy(TOO_MANY, hint="wait until one of them is over, or cancel it")
    sender = _Sender(console, task, (task.scope, now), running, Pipe(console.limits.stall, stop=running))
    thread = threading.Thread(target=sender.run, name=f"download-{task.id[:8]}", daemon=True)
    thread.start()
    try:
        sender.pipe.begun()
    except BaseException:
        running.end("gone")
        raise
    return Sending(task.name, sender.plans[0].size if sender.plans else None, sender.pipe, running, thread)


class _Sender(Struct, frozen=True):
    """Reads and sends, in a thread of its own. scopes: within which it is allowed · plans: gets the plan once it is made."""

    console: Console
    task: Task
    scopes: tuple[Scope, ...]
    running: RunningTask
    pipe: Pipe
    plans: list[PlannedDownload] = field(default_factory=list)

    def run(self) -> None:
        """The pipe hears of every error, and the task of what became of it."""
        tasks, now = Tasks(self.console.state), self.console.clock.now
        error: BaseException | None = None
        begun = replace(self.task, state="running", attempts=self.task.attempts + 1)
        after = replace(begun, state="ready")
        try:
            tasks.change(begun, unless=("cancelled",))
            outcome = outcome_of(self._sent(), "")
            state: State = "partly" if outcome.problems else "done"
            after = replace(begun, state=state, ended=now(), outcome=outcome, error="", hint="")
        except BaseException as met:  # noqa: BLE001 (whoever reads the pipe raises it)
            error = met
            if self.running.ended_by == "cancelled":
                after = replace(begun, state="cancelled", ended=now())
            else:
                shown = met if isinstance(met, StrongroomError) else self._unexpected(met)
                after = replace(begun, state="ready", error=str(shown), hint=shown.hint or "")
        finally:
            self.console.tasks.ended(self.task.id, self.running)
            try:
                tasks.change(after, unless=("cancelled",))
            finally:
                self.pipe.end(error)

    def _unexpected(self, met: BaseException) -> Unexpected:
        return Unexpected(noted(met, f"download {self.task.id} of {self.task.person}", self.console.randomness))

    def _sent(self) -> RestoreResult:
        task, console, running = self.task, self.console, self.running
        with command_log.acting_as(task.person, "console"), console.repositories.lent() as repository:
            project = repository.project(task.project)
            checks.require_content(project)
            found = picking.selected(project, task.entries, self.scopes, sources_apart=False, stop=running)
            options = replace(restore_options(task.options), room=lambda: console.tasks.share(console.limits.read_ahead))
            self.plans.append(plan_download(project.context, found, options, compressed=task.options.compressed))
            about = {"task": task.id, "approved_by": task.approved_by}
            with command_log.recorded(project.context, "restore", [project.stored], about):
                stop = WhileAllowed(console, task, running)
                result = download(self.plans[0], self.pipe, stop=stop, progress=running)  # type: ignore[arg-type]
                self.pipe.flush()
                return result


def _signature(console: Console, task: str, person: str, until: str) -> str:
    key = Tasks(console.state).key(console.randomness.token(32))
    said = f"{task}\0{person}\0{until}".encode("utf-8", "surrogatepass")
    return hmac.new(key, said, hashlib.sha256).hexdigest()


def _is_good(visit: Visit, until: str) -> bool:
    return until.isascii() and until.isdigit() and len(until) < 12 and visit.now.timestamp() < int(until)
