"""Whether a project may be erased: who may ask and approve, of what state that is, and what stands against it."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

from msgspec import Struct

from vault.age import HybridRecipient, Identity
from vault.errors import Busy, ObjectNotFound, RefusedByRule, StorageDenied
from vault.format import layout
from vault.format.erasure import (
    MOST_GRANTS,
    Destruction,
    ErasureApproval,
    ErasureRequest,
    ProjectContents,
    digest,
    signed,
)
from vault.format.erasure_chain import LONGEST, leading_to, open_request, why_no_approval
from vault.format.grant import Grant, Revocation
from vault.format.grant_chain import GrantChain, may_administer
from vault.progress import NoProgress, Progress
from vault.randomness import Randomness
from vault.repository import claims, erasures, grants, holds, snapshots
from vault.repository.client_memory import ClientMemory
from vault.repository.granting import KIT, Administrator, administrator
from vault.repository.project import Project
from vault.storage.contract import Store
from vault.storage.object_locks import UNTIL_RELEASED, locks_of
from vault.storage.object_versions import versions_of

QUIET_FOR = timedelta(days=1)
"""A backup that has shown progress within this time is under way."""

AT_ONCE = 8
"""Requests under way."""


class ErasureState(Struct, frozen=True):
    """Where a project stands. own: the right of the identity at hand · administrators: grants of all who may ask and approve ·
    digest: of grants and holds (32 bytes) · request, approval: that are open and count; None where there is none."""

    project: Project
    own: Administrator
    chain: GrantChain
    administrators: tuple[Grant, ...]
    digest: bytes
    request: ErasureRequest | None
    approval: ErasureApproval | None

    @property
    def recipients(self) -> list[HybridRecipient]:
        """Whom statements are sealed to: the recovery kits, those who may administer, then everybody else."""
        now = self.project.services.clock.now()
        ordered = sorted(self.chain.standing(now), key=lambda one: (not is_kit(one), one not in self.administrators))
        return list(dict.fromkeys(one.principal.recipient for one in ordered))

    @property
    def ready(self) -> bool:
        """Whether enough people want it."""
        return self.request is not None and (self.approval is not None or self.request.approvals < 2)


def is_kit(one: Grant) -> bool:
    """Whether a grant is to a recovery kit: whoever has made it may have it, so it is no second person."""
    return one.name == KIT or one.name.startswith(f"{KIT} ")


def state_of(project: Project, identities: Sequence[Identity], memory: ClientMemory | None) -> ErasureState:
    """Where a project stands. project: under its stored name. Raises `KeyRefused` where the identity at hand may not
    administer it, `StorageError`."""
    chain, now = grants.read(project, memory).chain, project.services.clock.now()
    own = administrator(project, chain, identities)
    able = tuple(one for one in chain.standing(now) if may_administer(one))
    stated = _digest(project, chain)
    found = erasures.read(project.store, project.id, identities).statements
    of_project = [one for one in found if one.name == project.name and one.repository == project.descriptor.repository]
    request, approval = open_request(of_project, able, stated, now)
    if approval is not None and any(is_kit(one) for one in able if one.principal.signing_key == approval.by.signing_key):
        approval = None
    return ErasureState(project, own, chain, able, stated, request, approval)


def _digest(project: Project, chain: GrantChain) -> bytes:
    """Of who holds keys, of their epoch, and of all holds and releases."""
    parts = [f"epoch {project.capability.epoch}"]
    parts += sorted(f"grant {one}" for one in chain.grants)
    parts += sorted(f"revocation {one.id}" for one in chain.revocations.values())
    names = sorted(info.name.rpartition("/")[2] for info in project.store.list(project.folder("holds")))
    return hashlib.sha256("\n".join([*parts, *(f"hold {one}" for one in names)]).encode()).digest()


def contents_of(project: Project) -> ProjectContents:
    """What there is of it. Raises `StorageError`."""
    folders = (layout.keys_folder(project.id), layout.project_folder(project.id))
    found = {info.name: info.size for folder in folders for info in project.store.list(folder)}
    moments = [one.taken_at for one in snapshots.committed(project, rolled=True).records]
    return ProjectContents(
        snapshots=len(moments),
        first=min(moments, default=None),
        last=max(moments, default=None),
        objects=len(found),
        bytes=sum(found.values()),
        key_objects=len(key_names(found, project.id)),
    )


def key_names(names: Iterable[str], project: str) -> list[str]:
    """Those that are key objects', in either place."""
    starts = (f"{layout.keys_folder(project)}/", f"{layout.second_keys_folder(project)}/")
    return sorted(name for name in names if name.startswith(starts))


