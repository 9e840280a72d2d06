"""How everything is: a verdict in words, what is wrong and what to do, and every source and project behind it.

repository_status    of an open repository, and of what this machine knows
known_status         of what this machine knows alone, where the store does not answer
project_status       of one project
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from msgspec import Struct, field

from strongroom import context, erased_projects, status_facts, status_verdict
from strongroom.project_status import NOT_STORED, WHOLE_PROJECT, ProjectStatus, SourceStatus
from strongroom.settings import Settings
from vault.errors import StrongroomError, UsageError
from vault.problems import Problem, printable
from vault.wording import counted

if TYPE_CHECKING:
    from policies.daemon.heartbeat import Heartbeat
    from policies.monitoring.alerts import Alert
    from strongroom.status_verdict import StatusProblem, Verdict
    from vault.repository.erasures import ErasedProject
    from vault.repository.project import Project


class RepositoryStatus(Struct, frozen=True):
    """How everything is.

    repository: its id; empty where it did not answer · address: of the store · projects: those that open, or without the
    store those of the settings · not_stored: a row of each project that the settings name and the repository does not have ·
    heartbeat, daemon_alerts: of the daemon of this machine · refused: projects that do not open · error: why the store was not
    asked · reminders: of recovery kits, which are no problems · erased: projects that the settings still
    name and that were erased, by their names there · at: when this was found.
    """

    repository: str
    address: str
    projects: tuple[ProjectStatus, ...]
    not_stored: tuple[SourceStatus, ...]
    heartbeat: Heartbeat
    daemon_alerts: tuple[Alert, ...]
    at: datetime
    refused: tuple[Problem, ...] = ()
    error: StrongroomError | None = None
    reminders: tuple[Alert, ...] = ()
    erased: Mapping[str, ErasedProject] = field(default_factory=dict)

    @property
    def sources(self) -> tuple[SourceStatus, ...]:
        """Every source, and rows for what else is wrong with a project."""
        return (*(row for one in self.projects for row in one.sources), *self.not_stored)

    @property
    def alerts(self) -> tuple[Alert, ...]:
        """Every alert that fires, what is critical first."""
        found = (*self.daemon_alerts, *(alert for one in self.projects for alert in one.alerts))
        return tuple(sorted(found, key=lambda alert: alert.severity != "critical"))

    @property
    def problems(self) -> tuple[StatusProblem, ...]:
        """All that is wrong and what to do, what is critical first; but for the store that does not answer (see `error`)."""
        found = status_verdict.problems_of(self.projects, self.not_stored, self.alerts)
        hint = "its message says why, and what to do"
        closed = [status_verdict.StatusProblem("critical", printable(one.path), one.message, hint) for one in self.refused]
        return (*closed, *found)

    def copies_in_words(self) -> Iterator[str]:
        """How far each copy is behind: a sentence for each, about the project that is behind the most."""
        for name in dict.fromkeys(copy.copy for one in self.projects for copy in one.copies):
            of_projects = [(one.project, copy) for one in self.projects for copy in one.copies if copy.copy == name]
            worse = [(project, copy) for project, copy in of_projects if copy.lacking != 0 or copy.unreached]
            if not worse:
                yield f"The copy {name} is up to date."
                continue
            project, worst = max(worse, key=lambda one: (one[1].behind, one[1].lacking or 0))
            others = counted(len(worse) - 1, "other project is", "other projects are")
            more = f"; {others} not up to date there either" if len(worse) > 1 else ""
            yield f"The copy {name} of {project}: {worst.in_words(why=True)}{more}."

    @property
    def has_problems(self) -> bool:
        """Whether anything is wrong."""
        return bool(self.problems)

    @property
    def is_known(self) -> bool:
        """Whether this machine knows anything by itself."""
        known = any(row.taken_at is not None or row.failed is not None for row in self.sources)
        return self.heartbeat.since is not None or known

    @property
    def verdict(self) -> Verdict:
        """What all of it comes to, in words and in parts."""
        asked = bool(self.repository)
        return status_verdict.verdict_of(self.projects, self.not_stored, self.problems, asked=asked, now=self.at)

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        alerts = [alert.as_json() for alert in self.alerts]
        document = {
            "verdict": self.verdict.as_json(),
            "repository": self.repository,
            "address": self.address,
            "daemon": self.heartbeat.as_json(),
            "sources": [row.as_json() for row in self.sources],
            "projects": [one.as_json() for one in self.projects],
            "alerts": alerts,
            "reminders": [one.as_json() for one in self.reminders],
            "erased_projects": [one.as_json() | {"project": name} for name, one in self.erased.items()],
            "broken": alerts,  # the name of an earlier version, for one version more
        }
        if self.error is not None:
            document["error"] = self.error.as_json()
        return document


def repository_status(opened: context.Context, names: Sequence[str] = ()) -> RepositoryStatus:
    """How everything is. names: of projects; all where none is given. Raises `UsageError` where one of them is neither in the
    repository nor in the settings, `KeyRefused`, `Damaged`, `StorageError`."""
    asked_names = [name for name in names if name not in opened.settings.projects]
    available = opened.available([])
    erased = erased_projects.named_by_settings(opened)
    others = {one.id for one in opened.projects(asked_names)} if asked_names else set()  # or says which names are near
    chosen = [one for one in available if not names or one.name in names or one.id in others]
    states = {one.name: status_facts.ask_repository(opened, one) for one in chosen}
    states = status_facts.ask_copies(opened, chosen, states)
    refused = tuple(one for one in opened.refused if not names or printable(one.path) in names)
    closed = {printable(one.path) for one in refused}
    absent = sorted(
        (set(names) or set(opened.settings.projects)) & set(opened.settings.projects) - set(states) - closed - erased.keys()
    )
    with status_facts.open_local_state(opened.settings) as known:
        return RepositoryStatus(
            repository=opened.repository.descriptor.repository,
            address=opened.repository.store.describe(),
            projects=tuple(known.status_of(name, one) for name, one in states.items()),
            not_stored=tuple(SourceStatus(name, WHOLE_PROJECT, NOT_STORED) for name in absent),
            heartbeat=known.heartbeat,
            daemon_alerts=known.of_daemon(),
            at=known.now,
            refused=refused,
            reminders=known.reminders(),
            erased={name: one for name, one in erased.items() if not names or name in names},
        )


def known_status(settings: Settings, names: Sequence[str] = (), error: StrongroomError | None = None) -> RepositoryStatus:
    """What this machine knows without asking the store. names: of projects of the settings; all where none is given · error:
    why the store was not asked. Raises `UsageError`."""
    for name in names:
        if name not in settings.projects:
            raise _not_in_settings(settings, name)
    with status_facts.open_local_state(settings) as known:
        return RepositoryStatus(
            repository="",
            address=settings.repository.address,
            projects=tuple(known.status_of(name, None) for name in names or settings.projects),
            not_stored=(),
            heartbeat=known.heartbeat,
            daemon_alerts=known.of_daemon(),
            at=known.now,
            error=error,
            reminders=known.reminders(),
        )


def _not_in_settings(settings: Settings, name: str) -> UsageError:
    close = difflib.get_close_matches(name, list(settings.projects), n=1, cutoff=0.5)
    hint = f"did you mean {close[0]!r}?" if close else f"there are: {', '.join(settings.projects) or 'none'}"
    return UsageError(f"the settings name no project {name!r}", hint=hint)


def project_status(opened: context.Context, project: Project) -> ProjectStatus:
    """How a project's sources and promises are, by the repository and by what this machine knows. Raises `StorageError`."""
    asked = status_facts.ask_copies(opened, [project], {project.name: status_facts.ask_repository(opened, project)})
    with status_facts.open_local_state(opened.settings) as known:
        return known.status_of(project.name, asked[project.name])
