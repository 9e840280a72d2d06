"""Bags: those that were made, from the log; and verifying one that somebody brings, or that lies in a folder of the settings.

What is in a bag is looked at by a process without keys, within bounds; the repository only tells which contents the snapshots
have that the bag names. Of a bag from another project nothing is said but that it is of another one.
"""

from __future__ import annotations

import os
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from console import files
from console.access.rights import Action
from console.bag_worker import BagWorker, Facts, Finding, Known
from console.bag_worker import Task as BagTask
from console.errors import NotThere
from console.gateway import checks, proofs, working
from console.tasks.records import PROBLEMS_KEPT, BagVerdict, BagWork, Outcome, Task, Trouble
from console.visit import Visit
from strongroom import audit_verification, command_log
from strongroom.audited_projects import AuditedProject
from strongroom.bag_verification import BagTrust, VerifiedBag, stored_digests
from vault.errors import KeyRefused, TargetError
from vault.problems import printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from console.tasks.signals import RunningTask
    from console.uploads import Upload
    from console.visit import Console
    from strongroom.bag_verification import BagOrigin
    from strongroom.context import Context
    from strongroom.project import Project
    from vault.repository.project import Project as StoredProject

MOST_LISTED = 200
LARGEST_MANIFEST = 64 << 20
LONGEST_NAME = 255
ACTIONS = ("export", "evidence")
KNOWN = "known"


class MadeBag(Struct, frozen=True):
    """A bag that was made, by the log. what: what was asked for, in words · result: ok, problems, … · asked: the same
    as the log has it."""

    at: datetime
    user: str
    action: str
    what: str
    reason: str
    where: str
    files: int
    result: str
    asked: dict[str, Any] = {}


class ListedBag(Struct, frozen=True):
    """A bag in a folder of the settings."""

    folder: str
    name: str


def may_list(visit: Visit, project: str) -> bool:
    """Whether whoever asks may read the log of all of a project, and this console has the key to it. Raises as `opened`."""
    if not visit.person.scope(Action.AUDIT, project, visit.now).is_everything:
        return False
    with checks.opened(visit, project) as (_, opened):
        return opened.stored.capability.audit_identity is not None


def made(visit: Visit, project: str) -> tuple[MadeBag, ...]:
    """The newest bags of a project, as the log has them. Raises as `proofs.log`."""
    found: list[MadeBag] = []
    for action in ACTIONS:
        lines = proofs.log(visit, project, proofs.LogQuestion(action=action, last=MOST_LISTED)).lines
        found += [_made(one) for one in lines if one.phase != "intent"]
    return tuple(sorted(found, key=lambda one: one.at, reverse=True)[:MOST_LISTED])


def listed(visit: Visit, project: str) -> tuple[ListedBag, ...]:
    """The bags in folders of the settings: ZIP files, and folders that say that they are bags. Raises `NotThere`,
    `NotAllowed`."""
    checks.allowed(visit, Action.EXPORT_BAG, project)
    found = []
    for folder, path in visit.console.bag_folders.items():
        try:
            with os.scandir(path) as entries:
                names = sorted(one.name for one in entries if _is_bag(one))
        except OSError:
            continue  # a disk that is not mounted has no bags
        found += [ListedBag(folder, name) for name in names if name.isprintable()]
    return tuple(found[:MOST_LISTED])


def verify_listed(visit: Visit, project: str, folder: str, name: str) -> Task:
    """Verify one of these, as a task. Raises `NotThere`, `NotAllowed`, `TooLarge`."""
    if ListedBag(folder, name) not in listed(visit, project):
        raise NotThere("there is no such bag", hint="look at the list again")
    return working.begin(visit, working.new_task(visit, project, Action.EXPORT_BAG, BagWork(name, folder), name=name))


def verify_brought(visit: Visit, project: str, upload: Upload) -> Task:
    """Verify what was brought, as a task; its file goes then. Raises `NotThere`, `NotAllowed`, `TooLarge`."""
    try:
        checks.allowed(visit, Action.EXPORT_BAG, project)
        name = printable(upload.name.encode("utf-8", "surrogateescape"))[:LONGEST_NAME] or "bag.zip"
        work = BagWork(name, sha256=upload.sha256)
        task = working.new_task(visit, project, Action.EXPORT_BAG, work, name=name, task=upload.task)
        return working.begin(visit, task)
    except BaseException:
        files.drop(visit.console, upload.task)
        raise


