"""A closer look at settings that can be read: what would fail later, and what is allowed and still looks wrong.

Unlike reading, this looks at the machine: folders, files, commands.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from msgspec.structs import replace

from strongroom import own_paths
from strongroom.settings import durations, renamed, resolve
from strongroom.settings.errors import SettingsFault
from strongroom.settings.toml_positions import Key
from vault.errors import StrongroomError, UsageError

if TYPE_CHECKING:
    from policies.scheduling.parser import Schedule
    from strongroom.settings.document import Document
    from strongroom.settings.effective import Settings
    from strongroom.settings.projects import ProjectSettings, SourceSettings

_RUNS_LOOKED_AT = 60


def failing(settings: Settings) -> Iterator[SettingsFault]:
    """What no command could use, each by the part that would refuse it."""
    from strongroom.holders import parse_recovery
    from vault.storage.address import parse_address

    document = settings.document
    if not document.repository.address.startswith("~"):
        yield from _tried(("repository", "address"), partial(parse_address, document.repository.address))
    for name, one in document.copies.items():
        if not one.address.startswith("~"):
            yield from _tried(("copies", name, "address"), partial(parse_address, one.address))
    for number, recipient in enumerate(document.recovery.recipients):
        yield from _tried(("recovery", "recipients", number), partial(parse_recovery, recipient))
    for key, command in _commands(settings):
        yield from _tried(key, partial(_split, command))
    for name, project in document.projects.items():
        for number, source in enumerate(project.sources):
            yield from _patterns(("projects", name, "sources", number), source)
        for number, fault in own_paths.faults(settings, project.sources):
            yield replace(fault, key=("projects", name, "sources", number, *fault.key))


def old_names(keys: Iterable[Key]) -> Iterator[SettingsFault]:
    """Keys that go by the name of an earlier version."""
    for key in keys:
        new = renamed.new_name(key[:-1], str(key[-1]))
        yield SettingsFault(key, f"is now called {new}", renamed.MIGRATE)


def odd(settings: Settings, now: datetime) -> Iterator[SettingsFault]:
    """What a person should look at."""
    document = settings.document
    if not document.recovery.recipients:
        what = "names no recipient, so new projects have no recovery kit"
        yield SettingsFault(("recovery",), what, "make one with `strongroom keys kit`")
    for key, file in _files(settings):
        if not file.is_file():
            yield SettingsFault(key, f"names {file}, which is not there", "is the path right?")
    if not document.projects:
        yield SettingsFault(("projects",), "are missing", "add one with `strongroom project add NAME --source KIND=PATH`")
    folder = settings.file.absolute().parent
    for key, command in resolve.hook_commands(document):
        if not resolve.program_is_there(command, folder):
            yield SettingsFault(key, f"names the program {command[0]!r}, which is not there", "is the path right?")
    yield from _unheard(settings)
    for name, project in document.projects.items():
        yield from _sources(("projects", name), project)
        yield from _retention(("projects", name), project, now)
        yield from _schedules(("projects", name), project, now)
        yield from _unverified(("projects", name), project)
        yield from _unreachable(("projects", name, "alerts"), project)
        yield from _copies(("projects", name), document, project)
    yield from _publications(document)


def _tried(key: Key, attempt: Callable[[], object]) -> Iterator[SettingsFault]:
    try:
        attempt()
    except StrongroomError as error:
        yield SettingsFault(key, f"cannot be used: {error}", error.hint)


def _split(command: str) -> None:
    try:
        parts = shlex.split(command)
    except ValueError as error:
        raise UsageError(f"the command is not whole: {error}", hint="close its quotation marks") from error
    if not parts:
        raise UsageError("the command is empty", hint="write the program and its arguments")


def _patterns(key: Key, source: SourceSettings) -> Iterator[SettingsFault]:
    from vault.source.patterns import Rules

    yield from _tried((*key, "include"), partial(Rules, include=source.include))
    yield from _tried((*key, "exclude"), partial(Rules, exclude=source.exclude))


def _commands(settings: Settings) -> Iterator[tuple[Key, str]]:
    """Every command that the file names."""
    for key, value in _outside(settings):
        if str(key[-1]).endswith("command"):
            yield key, str(value)


def _files(settings: Settings) -> Iterator[tuple[Key, Path]]:
    """Every file of this machine that the file names."""
    for key, value in _outside(settings):
        if str(key[-1]).endswith("file"):
            yield key, Path(value)


def _outside(settings: Settings) -> Iterator[tuple[Key, str | Path]]:
    """Where the file leads out of itself: the texts of [identity], [notify], [console] and [agent]."""
    document = settings.document
    identity = document.identity
    for name in ("file", "command", "passphrase_command"):
        value = getattr(identity, name)
        if value is not None:
            yield ("identity", name), value
    console = document.console
    named = (("console", "certificate_file"), ("console", "key_file"), ("agent", "token_file"), ("agent", "ca_file"))
    for key in named:
        value = getattr(getattr(document, key[0]), key[1])
        if value is not None:
            yield key, value
    if console.openid is not None and console.openid.secret_file is not None:
        yield ("console", "openid", "secret_file"), console.openid.secret_file
    for kind in type(document.notify).model_fields:
        notice = getattr(document.notify, kind)
        for name in type(notice).model_fields if notice is not None else ():
            value = getattr(notice, name)
            if isinstance(value, str | Path):
                yield ("notify", kind, name), value


def _sources(key: Key, project: ProjectSettings) -> Iterator[SettingsFault]:
    if not project.sources:
        yield SettingsFault(key, "has no sources, so nothing of it is backed up", "add one: sources = [{ kind = …, path = … }]")
    for number, source in enumerate(project.sources):
        if source.path is not None and not source.path.is_dir():
            yield SettingsFault(
                (*key, "sources", number, "path"), f"names {source.path}, which is not a folder", "is it mounted?"
            )


def _retention(key: Key, project: ProjectSettings, now: datetime) -> Iterator[SettingsFault]:
    from policies.retention.rules import UNDELETED

    zone = ZoneInfo(project.zone)
    within = resolve.keep(project.keep).within
    if within.before(now, zone) > UNDELETED.before(now, zone):
        yield SettingsFault(
            (*key, "keep", "within"),
            f"is {within}, shorter than the {UNDELETED} that are recommended",
            "mistakes are mostly found late",
        )


def _schedules(key: Key, project: ProjectSettings, now: datetime) -> Iterator[SettingsFault]:
    jobs = {job.name: job.schedule for job in resolve.scheduled(project)}
    for name in resolve.JOBS:
        job = resolve.job_of(project.schedule, name)
        if job.model_fields_set and job.every is None and job.cron is None:
            yield SettingsFault(
                (*key, "schedule", name), "says neither every nor cron, so it never runs", "write every = 'day at 02:30'"
            )
    backup = jobs.get("backup")
    if backup is not None and project.rpo is None:
        yield SettingsFault(
            (*key, "schedule", "backup"),
            "is a schedule without rpo, so nobody is told when it is not kept",
            "write rpo = '2 hours'",
        )
    if project.rpo is not None:
        yield from _kept((*key, "rpo"), project.rpo, backup, now)
    if "retention" in jobs and "prune" not in jobs:
        yield SettingsFault(
            (*key, "schedule", "retention"), "runs without prune, so it frees no space", "write prune = { every = 'week' }"
        )


def _unheard(settings: Settings) -> Iterator[SettingsFault]:
    """Promises whose breaking nobody hears of."""
    notify = settings.document.notify
    if any(getattr(notify, kind) is not None for kind in type(notify).model_fields):
        return
    promised = [name for name, project in settings.document.projects.items() if project.rpo is not None]
    if promised:
        yield SettingsFault(
            ("notify",),
            f"is missing, so nobody is told when rpo of {', '.join(promised)} is not kept",
            "add [notify.email], [notify.webhook] or another; docs/settings.md tells of them",
        )


def _unverified(key: Key, project: ProjectSettings) -> Iterator[SettingsFault]:
    """Backups by a schedule whose content nobody ever looks at."""
    jobs = {job.name for job in resolve.scheduled(project)}
    lacking = [name for name in ("check", "drill") if name not in jobs]
    if "backup" in jobs and lacking:
        example = ", ".join(f"{name} = {{ every = 'week' }}" for name in lacking)
        yield SettingsFault(
            (*key, "schedule"),
            f"has no {' and no '.join(lacking)}, so damage is not found before a restore",
            f"add {example}",
        )


def _copies(key: Key, document: Document, project: ProjectSettings) -> Iterator[SettingsFault]:
    """Copies that nobody makes, and promises about none."""
    scheduled = any(job.name == "copy" for job in resolve.scheduled(project))
    if document.copies and not scheduled:
        yield SettingsFault(
            (*key, "schedule"), "has no copy, so the copies are only made by hand", "add copy = { every = 'hour' }"
        )
    for name, wanted in (("copy_within", project.copy_within is not None), ("schedule", scheduled)):
        if wanted and not document.copies:
            yield SettingsFault((*key, name), "is about copies, and there is no [copies.NAME]", "name one, with its address")
    if project.copy_within is not None and document.copies and not scheduled:
        what = "is promised, and no copy is scheduled"
        yield SettingsFault((*key, "copy_within"), what, "write schedule = { copy = { every = 'hour' } }")


def _publications(document: Document) -> Iterator[SettingsFault]:
    """Publications that are in each other's way, and such as wait for backups that nobody has scheduled."""
    places: dict[tuple[str, str | None], str] = {}
    for name, project in document.projects.items():
        has_backup = any(job.name == "backup" for job in resolve.scheduled(project))
        for number, one in enumerate(project.publications):
            key = ("projects", name, "publications", number)
            other = places.setdefault((one.to.rstrip("/"), one.endpoint), f"the publication {one.name!r} of {name!r}")
            if other != f"the publication {one.name!r} of {name!r}":
                yield SettingsFault((*key, "to"), f"is where {other} goes", "a place has one publication: name another one")
            if one.after_backup and not has_backup:
                what = "never comes: no backup of the project is scheduled"
                yield SettingsFault((*key, "after_backup"), what, "write schedule = { backup = { every = 'hour' } }")


def _unreachable(key: Key, project: ProjectSettings) -> Iterator[SettingsFault]:
    """Alerts that cannot ring."""
    if project.alerts.deleted_share >= 1:
        yield SettingsFault(
            (*key, "deleted_share"),
            "cannot be reached: of a source that has lost everything no snapshot is taken",
            "choose a share below 1, such as 0.3",
        )


def _kept(key: Key, rpo: str, backup: Schedule | None, now: datetime) -> Iterator[SettingsFault]:
    if backup is None:
        yield SettingsFault(key, "is promised, and no backup is scheduled", "write schedule = { backup = { every = 'hour' } }")
        return
    moments = [now]
    for _ in range(_RUNS_LOOKED_AT):
        moments.append(backup.next_after(moments[-1]))
    longest = max(later - earlier for earlier, later in pairwise(moments[1:]))
    if longest > durations.read(rpo):
        yield SettingsFault(
            key,
            f"cannot be kept: between two backups pass up to {durations.written(longest)}",
            "back up more often, or promise less",
        )
