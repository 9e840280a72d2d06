"""The settings as the daemon wants them: projects with their jobs, the commands that do them, and the ways to tell people."""

from __future__ import annotations

import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from policies.daemon.job_config import JobConfig, ProjectConfig
from policies.monitoring.kit_reminders import KitConfig, KitName
from strongroom.settings import Settings, durations, resolve
from strongroom.settings.document import CopySettings
from strongroom.settings.notifications import NotifySettings
from strongroom.settings.projects import ProjectSettings
from vault.errors import SettingsError

if TYPE_CHECKING:
    from policies.notifications.channels import Channel, Secret
    from policies.notifications.healthchecks import Healthchecks

COMMAND_TIMEOUT = 60
PRUNE_WAITS = "10 min"
"""For backups elsewhere. A prune that gives way is tried again like one that failed."""

LONG_SHARE = 0.8
"""Of the time that a prune or a copy has: then it begins nothing new, so that it ends by itself with all that was done."""

LARGEST_SECRET = 64 * 1024
RUN = (sys.executable, "-P", "-c", "from cli.main import run; run()")
"""How the command line of a run begins: this program again."""

WARM_PARENT = (sys.executable, "-P", "-c", "from cli.warm_parent import serve; serve()")
"""The process that forks runs instead."""


def projects(settings: Settings) -> tuple[ProjectConfig, ...]:
    """Every project that the settings name. Drills and publications are for those that this machine may read; others make the
    rest."""
    known = capabilities(settings)
    return tuple(
        project(name, one, settings.copies, reads=known.get(name) in ("read", None))
        for name, one in settings.document.projects.items()
    )


def capabilities(settings: Settings) -> dict[str, str | None]:
    """What this machine's keys allow for each project of the settings, as it was when it opened them last; None where it never
    did."""
    from strongroom import store_access

    memory = store_access.memory_of_settings(settings)
    ids = memory.projects()
    wanted = {name: settings.project_id(name) or ids.get(name) for name in settings.document.projects}
    return {name: None if one is None else memory.capability_of(one) for name, one in wanted.items()}


def project(name: str, settings: ProjectSettings, copies: Mapping[str, CopySettings], *, reads: bool = True) -> ProjectConfig:
    """What the daemon is to do for one. copies: of the repository, by name · reads: whether it may read content."""
    return ProjectConfig(
        name=name,
        sources=tuple(source.name for source in settings.sources),
        jobs=tuple(one for one in _jobs(settings, copies) if reads or one.kind not in ("drill", "publish")),
        rpo=resolve.rpo(settings),
        max_failures=settings.alerts.problems_in_a_row,
        check_within=durations.read(settings.schedule.check.all_within),
        copies=tuple(copies),
        copy_within=resolve.copy_within(settings),
    )


def kits(settings: Settings) -> KitConfig:
    """The recovery kits that the settings name."""
    from strongroom import holders, recovery_kit

    named = tuple(KitName(recovery_kit.note_key(one.recipient), one.fingerprint) for one in holders.recovery_kits(settings))
    return KitConfig(named, durations.read(settings.document.recovery.check_within))


def _jobs(settings: ProjectSettings, copies: Mapping[str, CopySettings]) -> Iterator[JobConfig]:
    for one in resolve.scheduled(settings):
        if one.name == "backup":
            yield from (JobConfig(one.name, one.schedule, one.policy, source.name) for source in settings.sources)
        elif one.name == "copy":
            yield from (JobConfig(one.name, one.schedule, one.policy, copy=name) for name in copies)
        else:
            yield JobConfig(one.name, one.schedule, one.policy)
    for name, copy in copies.items():
        for one in resolve.scheduled_of_copy(copy, settings):
            yield JobConfig(one.name, one.schedule, one.policy, copy=name)
    for publication in settings.publications:
        schedule = resolve.schedule_of_publication(publication, settings)
        if schedule is not None:
            policy = resolve.policy(publication)
            after = publication.after_backup
            yield JobConfig("publish", schedule, policy, publication=publication.name, after_backup=after)


