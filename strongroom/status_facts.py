"""What a status is made of: what the repository says of a project, and what this machine knows of its runs, checks and drills.

What the repository says is asked apart from what this machine knows: where the store is away the rest is shown all the same.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from msgspec import Struct, field
from msgspec.structs import replace

from strongroom import context, environment, local_state, notices
from strongroom.project_status import (
    AHEAD,
    FAILED,
    LATE,
    NEVER,
    NOT_ASKED,
    OK,
    PROBLEMS,
    UNLISTED,
    WHOLE_PROJECT,
    CheckedPacks,
    CopyStatus,
    FailedBackup,
    LastDrill,
    ProjectStatus,
    SourceStatus,
    running_backup,
)
from strongroom.settings import Settings
from vault import wording
from vault.errors import NoRepository, StrongroomError
from vault.problems import printable
from vault.wording import counted, quoted

if TYPE_CHECKING:
    from policies.daemon.heartbeat import Heartbeat
    from policies.daemon.job_config import JobConfig, ProjectConfig
    from policies.monitoring.alerts import Alert
    from policies.monitoring.state_store import StateStore
    from policies.scheduling.run_history import RunHistoryReader
    from vault.format.claim import Claim
    from vault.format.snapshot_record import Record
    from vault.problems import Problem
    from vault.repository.missing_objects import Missing
    from vault.repository.project import Project

LATE_TO_START = timedelta(minutes=10)
"""A job may be due for so long before somebody must be there to start it."""

_UNREADABLE = {"damaged-note": "notes are damaged", "damaged-hold": "holds are damaged"}
"""What is said of problems that are not about records."""

_ALSO_UNLISTED = frozenset({"damage", "frozen"})
"""Promises that are kept to a project which the settings do not name: a command ends them."""


class RepositoryState(Struct, frozen=True):
    """What the repository says of a project. heads: the newest snapshot of each source · claims: of runs under way · damaged:
    records, notes and holds that cannot be read · missing: what was here and is gone · frozen: why retention is · reads:
    whether this machine may read content · readers: who may, where this machine may not and grants say so · finished: when each
    snapshot was, by its id · lacking: by copy, the snapshots that it lacks, where its store was asked · unreached: copies that
    were not reached, and why."""

    heads: Mapping[str, Record]
    claims: Sequence[Claim]
    damaged: Sequence[Problem]
    missing: Sequence[Missing]
    frozen: tuple[str, ...]
    reads: bool = True
    readers: tuple[str, ...] = ()
    finished: Mapping[str, datetime] = field(default_factory=dict)
    lacking: Mapping[str, frozenset[str]] = field(default_factory=dict)
    unreached: Mapping[str, str] = field(default_factory=dict)

    @property
    def unreadable(self) -> dict[str, list[str]]:
        """The names of what cannot be read, by what it is, in words."""
        found: dict[str, list[str]] = {}
        for one in self.damaged:
            found.setdefault(_UNREADABLE.get(one.what, "records are damaged"), []).append(printable(one.path))
        return found

    @property
    def gone(self) -> dict[str, list[str]]:
        """The ids of what is missing, by what it is, snapshots first."""
        found: dict[str, list[str]] = {}
        for one in self.missing:
            found.setdefault(one.what, []).append(one.id)
        return found


def ask_repository(opened: context.Context, project: Project) -> RepositoryState:
    """Raises `StorageError`."""
    from policies.monitoring import retention_freeze
    from vault.repository import claims, holds, snapshots

    missing = opened.missing(project)
    committed = snapshots.committed(project, rolled=True)
    placed = holds.read_all(project)
    damaged = (*committed.damaged, *placed.problems)
    notices.problems(damaged)
    heads = {name: snapshots.heads(committed.records, name)[-1] for name in {one.source for one in committed.records}}
    ids = {one.id for one in committed.records}
    running = [one for one in snapshots.claims(project) if one.id not in ids and not claims.has_ended(project, one)]
    frozen = retention_freeze.freezing(placed.holds, project.services.clock.now())
    finished = {one.id: one.finished_at for one in committed.records}
    reads = project.capability.content_identity is not None
    readers = () if reads or project.capability.grant is None else _readers(opened, project)
    why = tuple(retention_freeze.why(hold) for hold in frozen)
    return RepositoryState(heads, running, damaged, missing, why, reads, readers, finished)


def _readers(opened: context.Context, project: Project) -> tuple[str, ...]:
    """Who may read content, and so must make drills and repack."""
    from vault.format.rights import READ
    from vault.repository import grants

    standing = grants.read(project, opened.memory).chain.standing(project.services.clock.now())
    return tuple(one.name for one in standing if one.may(READ))


def ask_copies(
    opened: context.Context, projects: Sequence[Project], states: Mapping[str, RepositoryState]
) -> dict[str, RepositoryState]:
    """The same, with what is known of copies: whether they are reached, and what they lack of these projects, where this
    machine has not copied them itself."""
    from strongroom import copies

    lacking: dict[str, dict[str, frozenset[str]]] = {one.name: {} for one in projects}
    unreached: dict[str, str] = {}
    with open_local_state(opened.settings) as known:
        unknown = {
            name: [one for one in projects if known.copied_until(one.name, name) is None] for name in opened.settings.copies
        }
    for name, some in unknown.items():
        try:
            with copies.opened_copy(opened, name, brief=True) as copy:
                for one in some:
                    lacking[one.name][name] = copies.lacking(copy, one, states[one.name].finished)
        except StrongroomError as error:
            if isinstance(error, NoRepository):
                for one in some:
                    lacking[one.name][name] = frozenset(states[one.name].finished)
            if not isinstance(error, NoRepository) or len(some) < len(projects):  # else it was never begun, for all we know
                unreached[name] = str(error)
    return {name: replace(state, lacking=lacking.get(name, {}), unreached=unreached) for name, state in states.items()}


class LocalState(Struct, frozen=True):
    """What this machine knows. heartbeat: of the daemon · unreadable: what could not be read, as errors."""

    settings: Settings
    history: RunHistoryReader
    state_store: StateStore
    heartbeat: Heartbeat
    now: datetime
    unreadable: list[StrongroomError] = field(default_factory=list)

    def status_of(self, name: str, repository_state: RepositoryState | None) -> ProjectStatus:
        """repository_state: None where the store could not be asked."""
        from policies.daemon.project_state import RepositoryFacts, frozen_by, state_of
        from policies.monitoring.alerts import evaluate
        from strongroom import daemon_config

        listed = name in self.settings.projects
        if repository_state is not None:
            reads = repository_state.reads
        else:
            reads = daemon_config.capabilities(self.settings).get(name) in ("read", None)
        plan = daemon_config.project(name, self.settings.project(name), self.settings.copies, reads=reads)
        heads = repository_state.heads if repository_state is not None else {}
        rows = [self._source(plan, source, repository_state, listed=listed) for source in sorted({*plan.sources, *heads})]
        for state, names in repository_state.unreadable.items() if repository_state is not None else ():
            rows.append(SourceStatus(name, WHOLE_PROJECT, state, damaged=tuple(names)))
        for what, gone in repository_state.gone.items() if repository_state is not None else ():
            rows.append(SourceStatus(name, WHOLE_PROJECT, f"{what}s are gone", gone=tuple(gone)))
        frozen = repository_state.frozen if repository_state is not None else frozen_by(self.state_store, name)
        repository = None
        if repository_state is not None:
            repository = RepositoryFacts({source: head.taken_at for source, head in heads.items()}, frozen)
        alerts = (
            *alerts_of_gone(name, repository_state),
            *evaluate(state_of(plan, self.history, self.state_store, self.now, repository), self.now),
        )
        if not listed:
            alerts = tuple(alert for alert in alerts if alert.promise in _ALSO_UNLISTED)
        return ProjectStatus(
            project=name,
            sources=tuple(rows),
            frozen=tuple(frozen),
            drill=next((LastDrill.of(one) for one in self.state_store.drills(name)), None),
            checks=CheckedPacks.of(self.state_store.coverage(name, self.now - plan.check_within), plan.check_within),
            next_runs={one.name: self._next_run(plan, one) for one in plan.jobs if one.kind != "backup"},
            alerts=alerts,
            copies=tuple(self._copy(plan, copy, repository_state) for copy in plan.copies) if listed else (),
            reads=reads,
            readers=() if repository_state is None else repository_state.readers,
        )

    def copied_until(self, project: str, copy: str) -> datetime | None:
        """Until when a copy has everything, as this machine has copied it."""
        from policies.daemon.project_state import copied_until

        return copied_until(self.state_store, project, copy)

    def _copy(self, plan: ProjectConfig, copy: str, repository_state: RepositoryState | None) -> CopyStatus:
        until = self.copied_until(plan.name, copy)
        lacking: Collection[datetime] | None = None
        if repository_state is not None:
            finished = repository_state.finished
            if until is not None:
                lacking = [moment for moment in finished.values() if moment > until]
            elif copy in repository_state.lacking:
                lacking = [finished[one] for one in repository_state.lacking[copy]]
        count = None if lacking is None else len(lacking)
        unreached = None if repository_state is None else repository_state.unreached.get(copy)
        oldest = min(lacking, default=None) if lacking else None
        return CopyStatus(copy, until, count, oldest, plan.copy_within, self.now, unreached)

    def of_daemon(self) -> tuple[Alert, ...]:
        """What is wrong with the daemon itself, and with what it keeps here."""
        from policies.monitoring.alerts import Alert

        found = [Alert("", "daemon", "state", str(error), error.hint or "see its message") for error in self.unreadable]
        beat = self.heartbeat
        for one in beat.failing if beat.state in ("running", "stuck") else ():
            message = f"{one.get('task')} fails since {one.get('since')}: {one.get('error')}"
            found.append(Alert("", "daemon", "daemon", message, "correct what the message names; the daemon goes on by itself"))
        seen = f", its last sign of life was {wording.moment(beat.seen)}" if beat.seen is not None else ""
        start = "start it again (`systemctl restart strongroom`, or `strongroom daemon`), and read its log"
        if beat.state == "killed":
            found.append(
                Alert(
                    "",
                    "daemon",
                    "daemon",
                    f"the daemon was killed{seen}: nothing is backed up by schedule",
                    start,
                    severity="critical",
                )
            )
        if beat.state == "stuck":
            found.append(Alert("", "daemon", "daemon", f"the daemon does not move any more{seen}", start, severity="critical"))
        due = self._overdue() if beat.state == "ended" else []
        if due:
            first = min(since for since in due)
            message = f"no daemon is running, and {counted(len(due), 'job is', 'jobs are')} due since {wording.moment(first)}"
            found.append(Alert("", "daemon", "daemon", message, start, severity="critical"))
        return tuple(found)

    def reminders(self) -> tuple[Alert, ...]:
        """Of recovery kits that were not proven for long."""
        from policies.monitoring import kit_reminders
        from strongroom import daemon_config

        kits = daemon_config.kits(self.settings)
        return kit_reminders.reminders(kits, kit_reminders.states(kits, self.state_store, self.now), self.now)

    def _overdue(self) -> list[datetime]:
        """Since when jobs are due that nobody starts."""
        from policies.scheduling.due import Start, decide
        from strongroom import daemon_config

        found = []
        for plan in daemon_config.projects(self.settings):
            for job in plan.jobs:
                runs = self.history.recent(plan.name, job.name)
                verdict = decide(f"{plan.name}/{job.name}", job.schedule, job.policy, runs, self.now).verdict
                if isinstance(verdict, Start) and self.now - verdict.ready > LATE_TO_START:
                    found.append(verdict.ready)
        return found

    def _source(
        self, plan: ProjectConfig, source: str, repository_state: RepositoryState | None, *, listed: bool
    ) -> SourceStatus:
        from policies.daemon.project_state import last_run, last_success

        wanted = listed and source in plan.sources
        head = repository_state.heads.get(source) if repository_state is not None else None
        last = head.taken_at if head is not None else None
        claims: list[Claim] = []
        if repository_state is None:
            last = last_success(plan, source, self.history, self.state_store)
        else:
            claims = [claim for claim in repository_state.claims if claim.source == source]
        run = last_run(plan, f"backup {source}", self.history, self.state_store)
        failed = None
        if run is not None and run.failed and (last is None or run.at > last):
            failed = FailedBackup(run.at, run.message)
        problems = head.counts.problems if head is not None else 0
        rpo = plan.rpo if source in plan.sources else None
        state = self._state(last, rpo, failed=failed is not None, problems=problems, asked=repository_state is not None)
        job = next((one for one in plan.jobs if one.kind == "backup" and one.source == source), None)
        return SourceStatus(
            project=plan.name,
            source=source,
            state=state if wanted else UNLISTED,
            taken_at=last,
            age=None if last is None else self.now - last,
            rpo=rpo,
            next_run=None if job is None else self._next_run(plan, job),
            items=None if head is None else head.counts.items,
            snapshot=None if head is None else head.id,
            problems=problems,
            failed=failed,
            running=running_backup(claims, self.now),
        )

    def _state(self, last: datetime | None, rpo: timedelta | None, *, failed: bool, problems: int, asked: bool) -> str:
        """In a word. last: when the newest snapshot was taken · asked: whether the repository could be."""
        from policies.monitoring.alerts import CLOCKS_DIFFER

        if last is None:
            return NEVER if asked else FAILED if failed else NOT_ASKED
        if last - self.now > CLOCKS_DIFFER:
            return AHEAD
        if rpo is not None and self.now - last > rpo:
            return LATE
        return FAILED if failed else PROBLEMS if problems else OK if asked else NOT_ASKED

    def _next_run(self, plan: ProjectConfig, job: JobConfig) -> datetime:
        return plan.next_run(job, self.history.recent, self.now)


def alerts_of_gone(name: str, repository_state: RepositoryState | None) -> Iterator[Alert]:
    """Of what was here and is gone."""
    from policies.monitoring.alerts import Alert

    for what, gone in repository_state.gone.items() if repository_state is not None else ():
        message = f"{counted(len(gone), f'{what} was', f'{what}s were')} here, and nobody removed them: {', '.join(gone[:5])}"
        hint = f"run `strongroom check {quoted(name)}`: it says what that costs, and what to do"
        yield Alert(name, "damage", f"{what}s", message, hint, severity="critical")


@contextmanager
def open_local_state(settings: Settings) -> Iterator[LocalState]:
    """What this machine knows; of what cannot be read, that it cannot. Nothing is changed."""
    from policies.daemon import heartbeat
    from policies.monitoring.state_store import StateStore
    from policies.scheduling.run_history import RunHistoryReader, empty_history

    services, folder, unreadable = environment.services(), local_state.folder(settings), list[StrongroomError]()
    with ExitStack() as opened:
        try:
            history = RunHistoryReader.open(folder / local_state.RUN_HISTORY, services.host)
            opened.callback(history.close)
            history.jobs()
        except StrongroomError as error:
            unreadable.append(error)
            history = empty_history(folder / local_state.RUN_HISTORY, services.host)
            opened.callback(history.close)
        try:
            state_store = opened.enter_context(StateStore.open_to_read(folder / local_state.STATE_STORE))
            state_store.alerts()
        except StrongroomError as error:
            unreadable.append(error)
            state_store = opened.enter_context(StateStore.nothing(folder / local_state.STATE_STORE))
        now = services.clock.now()
        life = heartbeat.read(folder / local_state.RUN_HISTORY, now)
        yield LocalState(settings, history, state_store, life, now, unreadable)