def refuse(project: Project, progress: Progress | None = None, *, flags: Collection[str] = ()) -> None:
    """Raises `RefusedByRule` where a hold binds or cannot be read, or the store keeps an object, `Busy` while a backup is under
    way or keys are being rotated, `StorageError`. flags: ids of holds that only stop retention until somebody looks."""
    progress, now = progress or NoProgress(), project.services.clock.now()
    for hold in holds.read_all(project).binding(now):
        if hold.id in flags:
            continue
        raise RefusedByRule(
            f"project {project.name!r} is under a hold: {hold.scope.as_text()}: {hold.reason} (by {hold.who}, hold {hold.id})",
            hint=f"whoever may release it: `strongroom hold release {project.name} {hold.id} --reason TEXT`",
        )
    if project.capability.pending is not None:
        raise Busy(
            f"the keys of project {project.name!r} are being rotated",
            hint="complete that first with `strongroom keys rotate`",
        )
    claims.withdraw_dead(project)
    _refuse_running(project, now)
    refuse_locked(project.store, (project.id, project.name), now, progress)


def _refuse_running(project: Project, now: datetime) -> None:
    ids = claims.unfinished(project, claims.list_ids(project), set(snapshots.stored_ids(project)))
    readable = {one.id: one for one in snapshots.claims(project)}
    for one in ids:
        last = readable[one].updated_at if one in readable else layout.moment_of(one)
        if last is not None and abs(now - last) <= QUIET_FOR:
            raise Busy(
                f"a backup of project {project.name!r} is under way: {claims.describe(project, one)}",
                hint="stop the machines that back it up, and take the project out of their settings, before it is erased",
            )


def refuse_locked(store: Store, project: tuple[str, str], now: datetime, progress: Progress | None = None) -> None:
    """Raises `RefusedByRule` where the store keeps any object of a project. project: its id and its name."""
    locks, progress = locks_of(store), progress or NoProgress()
    if locks is None or locks.available() is False:
        return
    folders = (layout.keys_folder(project[0]), layout.project_folder(project[0]))
    names = sorted(info.name for folder in folders for info in store.list(folder))
    progress.phase("asking the store whether it keeps objects locked", items=len(names))

    def until(name: str) -> datetime | None:
        try:
            return locks.kept(name).at(now)
        except ObjectNotFound:
            return None

    locked: dict[str, datetime] = {}
    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="locks") as pool:
        for name, one in zip(names, pool.map(until, names), strict=True):
            progress.advance(items=1)
            if one is not None:
                locked[name] = one
    if locked:
        last = max(locked.values())
        when = "under legal holds" if last == UNTIL_RELEASED else f"locked until {last:%Y-%m-%d %H:%M} UTC"
        raise RefusedByRule(
            f"the store keeps {len(locked)} of the objects of project {project[1]!r}, such as {min(locked)}: they are {when}",
            hint="nothing is erased before that is over; `lock` in the settings says what new backups are locked for",
        )