class Commands(Struct, frozen=True):
    """What does a job: this program again, as a process of its own. config: the settings file · identity: as on our own command
    line."""

    config: Path
    identity: Sequence[Path]

    def __call__(self, name: str, job: JobConfig) -> Sequence[str]:
        long = ("--max-time", _minutes(job.policy.timeout * LONG_SHARE))
        words: tuple[str, ...] = {
            "backup": ("backup", name, "--source", job.source, "--quiet"),
            "check": ("check", name, "--read-data=rolling", "--quiet"),
            "drill": ("drill", name, "--quiet"),
            "retention": ("retention", "apply", name, "--yes"),
            "prune": ("prune", name, "--yes", "--wait", PRUNE_WAITS, *long),
            "copy": ("copy", job.copy, "--project", name, "--quiet", *long),
            "publish": ("publish", name, "--name", job.publication, "--quiet"),
        }[job.kind]
        return self._whole((*words, "--from", job.copy) if job.copy and job.kind != "copy" else words)

    def status(self) -> Sequence[str]:
        """What asks the store how everything is."""
        return self._whole(("status",))

    def log_heads(self) -> Sequence[str]:
        """What reads the heads of the log."""
        return self._whole(("audit", "heads"))

    def log_stamp(self) -> Sequence[str]:
        """What has them stamped."""
        return self._whole(("audit", "stamp"))

    def agent(self) -> Sequence[str]:
        """What carries out restores for a console elsewhere, until it is asked to end."""
        return self._without_json(("console", "agent"))

    def _whole(self, words: Sequence[str]) -> Sequence[str]:
        return self._without_json((*words, "--json"))

    def _without_json(self, words: Sequence[str]) -> Sequence[str]:
        identity_options = [word for file in self.identity for word in ("--identity", str(file))]
        return (*RUN, *words, "--config", str(self.config), *identity_options)


def _minutes(length: timedelta) -> str:
    return f"{length.total_seconds() / 60:g}"


def channels(notify: NotifySettings) -> tuple[Channel, ...]:
    """The ways to tell people that the settings name."""
    found: list[Channel] = []
    if notify.email is not None:
        from policies.notifications.email import Email

        mail = notify.email
        found.append(
            Email(
                host=mail.host,
                port=mail.port,
                protection=mail.tls,
                sender=mail.sender,
                to=mail.to,
                user=mail.user,
                password=None if mail.password_command is None else partial(_printed, mail.password_command),
            )
        )
    if notify.webhook is not None:
        from policies.notifications.webhook import Webhook

        found.append(Webhook(_url(notify.webhook.url, notify.webhook.url_file, notify.webhook.url_command)))
    if notify.apprise is not None:
        from policies.notifications.apprise import Apprise

        found.append(Apprise(_secret(notify.apprise.urls_file, notify.apprise.urls_command)))
    return tuple(found)


def healthchecks(notify: NotifySettings) -> Healthchecks | None:
    """Whom to tell that all is well."""
    checks = notify.healthchecks
    if checks is None:
        return None
    from policies.notifications.healthchecks import Healthchecks

    return Healthchecks(_url(checks.url, checks.url_file, checks.url_command))


def _url(plain: str | None, file: Path | None, command: str | None) -> Secret:
    if plain is not None:
        return lambda: plain
    whole = _secret(file, command)
    return lambda: next(iter(whole().split()), "")


def _secret(file: Path | None, command: str | None) -> Callable[[], str]:
    if file is not None:
        return partial(_in_file, file)
    return partial(_printed, command or "")


def _in_file(file: Path) -> str:
    try:
        with file.open("rb") as opened:
            return opened.read(LARGEST_SECRET).decode("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{file} cannot be read", hint="it is named under [notify]") from error


def _printed(command: str) -> str:
    """What a command of the settings prints. No message repeats any of that, nor the command's arguments."""
    try:
        done = subprocess.run(  # noqa: S603 (the settings' owner names the command; no shell is involved)
            shlex.split(command), stdin=subprocess.DEVNULL, capture_output=True, timeout=COMMAND_TIMEOUT, check=True
        )
        return done.stdout[:LARGEST_SECRET].decode("utf-8").strip()
    except (OSError, ValueError, subprocess.SubprocessError):
        program = command.split()[0] if command.split() else ""
        raise SettingsError(f"the command {program!r} of [notify] failed", hint="run it by hand to see why") from None
