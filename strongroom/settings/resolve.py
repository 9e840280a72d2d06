"""What the texts of the settings mean, as the values that the other floors work with."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args
from zoneinfo import ZoneInfo

from msgspec import Struct

from strongroom.settings import durations
from strongroom.settings.value_types import NEVER

if TYPE_CHECKING:
    from classify.path_layout import PathLayout
    from policies.retention.rules import ItemRules, Keep
    from policies.scheduling.job_policy import JobPolicy
    from policies.scheduling.parser import Schedule
    from strongroom.settings.document import CopySettings, Document
    from strongroom.settings.projects import (
        HookSettings,
        JobSettings,
        KeepSettings,
        ProjectSettings,
        PublicationSettings,
        Schedules,
        SourceSettings,
    )

JobName = Literal["backup", "check", "drill", "retention", "prune", "copy"]
JOBS: tuple[JobName, ...] = get_args(JobName)
OF_COPIES: tuple[JobName, ...] = ("check", "retention", "prune")
"""What is done to a copy itself."""


class Scheduled(Struct, frozen=True):
    """A job that a project wants: when it is due, and how it is started."""

    name: JobName
    schedule: Schedule
    policy: JobPolicy


def scheduled(project: ProjectSettings) -> Iterator[Scheduled]:
    """The jobs of a project that have a schedule."""
    yield from _scheduled({name: job_of(project.schedule, name) for name in JOBS}, project)


def scheduled_of_copy(copy: CopySettings, project: ProjectSettings) -> Iterator[Scheduled]:
    """The jobs that a copy has for a project, in the project's time zone."""
    yield from _scheduled({name: getattr(copy.schedule, name) for name in OF_COPIES}, project)


def schedule_of_publication(publication: PublicationSettings, project: ProjectSettings) -> Schedule | None:
    """When the daemon publishes, by the clock; None where it does not at all."""
    from policies.scheduling import parser

    zone = ZoneInfo(project.zone)
    if runs(publication):
        return parser.read(every=publication.every, cron=publication.cron, zone=zone)
    return parser.on_request(zone) if publication.after_backup else None


def job_of(schedules: Schedules, name: JobName) -> JobSettings:
    """What a project says of a job."""
    found: JobSettings = schedules.copy_ if name == "copy" else getattr(schedules, name)
    return found


def _scheduled(jobs: Mapping[JobName, JobSettings], project: ProjectSettings) -> Iterator[Scheduled]:
    from policies.scheduling import parser

    zone = ZoneInfo(project.zone)
    for name, job in jobs.items():
        if runs(job):
            yield Scheduled(name, parser.read(every=job.every, cron=job.cron, zone=zone), policy(job))


def runs(job: JobSettings) -> bool:
    """Whether anybody said when."""
    return job.cron is not None or job.every not in (None, NEVER)


def policy(job: JobSettings) -> JobPolicy:
    """How a job is started."""
    from policies.scheduling.job_policy import JobPolicy, JobRetries, read_window

    return JobPolicy(
        catch_up=job.catch_up,
        jitter=timedelta() if job.jitter is None else durations.read(job.jitter),
        window=None if job.window is None else read_window(job.window),
        timeout=durations.read(job.timeout),
        retries=JobRetries(attempts=job.retries + 1, first=durations.read(job.back_off)),
    )


def keep(table: KeepSettings) -> Keep:
    """Which snapshots stay."""
    from policies.retention.rules import Keep

    return Keep.parse(table.model_dump(exclude_none=True))


def items(project: ProjectSettings) -> ItemRules:
    """How long items stay that the source no longer has."""
    from policies.retention.rules import ItemRules

    return ItemRules.parse(project.item_retention, list(project.item_retention))


def rpo(project: ProjectSettings) -> timedelta | None:
    """How long a source may be without a success."""
    return None if project.rpo is None else durations.read(project.rpo)


def copy_within(project: ProjectSettings) -> timedelta | None:
    """How long a copy may be without what the repository has."""
    return None if project.copy_within is None else durations.read(project.copy_within)


def day_first(project: ProjectSettings) -> bool:
    """What 01.02.2024 means."""
    return project.dates == "day-first"


def layouts(project: ProjectSettings, source: SourceSettings) -> tuple[PathLayout, ...]:
    """How a source's paths say their periods."""
    from classify.path_layout import PathLayout

    zone = ZoneInfo(project.zone)
    return tuple(PathLayout.compiled(text, zone) for text in source.layout)


def hook_commands(document: Document) -> Iterator[tuple[tuple[str | int, ...], tuple[str, ...]]]:
    """Every command before or after a backup that the file names, by its key."""
    above = document.defaults.hooks
    yield from _hooks(("defaults", "hooks"), above)
    for name, project in document.projects.items():
        if project.hooks != above:
            yield from _hooks(("projects", name, "hooks"), project.hooks)
        for number, source in enumerate(project.sources):
            if source.hooks is not None:
                yield from _hooks(("projects", name, "sources", number, "hooks"), source.hooks)


def _hooks(key: tuple[str | int, ...], hooks: HookSettings) -> Iterator[tuple[tuple[str | int, ...], tuple[str, ...]]]:
    for name, command in (("before", hooks.before), ("after", hooks.after), ("on_failure", hooks.on_failure)):
        if command:
            yield (*key, name), command


def program_is_there(command: tuple[str, ...], folder: Path) -> bool:
    """Whether the program of a hook can be run on this machine. folder: of the settings file, in which it is run."""
    program = command[0]
    return shutil.which(str(folder / program) if "/" in program else program) is not None
