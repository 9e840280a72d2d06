"""The key objects: each holds a project's secrets, sealed to one principal. `Repository.grant` writes them, in two places:
`keys/<project>/` and `projects/<project>/keys/`. A machine keeps sealed copies of those that it uses (`key_copies`).

A key object's id tells whose it is to those who know the recipient, so that others' need not be fetched. Each is opened by
itself: one that is damaged costs its own project, and no other. What is damaged, gone, or older than what this machine has
seen, is read in the second place, then from the machine's copy.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import datetime
from typing import NamedTuple, TypeAlias

from blake3 import blake3
from msgspec import Struct

from vault import age
from vault.age import HybridIdentity, HybridRecipient, Identity
from vault.errors import Damaged, KeyRefused, ObjectNotFound, RefusedByRule
from vault.format import key_object, layout
from vault.format.capability import Capability
from vault.format.granted_fields import LARGEST_KEY_OBJECT, GrantReference
from vault.format.key_object import AuditCapability, KeyObjectContent, RevokedNotice
from vault.problems import Problem
from vault.repository.key_copies import KeyCopies
from vault.storage.contract import Store
from vault.threads import parallel_map

READERS = 8
"""Key objects that are fetched at once: each waits for a round trip."""

HINT = (
    "put the object back from a copy of the repository; until then another identity of the project, such as the recovery kit, "
    "opens it with --identity FILE"
)


class KeyObject(NamedTuple):
    """scope: the project's id · id: that of the object itself · size: stored bytes; 0 where no listing has named it."""

    name: str
    scope: str
    id: str
    size: int

    @property
    def second_name(self) -> str:
        """Of the same key object in the other place."""
        return layout.second_key_name(self.scope, self.id)


class RefusedKeys(NamedTuple):
    """Keys that may not be used any more. name: of the project."""

    name: str
    error: KeyRefused | RefusedByRule


class Opened(NamedTuple):
    """What identities open.

    - `capabilities`: one a project, by name
    - `auditors`: of projects of which they open nothing but the log, by name
    - `damaged`: why a project does not open, by its id: an object that should open it is damaged, and no other one opens it
    - `refused`: of projects whose keys may not be used any more, or that were erased, by id
    - `problems`: key objects that are damaged or gone, where another copy was used in their place
    """

    capabilities: list[Capability]
    auditors: list[AuditCapability]
    damaged: dict[str, Damaged]
    refused: dict[str, RefusedKeys]
    problems: list[Problem]

    @property
    def usable(self) -> set[str]:
        """The ids of projects of which something opens."""
        return {one.project for one in self.capabilities} | {one.project for one in self.auditors}

    @property
    def scopes(self) -> set[str]:
        """The ids of all projects that are named."""
        return self.usable | self.damaged.keys() | self.refused.keys()

    def without(self, project: str) -> Opened:
        """The same, and nothing of one project. project: its id."""
        return Opened(
            [one for one in self.capabilities if one.project != project],
            [one for one in self.auditors if one.project != project],
            {scope: one for scope, one in self.damaged.items() if scope != project},
            {scope: one for scope, one in self.refused.items() if scope != project},
            [one for one in self.problems if project not in one.path.decode("utf-8", "replace").split("/")],
        )


class KeySource(Struct, frozen=True):
    """Where key objects are read.

    - `repository`: its id
    - `now`: keys whose time has run out by then are refused
    - `copies`: of this machine; None where it keeps none
    - `revoked`: who has revoked the grant by which these keys are held, asked before a machine's copy is used; None where
      nobody has
    """

    store: Store
    repository: str
    now: datetime
    copies: KeyCopies | None
    revoked: Callable[[Capability | AuditCapability], KeyRefused | None]


def key_id(recipient: HybridRecipient, scope: str) -> str:
    """The id of a principal's key object: 32 hex digits that only those who know the recipient can link to it."""
    return blake3(f"{recipient.encode()} {scope}".encode()).hexdigest(length=16)


def listed(store: Store, scope: str = "") -> list[KeyObject]:
    """The key objects of a project, or of all, in their first place."""
    found = (read_name(info.name, info.size) for info in store.list(layout.keys_folder(scope)))
    return sorted(one for one in found if one is not None)