def carry_out(console: Console, task: Task, work: BagWork, running: RunningTask) -> Outcome:
    """Verify it. Raises `TargetError` where it is not there any more, `Damaged` where it takes too long, `Interrupted`,
    `NotAllowed`, `StorageError`."""
    from console.gateway.restoring import scopes_of

    scopes_of(console, task)
    path = _place(console, task, work)
    with command_log.acting_as(task.person, "console"), console.repositories.lent() as repository:
        project = repository.project(task.project)
        what = {"bag": work.name, "folder": work.folder, "sha256": work.sha256, "task": task.id}
        with command_log.recorded(project.context, "bag-verify", [project.stored], what) as entry:
            entry.begin()
            try:
                facts = _verified(console, project, task, path, running)
            finally:
                with suppress(OSError):
                    (files.of_task(console, task.id) / KNOWN).unlink()
            entry.note(verdict="not whole" if facts.findings else "whole", signer=facts.signer, compared=facts.compared)
            entry.problems(facts.findings)
    files.drop(console, task.id)
    return Outcome(
        files=facts.files,
        bytes=facts.bytes,
        troubles=tuple(Trouble(one.path, one.what, one.message) for one in facts.first[:PROBLEMS_KEPT]),
        bag=BagVerdict(
            sound=not facts.findings,
            files=facts.files,
            bytes=facts.bytes,
            signed=facts.signed,
            signer=facts.signer,
            stamped_at=datetime.fromisoformat(facts.stamped_at) if facts.stamped_at else None,
            stamp_verified=facts.stamp_verified,
            compared=facts.compared,
            converted=facts.converted,
            snapshots_asked=facts.snapshots_asked,
            findings=facts.findings,
        ),
    )


def verdict_of(found: VerifiedBag) -> BagVerdict:
    """For people."""
    return BagVerdict(
        sound=found.sound,
        files=found.files,
        bytes=found.bytes,
        signed=found.signing_key is not None,
        signer=found.signer,
        stamped_at=found.stamped_at,
        stamp_verified=found.stamp_verified,
        compared=found.compared,
        converted=found.converted,
        snapshots_asked=found.snapshots_asked,
        findings=len(found.findings),
    )


def trust_of(context: Context, projects: Sequence[StoredProject]) -> BagTrust:
    """Who may have signed, by the grants of projects; nobody where they cannot be read."""
    try:
        keys = audit_verification.known_signers(context, [AuditedProject.of_project(one) for one in projects])
    except KeyRefused:
        keys = {}
    return BagTrust(keys=keys, certificates=context.settings.document.audit.certificates)


def _verified(console: Console, project: Project, task: Task, path: Path, running: RunningTask) -> Facts:
    context, limits = project.context, console.limits
    trust = trust_of(context, [project.stored])
    signers = {key.hex(): name for key, name in trust.keys.items()}
    certificates = "" if trust.certificates is None else str(trust.certificates)
    done = [0, 0]

    def tell(number: int, size: int) -> None:
        running.advance(items=number - done[0], size=size - done[1])
        done[:] = number, size

    with BagWorker(console.clock) as worker:
        running.phase("verifying")
        worker.say(BagTask(str(path), signers, certificates, limits.bag_files, limits.bag_bytes, LARGEST_MANIFEST))
        found = worker.answer(running, tell)
        if found.alone:
            worker.say(_known(console, project, task, found.origin))
            found = worker.answer(running, tell)
    if found.facts is not None:
        return found.facts
    words = "" if found.refused is None else found.refused.message.replace(str(path), task.name)
    return Facts(findings=1, first=(Finding(task.name, "no-bag", words or "the bag cannot be read"),))


def _known(console: Console, project: Project, task: Task, origin: BagOrigin | None) -> Known:
    """What the repository has of what a bag says that it is from: of this project, and of no other one."""
    if origin is None:
        return Known(compare=False)
    if origin.project != project.stored.id:
        return Known(compare=True)
    contents, missing = stored_digests(project.stored, origin)
    folder = files.of_task(console, task.id)
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        digests = folder / KNOWN
        with os.fdopen(os.open(digests, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600), "wb") as out:
            out.write(b"".join(sorted(contents)))
    except OSError as error:
        raise TargetError(f"the console has no place for it: {error.strerror}", hint="free some room in its folder") from error
    return Known(compare=True, opens=True, digests=str(digests), missing=missing)


def _place(console: Console, task: Task, work: BagWork) -> Path:
    """Raises `TargetError`."""
    if not work.folder:
        path = files.of_task(console, task.id) / files.BROUGHT
        if not path.is_file():
            raise TargetError("what was brought is not there any more", hint="bring it once more")
        return path
    base = console.bag_folders.get(work.folder)
    path = Path(work.name) if base is None else base / work.name
    if base is None or path.parent != base or path.is_symlink() or not path.exists():
        raise TargetError("the bag is not there any more", hint="look at the list again")
    return path


def _is_bag(one: os.DirEntry[str]) -> bool:
    if one.is_file(follow_symlinks=False):
        return one.name.lower().endswith(".zip")
    return one.is_dir(follow_symlinks=False) and Path(one.path, "bagit.txt").is_file()


def _made(one: proofs.LogLine) -> MadeBag:
    facts, counts = dict(one.what), dict(one.counts)
    return MadeBag(
        at=one.at,
        user=one.user,
        action=one.action,
        what=facts.get("selection") or facts.get("period", ""),
        reason=facts.get("reason", ""),
        where=Path(facts.get("to", "")).name,
        files=counts.get("files", 0),
        result=one.result,
        asked={name: one.facts[name] for name in ("selection", "period") if name in one.facts},
    )