def refuse_undeletable(store: Store, project: str, randomness: Randomness) -> None:
    """Raises `StorageDenied` where these credentials may delete nothing, or no versions of key objects in a bucket that keeps
    some. What it is tried on is no key object, and is deleted by that. project: its id."""
    name = layout.key_name(project, layout.new_id(randomness.token(16)))
    try:
        versions = versions_of(store)
        if versions is None:
            store.delete(name)
            return
        store.put(name, b"tells whether versions may be deleted")
        store.delete(name)
        versions.delete(name)
        left = versions.names(layout.keys_folder(project)) & {name}
    except StorageDenied as error:
        raise StorageDenied(
            f"these credentials may not delete the key objects of project {project} with all their versions: {error}",
            hint="use credentials that may delete objects, and versions of them: s3:DeleteObject, s3:DeleteObjectVersion, "
            "s3:ListBucketVersions",
        ) from error
    if left:
        raise StorageDenied(f"the store answers that it deletes versions of {name}, and keeps them")


def make_request(
    state: ErasureState, *, reason: str, approvals: int, within: timedelta, contents: ProjectContents
) -> ErasureRequest:
    """A request, signed and not yet written. within: for how long it may be approved, at most `LONGEST`. Raises
    `Unstorable`."""
    project, now = state.project, state.project.services.clock.now()
    made = ErasureRequest(
        repository=project.descriptor.repository,
        project=project.id,
        id=_new_id(project),
        name=project.name,
        reason=reason,
        contents=contents,
        state=state.digest,
        approvals=approvals,
        by=state.own.signer,
        at=now,
        until=now + min(within, LONGEST),
    )
    return signed(made, state.own.identity)


def make_approval(state: ErasureState) -> ErasureApproval:
    """The approval of the open request, signed and not yet written. Raises `RefusedByRule` where there is none that whoever is
    at hand could approve."""
    project, request = state.project, state.request
    if request is None:
        raise RefusedByRule(
            f"nobody has asked to erase project {project.name!r} as it is now: a request is over after its time, and once "
            "grants or holds have changed",
            hint=f"whoever wants it asks first: `strongroom project erase {project.name} --reason TEXT`",
        )
    made = ErasureApproval(
        repository=project.descriptor.repository,
        project=project.id,
        id=_new_id(project),
        name=project.name,
        request=digest(request),
        by=state.own.signer,
        at=project.services.clock.now(),
    )
    why = why_no_approval(request, made, state.administrators)
    if not why and is_kit(state.own.grant):
        why = "a recovery kit is no second person"
    if why:
        raise RefusedByRule(
            f"this identity cannot approve the request of {request.by.name} to erase project {project.name!r}: {why}",
            hint="let another person approve it who may read the project, with an identity of their own",
        )
    return signed(made, state.own.identity)


def make_destruction(state: ErasureState) -> Destruction:
    """The statement with which it begins, signed and not yet written. Raises `RefusedByRule` where not enough people want
    it."""
    project, request = state.project, state.request
    if request is None or not state.ready:
        raise RefusedByRule(f"project {project.name!r} is not erased: nobody else has approved it")
    capability = project.capability
    made = Destruction(
        repository=project.descriptor.repository,
        project=project.id,
        id=_new_id(project),
        name=project.name,
        request=digest(request),
        approval=None if state.approval is None else digest(state.approval),
        fingerprints=(capability.fingerprint, *(one.fingerprint for one in capability.former)),
        grants=_carried(state),
        by=state.own.signer,
        at=project.services.clock.now(),
    )
    return signed(made, state.own.identity)


def _carried(state: ErasureState) -> tuple[Grant | Revocation, ...]:
    """The grants of all who may go on with it; of those who have signed alone, where these would be too many."""
    every = leading_to(state.chain, state.administrators)
    if len(every) <= MOST_GRANTS:
        return every
    signers = {one.by.signing_key for one in (state.request, state.approval) if one is not None}
    signers.add(state.own.grant.principal.signing_key or b"")
    return leading_to(state.chain, [one for one in state.administrators if one.principal.signing_key in signers])


def _new_id(project: Project) -> str:
    return layout.new_id(project.services.randomness.token(16))
