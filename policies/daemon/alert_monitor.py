"""The alerts are evaluated again and again; each is sent once when it fires, and once more when it is resolved.

Which alerts fire is known in memory, and kept in the state store together with the messages about it: a restart neither
repeats nor loses one. Where the state store cannot be written or read, what can be evaluated without it is, and is sent from
memory: the disk that is full must not be the reason that nobody hears of it.

Reminders (of recovery kits) are sent in the same way, and are no alerts: monitors do not see them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path

from policies.daemon import first_contact
from policies.daemon.alert_grouping import AlertGroups
from policies.daemon.job_config import ProjectConfig
from policies.daemon.log import Log
from policies.daemon.project_state import JobRuns, state_of
from policies.monitoring import kit_reminders
from policies.monitoring.alerts import Alert, ProjectState, Severity, evaluate, span
from policies.monitoring.kit_reminders import KitConfig
from policies.monitoring.state_store import NotedAlert, StateStore
from policies.notifications.message import Line, Message
from policies.notifications.outbox import Outbox
from policies.scheduling.periodic_tasks import Failure
from vault.errors import StrongroomError

REPORT_OWN_FAILURE_AFTER = timedelta(minutes=5)
"""So long a task of the daemon itself may fail before people are notified."""

RUNNING_JOBS = "running jobs"
"""The task of the daemon's that starts runs."""

OF_RUNS = frozenset({"rpo", "problems", "job"})
"""Promises that can be evaluated by the runs alone."""

NO_KITS = KitConfig()

Key = tuple[str, str, str]


class AlertMonitor:
    """history: of runs · host: this machine's name, for the messages."""

    def __init__(self, state_store: StateStore, history: JobRuns, outbox: Outbox, log: Log, host: str) -> None:
        self._state_store = state_store
        self._history = history
        self._outbox = outbox
        self._log = log
        self._host = host
        self._known: dict[Key, NotedAlert] = {}
        self._has_read = False
        self._without = StateStore.nothing(Path())
        """For the time in which they cannot be read: it remembers since when a source is known."""
        self._groups = AlertGroups()
        self._severities: dict[Key, Severity] = {}
        self.states: tuple[ProjectState, ...] = ()
        self.alerts: tuple[Alert, ...] = ()
        self.reminders: tuple[Alert, ...] = ()

    def look(
        self,
        projects: Sequence[ProjectConfig],
        now: datetime,
        failing: Sequence[Failure] = (),
        kits: KitConfig = NO_KITS,
    ) -> None:
        """Evaluate all alerts, and notify of what is new. failing: tasks of the daemon itself · kits: to be reminded of. Raises
        `StrongroomError` of the state store, once everything is queued."""
        trouble = self._evaluate(projects, now, failing)
        trouble = self._remind(kits, now) or trouble
        known = self._known_alerts()
        wanted = (*self.alerts, *self.reminders)
        firing = [alert for alert in wanted if alert.key not in known]
        over = sorted(known.keys() - {alert.key for alert in wanted})
        resolved = [key for key in over if _is_watched(key, projects, kits)]
        worse = [alert for alert in self.alerts if _has_become_critical(alert, self._severities)]
        self._severities = {alert.key: alert.severity for alert in self.alerts}
        lines = self._groups.firing(firing, self.states)
        lines += [Line(one.title, one.promise, f"is critical by now: {one.message}", one.hint, one.severity) for one in worse]
        resolved_lines = self._groups.resolved(resolved, known)
        message = Message(self._host, now, tuple(lines), tuple(resolved_lines))
        queued_messages = self._outbox.for_channels(message) if lines or resolved_lines else []
        self._known = {key: noted for key, noted in known.items() if key not in over}
        self._known |= {alert.key: NotedAlert(now, alert.message, alert.hint) for alert in firing}
        for alert in (*firing, *worse):
            self._log.firing(alert)
        for key in over:
            if key in resolved:
                self._log.resolved(key)
            else:
                self._log.info(f"{_title(key)}: is no longer in the settings; its alert ({key[1]}) is taken back")
        self._record(self._known, queued_messages, now)
        if trouble is not None:
            raise trouble

    def _evaluate(self, projects: Sequence[ProjectConfig], now: datetime, failing: Sequence[Failure]) -> StrongroomError | None:
        """Where the state store cannot be read, what only it knows stays as it was. Returns that error."""
        own = tuple(_own_failure(one, now) for one in failing if now - one.since >= REPORT_OWN_FAILURE_AFTER)
        trouble: StrongroomError | None = None
        try:
            self.states = tuple(state_of(plan, self._history, self._state_store, now) for plan in projects)
        except StrongroomError as error:
            trouble = error
            states = [state_of(plan, self._history, self._without, now) for plan in projects]
            found = [alert for state in states for alert in evaluate(state, now) if alert.promise in OF_RUNS]
            self.alerts = (*found, *(one for one in self.alerts if one.promise not in OF_RUNS and one.project), *own)
        else:
            self.alerts = (*(alert for state in self.states for alert in evaluate(state, now)), *own)
        return trouble

    def _remind(self, kits: KitConfig, now: datetime) -> StrongroomError | None:
        """Where the state store cannot be read, reminders stay as they were. Returns that error."""
        try:
            self.reminders = kit_reminders.reminders(kits, kit_reminders.states(kits, self._state_store, now), now)
        except StrongroomError as error:
            return error
        return None

    def _known_alerts(self) -> Mapping[Key, NotedAlert]:
        """Those that fired before this process are known as soon as the state store can be read; until then all are new."""
        if not self._has_read:
            with suppress(StrongroomError):
                self._known = self._state_store.alerts() | self._known
                self._has_read = True
        return self._known

    def _record(
        self, known: Mapping[Key, NotedAlert], queued_messages: Sequence[tuple[str, dict[str, object]]], now: datetime
    ) -> None:
        """Into the state store, which may have been begun anew. Raises `StrongroomError`; the messages go out all the same."""
        try:
            written = self._state_store.alerts()
            begun = [(*key, *noted) for key, noted in known.items() if key not in written]
            over: Iterable[Key] = written.keys() - known.keys()
            if begun or over or queued_messages:
                self._state_store.change_alerts(begun, over, queued_messages, now)
        except StrongroomError:
            self._outbox.add(queued_messages)
            raise


def _own_failure(failure: Failure, now: datetime) -> Alert:
    message = f"the daemon itself has not been able to do this for {span(now - failure.since)}: {failure.error}"
    hint = "see its log, and correct what the message names; the daemon goes on by itself"
    stops_backups = failure.beat in (RUNNING_JOBS, first_contact.TASK)
    return Alert("", "daemon", failure.beat, message, hint, severity="critical" if stops_backups else "warning")


def _has_become_critical(alert: Alert, before: Mapping[Key, Severity]) -> bool:
    """Of an alert that has been sent. What it was before a restart nobody knows."""
    return alert.severity == "critical" and before.get(alert.key) == "warning"


def _is_watched(key: Key, projects: Sequence[ProjectConfig], kits: KitConfig) -> bool:
    """Whether the settings still name what an alert is about: if not, it has not ended because all is well."""
    name, promise, subject = key
    if promise == "daemon":
        return True
    if promise == kit_reminders.PROMISE:
        return subject in {kit_reminders.title(kit) for kit in kits.kits}
    plan = next((one for one in projects if one.name == name), None)
    if plan is None:
        return False
    if promise == "job":
        return any(job.name == subject for job in plan.jobs)
    return not subject or subject in plan.sources


def _title(key: Key) -> str:
    project, _, subject = key
    return "/".join(part for part in (project, subject) if part)