def read_name(name: str, size: int) -> KeyObject | None:
    """What a name of the store says; None where it is not a key object's. Both places are understood."""
    parts = name.removeprefix("projects/").split("/")
    if name.startswith("projects/") and len(parts) == 3 and parts[1] == "keys":
        parts = ["keys", parts[0], parts[2]]
    if len(parts) != 3 or parts[0] != "keys" or not layout.is_id(parts[1]) or not parts[2].endswith(".age"):
        return None
    leaf = parts[2].removesuffix(".age")
    return KeyObject(name, parts[1], leaf, size) if layout.is_id(leaf) else None


def own(scope: str, identities: Sequence[Identity]) -> list[KeyObject]:
    """The key objects of identities of a project, whether they are there or not."""
    ids = [key_id(one.recipient, scope) for one in identities if isinstance(one, HybridIdentity)]
    return [KeyObject(layout.key_name(scope, one), scope, one, 0) for one in ids]


def is_own(one: KeyObject, identities: Sequence[Identity]) -> bool:
    """Whether an object is named like that of one of `identities`."""
    return any(
        one.id == key_id(identity.recipient, one.scope) for identity in identities if isinstance(identity, HybridIdentity)
    )


def may_open(one: KeyObject, identities: Sequence[Identity]) -> bool:
    """Whether one of `identities` may open it: identities of other sorts than our own are tried on every object."""
    return is_own(one, identities) or any(not isinstance(identity, HybridIdentity) for identity in identities)


def open_all(
    source: KeySource, objects: Iterable[KeyObject], identities: Sequence[Identity], scopes: Collection[str] | None = None
) -> Opened:
    """Open what `identities` may open of `objects`; of a project that several open, the one that may read counts. scopes: ids
    of the projects whose key objects are looked for in their second place, too, where `objects` has none; None: those of which
    this machine has a copy."""
    wanted = [one for one in objects if may_open(one, identities)]
    there = {(one.scope, one.id) for one in wanted}
    if scopes is not None:
        unlisted = [one for scope in scopes for one in own(scope, identities)]
    else:
        copied = {(one.scope, one.id) for one in source.copies.all()} if source.copies is not None else set()
        unlisted = [one for scope in {scope for scope, _ in copied} for one in own(scope, identities)]
        unlisted = [one for one in unlisted if (one.scope, one.id) in copied]
    wanted += sorted(one for one in unlisted if (one.scope, one.id) not in there)
    outcomes = parallel_map(wanted, lambda one: _Reading(source, one, identities).outcome(), most=READERS, name="keys")
    return _sorted(outcomes, source.now)


_Content: TypeAlias = KeyObjectContent | Damaged | KeyRefused | None
"""None where none of the identities is meant, or the object is gone."""


class _Outcome(NamedTuple):
    """What came of one key object."""

    scope: str
    content: _Content
    name: str = ""
    problem: Problem | None = None


def _sorted(outcomes: Sequence[_Outcome], now: datetime) -> Opened:
    found: dict[str, Capability] = {}
    auditors: dict[str, AuditCapability] = {}
    damaged: dict[str, Damaged] = {}
    refused: dict[str, RefusedKeys] = {}
    for one in outcomes:
        content = _in_time(one.content, now)
        if isinstance(content, Damaged):
            damaged.setdefault(one.scope, content)
        elif isinstance(content, KeyRefused):
            refused.setdefault(one.scope, RefusedKeys(one.name or _name_in(one.content), content))
        elif isinstance(content, AuditCapability):
            auditors[one.scope] = content
        elif isinstance(content, Capability) and (one.scope not in found or content.content_identity):
            found[one.scope] = content
    usable = found.keys() | auditors.keys()
    return Opened(
        sorted(found.values(), key=lambda one: one.name),
        sorted((one for scope, one in auditors.items() if scope not in found), key=lambda one: one.name),
        {scope: error for scope, error in damaged.items() if scope not in usable},
        {scope: error for scope, error in refused.items() if scope not in usable},
        [one.problem for one in outcomes if one.problem is not None],
    )


def _in_time(content: _Content, now: datetime) -> _Content:
    """The same, or why it may not be used any more."""
    if isinstance(content, RevokedNotice):
        return revoked(content.name, content.grant, content.by, content.at)
    if isinstance(content, Capability | AuditCapability):
        grant = content.grant
        if grant is not None and grant.until is not None and now >= grant.until:
            return KeyRefused(
                f"the grant to {grant.name!r} for project {content.name!r} ended on {grant.until:%Y-%m-%d %H:%M} UTC",
                hint="ask somebody who may grant for a new one: they run `strongroom keys grant`",
            )
    return content


