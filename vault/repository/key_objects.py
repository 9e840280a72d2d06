"""The key objects under `keys/`: each holds a project's secrets, sealed to one principal. `Repository.grant` writes them.

A key object's id tells whose it is to those who know the recipient, so that others' need not be fetched. Each is opened by
itself: one that is damaged costs its own project, and no other.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from blake3 import blake3

from vault import age
from vault.age import HybridIdentity, HybridRecipient, Identity
from vault.errors import Damaged, ObjectNotFound
from vault.format import layout
from vault.format.capability import LARGEST_KEY_OBJECT, Capability
from vault.storage.contract import Store

READERS = 8
"""Key objects that are fetched at once: each waits for a round trip."""

HINT = (
    "put the object back from a copy of the repository; until then another identity of the project, such as the recovery kit, "
    "opens it with --identity FILE"
)


class KeyObject(NamedTuple):
    """scope: the project's id · id: that of the object itself · size: stored bytes."""

    name: str
    scope: str
    id: str
    size: int


class Opened(NamedTuple):
    """capabilities: one a project, by name · damaged: why a project does not open, by its id: an object that should open it is
    damaged, and no other one opens it."""

    capabilities: list[Capability]
    damaged: dict[str, Damaged]


def key_id(recipient: HybridRecipient, scope: str) -> str:
    """The id of a principal's key object: 32 hex digits that only those who know the recipient can link to it."""
    return blake3(f"{recipient.encode()} {scope}".encode()).hexdigest(length=16)


def listed(store: Store, scope: str = "") -> list[KeyObject]:
    """The key objects of a project, or of all."""
    found = (read_name(info.name, info.size) for info in store.list(layout.keys_folder(scope)))
    return sorted(one for one in found if one is not None)


def read_name(name: str, size: int) -> KeyObject | None:
    """What a name of the store says; None where it is not a key object's."""
    parts = name.split("/")
    if len(parts) != 3 or not layout.is_id(parts[1]) or not parts[2].endswith(".age"):
        return None
    leaf = parts[2].removesuffix(".age")
    return KeyObject(name, parts[1], leaf, size) if layout.is_id(leaf) else None


def is_own(one: KeyObject, identities: Sequence[Identity]) -> bool:
    """Whether an object is named like that of one of `identities`."""
    return any(
        one.id == key_id(identity.recipient, one.scope) for identity in identities if isinstance(identity, HybridIdentity)
    )


def may_open(one: KeyObject, identities: Sequence[Identity]) -> bool:
    """Whether one of `identities` may open it: identities of other sorts than our own are tried on every object."""
    return is_own(one, identities) or any(not isinstance(identity, HybridIdentity) for identity in identities)


def open_all(store: Store, objects: Iterable[KeyObject], identities: Sequence[Identity], repository: str) -> Opened:
    """Open what `identities` may open of `objects`; of a project that several open, the one that may read counts.
    repository: its id."""
    wanted = [one for one in objects if may_open(one, identities)]
    found: dict[str, Capability] = {}
    damaged: dict[str, Damaged] = {}
    with ThreadPoolExecutor(min(READERS, len(wanted)) or 1, thread_name_prefix="keys") as pool:
        outcomes = list(pool.map(lambda one: _open_or_why_not(store, one, identities, repository), wanted))
    for one, outcome in zip(wanted, outcomes, strict=True):
        if isinstance(outcome, Damaged):
            damaged.setdefault(one.scope, outcome)
        elif outcome and (one.scope not in found or outcome.content_identity):
            found[one.scope] = outcome
    by_name = sorted(found.values(), key=lambda capability: capability.name)
    return Opened(by_name, {scope: error for scope, error in damaged.items() if scope not in found})


def open_one(store: Store, one: KeyObject, identities: Sequence[Identity], repository: str) -> Capability | None:
    """What a key object holds; None where it is gone, or none of `identities` is meant. Raises `Damaged`."""
    if one.size > LARGEST_KEY_OBJECT:
        raise Damaged(f"the key object {one.name} has {one.size} bytes; more than {LARGEST_KEY_OBJECT} are never written")
    try:
        return decode(store.get(one.name), one, identities, repository)
    except ObjectNotFound:
        return None


def decode(data: bytes, one: KeyObject, identities: Sequence[Identity], repository: str) -> Capability | None:
    """As `open_one`, out of the stored bytes."""
    try:
        capability = Capability.decode(age.open_sealed(data, identities))
    except age.NoMatchingIdentity as error:
        if is_own(one, identities):
            message = f"the key object {one.name} is named like that of this identity, which does not open it"
            raise Damaged(message, hint=HINT) from error
        return None
    except Damaged as error:
        raise Damaged(f"the key object {one.name} is damaged: {error}", hint=HINT) from error
    if capability.project != one.scope or capability.repository != repository:
        raise Damaged(f"the key object {one.name} belongs to another project or repository", hint=HINT)
    return capability


def _open_or_why_not(
    store: Store, one: KeyObject, identities: Sequence[Identity], repository: str
) -> Capability | Damaged | None:
    try:
        return open_one(store, one, identities, repository)
    except Damaged as error:
        return error
