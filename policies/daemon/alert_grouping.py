"""Alerts that have one cause are sent together: a store that does not answer is one message that names every project, not
eleven.

Runs of several projects whose newest errors are the same have one cause. The first alert of it names all of these, those too
whose promises still hold; when their promises break as well, nothing new is to be sent. When the last one of them is resolved
that is sent, once.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from msgspec import Struct, field

from policies.monitoring.alerts import Alert, ProjectState
from policies.monitoring.state_store import NotedAlert
from policies.notifications.message import Line
from vault.wording import counted

Key = tuple[str, str, str]

_NUMBERS = re.compile(r"\d+")


class _Group(Struct):
    """titles: whom the messages have named · firing: the alerts of that cause that are firing · total: how many there were."""

    titles: set[str]
    firing: set[Key] = field(default_factory=set)
    total: int = 0


class AlertGroups:
    """In memory: after a restart, alerts that end are sent one by one."""

    def __init__(self) -> None:
        self._groups: dict[str, _Group] = {}

    def firing(self, alerts: Iterable[Alert], states: Sequence[ProjectState]) -> list[Line]:
        """What is to be sent of new alerts. states: of all projects."""
        lines = []
        for alert in alerts:
            cause = _without_numbers(alert.cause)
            group = self._groups.get(cause)
            if group is None or alert.title not in group.titles:
                affected = dict(_affected(cause, states)) if cause else {}
                several = len({project for project in affected.values() if project != alert.project}) > 0
                if not several:
                    lines.append(Line(alert.title, alert.promise, alert.message, alert.hint, alert.severity))
                    continue
                group = self._groups.setdefault(cause, _Group(set()))
                group.titles |= {alert.title, *affected}
                count = counted(len(set(affected.values()) | {alert.project}), "project")
                message = f"{alert.message}; the same stops {count}: {', '.join(sorted(group.titles))}"
                lines.append(Line(alert.title, alert.promise, message, alert.hint, alert.severity))
            group.firing.add(alert.key)
            group.total += 1
        return lines

    def resolved(self, over: Iterable[Key], noted: Mapping[Key, NotedAlert]) -> list[Line]:
        """What is to be sent of alerts that have ended."""
        lines = []
        for key in over:
            cause = next((cause for cause, group in self._groups.items() if key in group.firing), None)
            title = "/".join(part for part in (key[0], key[2]) if part)
            if cause is None:
                lines.append(Line(title, key[1], noted[key].message))
                continue
            group = self._groups[cause]
            group.firing.discard(key)
            if not group.firing:
                del self._groups[cause]
                what = f"{noted[key].message}; all {counted(group.total, 'promise')} that broke for this reason are kept again"
                lines.append(Line(title, key[1], what if group.total > 1 else noted[key].message))
        return lines


def _affected(cause: str, states: Sequence[ProjectState]) -> Iterator[tuple[str, str]]:
    """Sources and jobs whose newest run said the same, by their titles, and their projects."""
    for state in states:
        for source in state.sources:
            if source.trouble.runs and _without_numbers(source.trouble.message) == cause:
                yield f"{state.project}/{source.name}", state.project
        for job, trouble in state.jobs:
            if _without_numbers(trouble.message) == cause:
                yield f"{state.project}/{job}", state.project


def _without_numbers(message: str) -> str:
    """Without what differs from run to run."""
    return _NUMBERS.sub("#", message)
