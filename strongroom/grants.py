"""Who may do what with a project: granting, revoking, and the list of those who hold keys."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from strongroom import command_log
from strongroom.new_identity import check_name
from vault.errors import KeyRefused, NothingFound, RefusedByRule, UsageError
from vault.format import rights
from vault.format.grant import LONGEST_REASON, Grant
from vault.format.grant_chain import GrantChain, may_administer
from vault.format.principal import Principal
from vault.format.rights import Rights
from vault.format.strict_json import write_moment
from vault.wording import quoted

if TYPE_CHECKING:
    from datetime import datetime

    from strongroom.context import Context
    from vault.repository.granting import Administrator
    from vault.repository.project import Project

LARGEST_RECIPIENT_FILE = 64 * 1024
"""Bytes."""


class GrantOptions(Struct, frozen=True, kw_only=True):
    """What is granted. name: of the person or host · rights: as `vault.format.rights` has them · until: aware; None: until it
    is revoked."""

    principal: Principal
    name: str
    rights: Rights
    until: datetime | None = None


class GrantedKeys(Struct, frozen=True):
    """A grant in a project. project: its name."""

    project: str
    grant: Grant

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        one = self.grant
        return {
            "project": self.project,
            "project_id": one.project,
            "grant": one.id,
            "name": one.name,
            "fingerprint": one.principal.fingerprint,
            "rights": list(one.rights),
            "by": one.by.name,
            "at": write_moment(one.at),
            "until": one.until and write_moment(one.until),
        }


def read_recipient(text: str) -> Principal:
    """A principal out of its two lines, or of a file with them, such as the `FILE.pub` of `keys new`. Raises `UsageError`,
    `KeyUnreadable`."""
    if text.strip().startswith(("age1", "AGE-", "ssh-", "#")):
        return Principal.parse(text)
    try:
        with Path(text).open("rb") as file:
            data = file.read(LARGEST_RECIPIENT_FILE + 1)
    except OSError as error:
        raise UsageError(
            f"{text} is neither a recipient nor a file with one: {error.strerror}",
            hint="give the file that `strongroom keys new` has made beside the identity (FILE.pub), or its line age1pq1…",
        ) from error
    if len(data) > LARGEST_RECIPIENT_FILE:
        raise UsageError(f"{text} is too large for a file with a recipient", hint="give the FILE.pub of `strongroom keys new`")
    return Principal.parse(data.decode("utf-8", "replace"))


def grant_keys(context: Context, projects: Sequence[Project], options: GrantOptions) -> list[GrantedKeys]:
    """Grant somebody the same rights in each of these projects, in the place of those that they have had there. What a run that
    was cut off has begun is completed.

    Raises `UsageError` where it makes no sense, `KeyRefused` where the identity at hand may not grant that, `Busy` while keys
    are being rotated, `StorageError`.
    """
    from vault.repository import granting
    from vault.repository.granting import Holder

    check_name(options.name)
    wanted = rights.normal(options.rights)
    if options.until is not None and options.until <= context.repository.services.clock.now():
        raise UsageError(
            f"a grant until {options.until:%Y-%m-%d %H:%M} would be over already", hint="name a later date, or none"
        )
    what = {"name": options.name, "fingerprint": options.principal.fingerprint, "rights": wanted, "until": options.until}
    with command_log.recorded(context, "grant", projects, what) as entry:
        able = [(project.name, administration(context, project)) for project in projects]
        for _, work in able:
            granting.refuse_while_rotating(work.project)
        holder = Holder(options.name, options.principal)
        entry.begin()
        made = [
            GrantedKeys(name, granting.give(work.project, work.own, work.chain, holder, wanted, options.until))
            for name, work in able
        ]
        entry.note(grants=[one.grant.id for one in made])
        remember(context, [work.project for _, work in able])
    return made


class RevocationPlan(Struct, frozen=True):
    """What a revocation would do. project: its name · grants: that end · snapshots: that there are by now · bytes: of the
    content of the newest ones."""

    project: str
    grants: tuple[Grant, ...]
    snapshots: int
    bytes: int

    @property
    def opens(self) -> bool:
        """Whether the holder may open content."""
        return any(one.may(rights.READ) for one in self.grants)

    @property
    def still_open(self) -> str:
        """In words, what the holder can open all the same."""
        what = "the content of everything" if self.opens else "names, sizes and times of everything"
        if not any(one.may(rights.CATALOGUE) for one in self.grants):
            what = "every entry of the log"
        return (
            f"{self.grants[0].name} can have kept the keys: with them, and with access to the store or to a copy of it, {what} "
            f"can be opened that is stored up to the next `strongroom keys rotate {quoted(self.project)}`"
        )

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "project": self.project,
            "grant_ids": [one.id for one in self.grants],
            "name": self.grants[0].name,
            "rights": sorted({right for one in self.grants for right in one.rights}),
            "opens_content": self.opens,
            "snapshots": self.snapshots,
            "bytes": self.bytes,
            "still_open": self.still_open,
        }


def plan_revocation(context: Context, projects: Sequence[Project], name: str) -> list[RevocationPlan]:
    """What revoking everything would do that somebody holds in these projects. name: of the holder, or a fingerprint.

    Raises `NothingFound` where nobody is called so, `RefusedByRule` where nobody would be left who may grant, `KeyRefused`.
    """
    plans = []
    for project in projects:
        chain = administration(context, project).chain
        ended = _held_by(chain, name, project)
        if ended:
            _refuse_last(project, chain, ended)
            plans.append(_revocation_plan(project, ended))
    if not plans:
        raise NothingFound(f"nobody called {name!r} holds keys", hint="see who does with `strongroom keys list`")
    return plans


def revoke_keys(context: Context, projects: Sequence[Project], name: str, reason: str = "") -> list[RevocationPlan]:
    """End everything that somebody holds in these projects, and delete their key objects. Raises as `plan_revocation`,
    `StorageError`."""
    from vault.repository import granting, grants

    if len(reason) > LONGEST_REASON:
        raise UsageError(f"a reason must be at most {LONGEST_REASON} characters of text", hint="say it in fewer words")
    with command_log.recorded(context, "revoke", projects, {"name": name, "reason": reason}) as entry:
        plans = plan_revocation(context, projects, name)
        named = {one.project: one for one in plans}
        entry.begin(destructive=True)
        for project in (one for one in projects if one.name in named):
            work = administration(context, project)
            for ended in named[project.name].grants:
                end = work.chain.revocations.get(ended.id)
                if end is None:
                    end = granting.revocation(work.project, work.own, work.chain, ended, reason)
                    grants.write(work.project, end)
                granting.take_away(work.project, ended, end)
                entry.count(grants=1)
            remember(context, [work.project])
    return plans


def remember(context: Context, projects: Sequence[Project]) -> None:
    """What is granted and revoked by now: this machine then misses what is lost of it. Raises `StorageError`."""
    from vault.repository import grants

    for project in projects:
        grants.read(project, context.memory)


class Administration(Struct, frozen=True):
    """Somebody at work on who holds keys. project: with its keys as they are stored, and its stored name · own: their right to
    grant, revoke and rotate · chain: what is believed of the project · resurrected: grants that this machine has seen revoked
    and that are in force, as the revocation is lost."""

    project: Project
    own: Administrator
    chain: GrantChain
    resurrected: tuple[Grant, ...] = ()


def administration(context: Context, project: Project) -> Administration:
    """The right of the identity at hand to grant, revoke and rotate in a project. Raises `KeyRefused`."""
    from vault.repository import granting, grants

    (stored,) = context.repository.choose([project.id], context.identities, context.memory.projects())
    found = grants.read(stored, context.memory)
    chain = found.chain
    if chain.root is None:
        raise KeyRefused(
            f"project {project.name!r} has no grants yet: it was made by an earlier version, or by somebody whom this machine "
            "does not know as its creator",
            hint="`strongroom keys upgrade` brings a repository of an earlier version up to this one",
        )
    return Administration(stored, granting.administrator(stored, chain, context.identities), chain, found.resurrected)


def _held_by(chain: GrantChain, name: str, project: Project) -> tuple[Grant, ...]:
    """The grants that stand, or were revoked and whose key object may stand; of the holder of that name or fingerprint."""
    now = project.services.clock.now()
    standing = [one for one in chain.standing(now) if name in (one.name, one.principal.fingerprint)]
    if standing:
        return tuple(standing)
    every = sorted(chain.grants.values(), key=lambda one: one.at)
    return tuple(one for one in every if name in (one.name, one.principal.fingerprint))[-1:]


def _refuse_last(project: Project, chain: GrantChain, ended: Sequence[Grant]) -> None:
    now, ids = project.services.clock.now(), {one.id for one in ended}
    if not any(may_administer(one) for one in chain.standing(now) if one.id not in ids):
        raise RefusedByRule(
            f"{ended[0].name} is the last who may grant, revoke and rotate in project {project.name!r}",
            hint="grant somebody else the right to read first, without an end",
        )


def _revocation_plan(project: Project, ended: tuple[Grant, ...]) -> RevocationPlan:
    from vault.repository import snapshots

    records = snapshots.committed(project, rolled=True).records
    newest = snapshots.at(records, None)
    return RevocationPlan(project.name, ended, len(records), sum(one.counts.bytes for one in newest))
