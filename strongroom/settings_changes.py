"""What the settings promise less of than when this machine used them last: shorter retention, a longer RPO, a lock that is
gone, alerts that come later. A file may be changed with any editor, so that the next command which is recorded looks.

This machine remembers the promises of each project by the settings file, and compares. What only became stricter is no matter
for the log; of what nobody can compare, a schedule or a pattern, every change counts.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from blake3 import blake3

from strongroom.settings import durations, resolve
from vault.errors import SettingsError

if TYPE_CHECKING:
    from strongroom.context import Context
    from strongroom.settings import Settings
    from vault.repository.project import Project

Commitments = dict[str, str | int | float | bool]
"""Values by their keys, as `keep.daily`; what promises nothing is not there."""

_COUNT_ALL = 1 << 31


def loosened(context: Context, project: Project) -> list[dict[str, object]]:
    """What is promised less of for a project: key, before and after. What is promised now is remembered."""
    settings = context.settings
    if project.name not in settings.projects:
        return []
    kind, digest = f"promises-{blake3(str(settings.file).encode()).hexdigest(length=8)}", _digest(settings.text)
    lines = context.memory.lines(kind, project.id)
    if lines[:1] == [digest]:
        return []
    now = dict(commitments(settings, project.name))
    before = _read(lines)
    context.memory.save_lines(kind, project.id, [digest, json.dumps(now)])
    return [] if before is None else list(differences(before, now))


def commitments(settings: Settings, project: str) -> Iterator[tuple[str, str | int | float | bool]]:
    """What is promised for a project."""
    own = settings.project(project)
    kept = resolve.keep(own.keep)
    yield "keep.within", str(kept.within)
    yield from ((f"keep.{name}", count) for name, count in kept.counted())
    yield from ((f"item_retention.{kind}", rule) for kind, rule in own.item_retention.items())
    if own.rpo is not None:
        yield "rpo", own.rpo
    if own.copy_within is not None:
        yield "copy_within", own.copy_within
    if own.lock.mode != "none" and own.lock.days is not None:
        yield "lock.mode", own.lock.mode
        yield "lock.days", own.lock.days
    yield from ((f"alerts.{name}", value) for name, value in own.alerts.model_dump().items())
    for job in resolve.JOBS:
        scheduled = resolve.job_of(own.schedule, job)
        if resolve.runs(scheduled):
            yield f"schedule.{job}", str(scheduled.every or f"cron {scheduled.cron}")
    yield "schedule.check.all_within", own.schedule.check.all_within
    for source in own.sources:
        yield f"sources.{source.name}", source.place
        yield from ((f"sources.{source.name}.exclude.{pattern}", True) for pattern in source.exclude)
        yield from ((f"sources.{source.name}.include.{pattern}", True) for pattern in source.include)
    document = settings.document
    yield from ((f"recovery.{one}", True) for one in document.recovery.recipients)
    yield from ((f"notify.{name}", True) for name, one in document.notify if one is not None)
    yield from ((f"copies.{name}", one.address) for name, one in document.copies.items())
    yield "erasure.approvals", document.erasure.approvals
    if document.audit.timestamp is not None:
        yield "audit.timestamp", document.audit.timestamp


def differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[dict[str, object]]:
    """Every promise that is a smaller one now."""
    for key in sorted(before.keys() | now.keys()):
        old, new = before.get(key), now.get(key)
        if old != new and _is_looser(key, old, new):
            yield {"key": key, "before": old, "after": new}


def _is_looser(key: str, old: Any, new: Any) -> bool:  # noqa: ANN401 (values of any promise)
    if ".exclude." in key or key.startswith("item_retention."):
        return new is not None  # what is left out, or does not stay for ever
    if ".include." in key:
        return True
    if new is None:
        return True
    if old is None:
        return key.startswith("alerts.")
    for name, less in _LESS.items():
        if key == name or (name.endswith(".") and key.startswith(name)):
            return less(old, new)
    return True


def _longer(old: Any, new: Any) -> bool:  # noqa: ANN401
    try:
        return durations.read(str(new)) > durations.read(str(old))
    except SettingsError:
        return True


def _shorter_span(old: Any, new: Any) -> bool:  # noqa: ANN401
    from policies.retention.calendar_span import CalendarSpan

    days = {"hour": 1 / 24, "day": 1.0, "week": 7.0, "month": 30.4, "quarter": 91.3, "year": 365.2}
    try:
        spans = [CalendarSpan.parse(str(one)) for one in (old, new)]
    except SettingsError:
        return True
    lengths = [one.count * days[one.unit] for one in spans]
    return lengths[1] < lengths[0]


def _sooner_folder(old: Any, new: Any) -> bool:  # noqa: ANN401
    """0 is never."""
    return (int(new) or _COUNT_ALL) > (int(old) or _COUNT_ALL)


_LESS: dict[str, Callable[[Any, Any], bool]] = {
    "keep.within": _shorter_span,
    "keep.": lambda old, new: new < old,
    "rpo": _longer,
    "copy_within": _longer,
    "schedule.check.all_within": _longer,
    "lock.days": lambda old, new: new < old,
    "erasure.approvals": lambda old, new: new < old,
    "lock.mode": lambda old, new: old == "compliance" and new != "compliance",
    "alerts.folder": _sooner_folder,
    "alerts.entropy": lambda old, new: old and not new,
    "alerts.emptied": lambda old, new: old and not new,
    "alerts.": lambda old, new: new > old,
}
"""Whether the second value promises less than the first; the first name that fits counts."""


def _digest(text: str) -> str:
    return blake3(text.encode("utf-8", "surrogatepass")).hexdigest(length=16)


def _read(lines: list[str]) -> dict[str, Any] | None:
    try:
        found = json.loads(lines[1]) if len(lines) == 2 else None
    except ValueError:
        return None
    return found if isinstance(found, dict) else None