def revoked(project: str, grant: GrantReference, by: str, at: datetime) -> KeyRefused:
    """The refusal of whoever holds keys by a grant that was revoked. project: its name."""
    return KeyRefused(
        f"the grant to {grant.name!r} for project {project!r} was revoked by {by} on {at:%Y-%m-%d %H:%M} UTC",
        hint="ask whoever revoked it; another identity of the project opens it with --identity FILE",
    )


def _name_in(content: object) -> str:
    return content.name if isinstance(content, Capability | AuditCapability | RevokedNotice) else ""


class _Reading:
    """Of one key object, wherever it can be had."""

    def __init__(self, source: KeySource, one: KeyObject, identities: Sequence[Identity]) -> None:
        self._source = source
        self._one = one
        self._identities = identities
        self._copy = source.copies.of(one.scope, one.id) if source.copies is not None else None

    def outcome(self) -> _Outcome:
        """What it holds, with a problem where it had to be had elsewhere than in its first place."""
        one = self._one
        errors: list[Damaged] = []
        for name in (one.name, one.second_name) if is_own(one, self._identities) else (one.name,):
            try:
                data = self._fetch(name)
                content = self._newest(decode(data, one._replace(name=name), self._identities, self._source.repository))
            except Damaged as error:
                errors.append(error)
                continue
            except ObjectNotFound:
                continue
            self._save(content, data)
            return _Outcome(one.scope, content, problem=self._problem(errors, name) if name != one.name else None)
        return self._from_copy(errors)

    def _fetch(self, name: str) -> bytes:
        """Raises `ObjectNotFound`, `Damaged`."""
        if name == self._one.name and self._one.size > LARGEST_KEY_OBJECT:
            raise too_large(self._one)
        return self._source.store.get(name)

    def _newest(self, content: KeyObjectContent | None) -> KeyObjectContent | None:
        """The same. Raises `Damaged` where this machine has seen a later epoch."""
        if self._copy is not None and isinstance(content, Capability | AuditCapability) and content.epoch < self._copy.epoch:
            raise Damaged(
                f"the key object {self._one.name} is of epoch {content.epoch}, and this machine knows epoch "
                f"{self._copy.epoch}: somebody has put an older one back",
                hint=HINT,
            )
        return content

    def _save(self, content: KeyObjectContent | None, data: bytes) -> None:
        if self._source.copies is not None and isinstance(content, Capability | AuditCapability) and content.grant is not None:
            self._source.copies.save(self._one.scope, self._one.id, content.epoch, data)

    def _from_copy(self, errors: list[Damaged]) -> _Outcome:
        scope, data = self._one.scope, self._copy.read() if self._copy is not None else None
        try:
            content = decode(data, self._one, self._identities, self._source.repository) if data is not None else None
        except Damaged:
            content = None
        if not isinstance(content, Capability | AuditCapability):
            return _Outcome(scope, errors[0] if errors else None)
        refusal = self._source.revoked(content)
        if refusal is not None:
            return _Outcome(scope, refusal, content.name)
        return _Outcome(scope, content, problem=self._problem(errors, "the copy on this machine"))

    def _problem(self, errors: list[Damaged], used: str) -> Problem:
        why = str(errors[0]) if errors else f"the key object {self._one.name} is gone"
        return Problem(self._one.name.encode(), "damaged-key", f"{why}; {used} was used instead")


def too_large(one: KeyObject) -> Damaged:
    """The error about a key object of a size that none has."""
    return Damaged(f"the key object {one.name} has {one.size} bytes; more than {LARGEST_KEY_OBJECT} are never written")


def decode(data: bytes, one: KeyObject, identities: Sequence[Identity], repository: str) -> KeyObjectContent | None:
    """What a key object holds, out of the stored bytes; None where none of `identities` is meant. Raises `Damaged`."""
    try:
        content = key_object.decode(age.open_sealed(data, identities))
    except age.NoMatchingIdentity as error:
        if is_own(one, identities):
            message = f"the key object {one.name} is named like that of this identity, which does not open it"
            raise Damaged(message, hint=HINT) from error
        return None
    except Damaged as error:
        raise Damaged(f"the key object {one.name} is damaged: {error}", hint=HINT) from error
    if content.project != one.scope or content.repository != repository:
        raise Damaged(f"the key object {one.name} belongs to another project or repository", hint=HINT)
    return content
