"""What is told of alarms that have one cause: a store that is away is one letter that names every project, and not eleven.

Runs of several projects whose newest errors are the same have one cause. The first alarm of it names all of these, those too
whose promises still hold; when their promises break as well, nothing new is to be told. When the last one of them is mended
that is told, once.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from policies.monitoring.alerts import Alert, ProjectState
from policies.monitoring.state_store import NotedAlert
from policies.notifications.message import Line
from vault.wording import counted

Key = tuple[str, str, str]

_NUMBERS = re.compile(r"\d+")


@dataclass(slots=True)
class _Told:
    """titles: whom the letters have named · standing: alarms of that cause that stand · all: how many there were."""

    titles: set[str]
    standing: set[Key] = field(default_factory=set)
    all: int = 0


class AlertGroups:
    """In memory: after a restart, alarms that end are told one by one."""

    def __init__(self) -> None:
        self._told: dict[str, _Told] = {}

    def firing(self, alerts: Iterable[Alert], states: Sequence[ProjectState]) -> list[Line]:
        """What is to be told of alarms that are new. states: of all projects."""
        lines = []
        for alert in alerts:
            cause = _alike(alert.cause)
            told = self._told.get(cause)
            if told is None or alert.title not in told.titles:
                affected = dict(_affected(cause, states)) if cause else {}
                several = len({project for project in affected.values() if project != alert.project}) > 0
                if not several:
                    lines.append(Line(alert.title, alert.promise, alert.message, alert.hint, alert.severity))
                    continue
                told = self._told.setdefault(cause, _Told(set()))
                told.titles |= {alert.title, *affected}
                count = counted(len(set(affected.values()) | {alert.project}), "project")
                message = f"{alert.message}; the same stops {count}: {', '.join(sorted(told.titles))}"
                lines.append(Line(alert.title, alert.promise, message, alert.hint, alert.severity))
            told.standing.add(alert.key)
            told.all += 1
        return lines

    def resolved(self, over: Iterable[Key], noted: Mapping[Key, NotedAlert]) -> list[Line]:
        """What is to be told of alarms that have ended."""
        lines = []
        for key in over:
            cause = next((cause for cause, told in self._told.items() if key in told.standing), None)
            title = "/".join(part for part in (key[0], key[2]) if part)
            if cause is None:
                lines.append(Line(title, key[1], noted[key].message))
                continue
            told = self._told[cause]
            told.standing.discard(key)
            if not told.standing:
                del self._told[cause]
                what = f"{noted[key].message}; all {counted(told.all, 'promise')} that broke for this reason are kept again"
                lines.append(Line(title, key[1], what if told.all > 1 else noted[key].message))
        return lines


def _affected(cause: str, states: Sequence[ProjectState]) -> Iterator[tuple[str, str]]:
    """Sources and jobs whose newest run said the same, by their titles, and their projects."""
    for state in states:
        for source in state.sources:
            if source.trouble.runs and _alike(source.trouble.message) == cause:
                yield f"{state.project}/{source.name}", state.project
        for job, trouble in state.jobs:
            if _alike(trouble.message) == cause:
                yield f"{state.project}/{job}", state.project


def _alike(message: str) -> str:
    """Without what differs from run to run."""
    return _NUMBERS.sub("#", message)
