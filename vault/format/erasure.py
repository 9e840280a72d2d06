"""What is said of the erasing of a project: signed statements under `erasures/<project>/`, which outlive it.

    request       somebody wants it erased: what there is, why, until when others may agree
    approval      somebody else agrees to that request
    destruction   it begins: from here on the project counts as erased
    completion    what was deleted, and what could not be

Each is a JSON object, signed, and sealed to the people who hold keys of the project. Which of them are believed:
`erasure_chain`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeAlias, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from vault.age import HybridIdentity
from vault.errors import Damaged, Unstorable
from vault.format import grant as stored_grants
from vault.format import signed_statement, strict_json
from vault.format.grant import Grant, Revocation, Signer
from vault.format.granted_fields import LONGEST_HOLDER, LONGEST_NAME
from vault.format.layout import is_id

NAMESPACE = "strongroom-erasure"
"""Of the signatures."""

LARGEST = 256 * 1024
"""Bytes of a statement before it is sealed."""

LONGEST_REASON = 1000
"""Characters."""

MOST_GRANTS = 40
"""Grants and revocations that a destruction carries; a grant has 2.9 KB."""

MOST_FINGERPRINTS = 500
"""Epochs of a project's keys that a destruction names."""

MOST_APPROVALS = 2
"""People who must want it."""

DIGEST = 32
"""Bytes of a SHA-256, and of a fingerprint."""


class ProjectContents(Struct, frozen=True):
    """What there is of a project. first, last: when the oldest and the newest snapshot were taken; None where there is none ·
    objects, bytes: all that is stored, the key objects included."""

    snapshots: int
    first: datetime | None
    last: datetime | None
    objects: int
    bytes: int
    key_objects: int

    def as_json(self) -> dict[str, Any]:
        """As stored."""
        return {
            "snapshots": self.snapshots,
            "first": self.first and strict_json.write_moment(self.first),
            "last": self.last and strict_json.write_moment(self.last),
            "objects": self.objects,
            "bytes": self.bytes,
            "key_objects": self.key_objects,
        }


class ErasureRequest(Struct, frozen=True):
    """name: of the project · state: what grants and holds there are (32 bytes): an approval is of this state · approvals: how
    many people must want it, who asks included · until: when it is over · signature: empty until it is signed."""

    repository: str
    project: str
    id: str
    name: str
    reason: str
    contents: ProjectContents
    state: bytes
    approvals: int
    by: Signer
    at: datetime
    until: datetime
    signature: str = ""

    def as_json(self) -> dict[str, Any]:
        """As stored."""
        return _head("request", self) | {
            "reason": self.reason,
            "contents": self.contents.as_json(),
            "state": self.state.hex(),
            "approvals": self.approvals,
            "until": strict_json.write_moment(self.until),
        }


class ErasureApproval(Struct, frozen=True):
    """request: the SHA-256 of the request that it is of (32 bytes), see `digest`."""

    repository: str
    project: str
    id: str
    name: str
    request: bytes
    by: Signer
    at: datetime
    signature: str = ""

    def as_json(self) -> dict[str, Any]:
        """As stored."""
        return _head("approval", self) | {"request": self.request.hex()}


class Destruction(Struct, frozen=True):
    """request, approval: the SHA-256 of those that it rests on; approval is None where one person was enough · fingerprints: of
    the project's keys, of every epoch (32 bytes each), the newest first · grants: those that lead from the project's
    creator to those who may say so, and the revocations of any of them."""

    repository: str
    project: str
    id: str
    name: str
    request: bytes
    approval: bytes | None
    fingerprints: tuple[bytes, ...]
    grants: tuple[Grant | Revocation, ...]
    by: Signer
    at: datetime
    signature: str = ""

    def as_json(self) -> dict[str, Any]:
        """As stored."""
        return _head("destruction", self) | {
            "request": self.request.hex(),
            "approval": self.approval and self.approval.hex(),
            "fingerprints": [one.hex() for one in self.fingerprints],
            "grants": [one.as_json() for one in self.grants],
        }


class Completion(Struct, frozen=True):
    """destruction: the SHA-256 of the one that it ends · key_objects, objects, bytes: that were deleted by whoever ended it;
    key objects are no part of the objects · left: objects that the store would not delete · old_versions: of objects other
    than key objects, which stay until the bucket's own rule expires them; None where nobody can say · log: the newest entry
    of the signer's log; empty where there is none."""

    repository: str
    project: str
    id: str
    name: str
    destruction: bytes
    key_objects: int
    objects: int
    bytes: int
    left: int
    old_versions: int | None
    log: str
    by: Signer
    at: datetime
    signature: str = ""

    def as_json(self) -> dict[str, Any]:
        """As stored."""
        return _head("completion", self) | {
            "destruction": self.destruction.hex(),
            "key_objects": self.key_objects,
            "objects": self.objects,
            "bytes": self.bytes,
            "left": self.left,
            "old_versions": self.old_versions,
            "log": self.log,
        }


Statement: TypeAlias = ErasureRequest | ErasureApproval | Destruction | Completion
Signed = TypeVar("Signed", ErasureRequest, ErasureApproval, Destruction, Completion)


def sort_of(statement: Statement) -> str:
    """`request`, `approval`, `destruction` or `completion`."""
    return str(statement.as_json()["record"])


def message(statement: Statement) -> bytes:
    """What is signed: the canonical form of the statement without its signature."""
    return signed_statement.canonical(statement.as_json())


def digest(statement: Statement) -> bytes:
    """The SHA-256 (32 bytes) of what is signed, by which other statements name it."""
    return hashlib.sha256(message(statement)).digest()


def signed(statement: Signed, identity: HybridIdentity) -> Signed:
    """The statement with the signature of whoever makes it. Raises `Unstorable` where nobody could read it again."""
    made = replace(statement, signature=signed_statement.sign(identity, statement.as_json(), NAMESPACE))
    try:
        decode(strict_json.dump(made.as_json()), made.id)
    except (Damaged, ValueError) as error:
        raise Unstorable(f"it cannot be written: {error}") from error
    return made


def encode(statement: Statement) -> bytes:
    """As stored, before it is sealed."""
    return strict_json.dump(statement.as_json())


def decode(data: bytes | bytearray, named: str) -> Statement:
    """What is stored under the id `named`, with a signature by the key that it names. Whether that key may say so is another
    question. Raises `Damaged`, also for a sort or a field that this version does not know."""
    what = f"the statement {named} of an erasure"
    value = strict_json.load(data, what, largest=LARGEST)
    if strict_json.field(value, "id", str, what) != named:
        raise Damaged(f"{what} is another one than its name says")
    readers: dict[str, Callable[[dict[str, Any], str], Statement]] = {
        "request": _request,
        "approval": _approval,
        "destruction": _destruction,
        "completion": _completion,
    }
    sort = strict_json.field(value, "record", str, what)
    if sort not in readers:
        raise Damaged(f"{what} is of an unknown sort")
    found = readers[sort](value, what)
    if found.as_json() != value:
        raise Damaged(f"{what} holds something else than Strongroom writes")
    signed_statement.verify(value, found.signature, found.by.signing_key, NAMESPACE, what)
    return found


def _head(sort: str, one: Statement) -> dict[str, Any]:
    """What all of them have."""
    return {
        "record": sort,
        "repository": one.repository,
        "project": one.project,
        "id": one.id,
        "name": one.name,
        "by": one.by.as_json(),
        "at": strict_json.write_moment(one.at),
        "signature": one.signature,
    }


def _common(value: dict[str, Any], what: str) -> dict[str, Any]:
    by = strict_json.field(value, "by", dict, what)
    found: dict[str, Any] = {
        **{name: strict_json.field(value, name, str, what) for name in ("repository", "project", "id", "name", "signature")},
        "by": Signer(strict_json.field(by, "name", str, what), strict_json.hexadecimal(by, "signing_key", 32, what)),
        "at": strict_json.moment(value, "at", what),
    }
    ids = all(is_id(found[name]) for name in ("repository", "project", "id"))
    if not ids or not 0 < len(found["name"]) <= LONGEST_NAME or len(found["by"].name) > LONGEST_HOLDER:
        raise Damaged(f"{what} holds an invalid value")
    return found


def _request(value: dict[str, Any], what: str) -> ErasureRequest:
    found = ErasureRequest(
        **_common(value, what),
        reason=strict_json.field(value, "reason", str, what),
        contents=_contents(strict_json.field(value, "contents", dict, what), what),
        state=strict_json.hexadecimal(value, "state", DIGEST, what),
        approvals=strict_json.count(value, "approvals", what),
        until=strict_json.moment(value, "until", what),
    )
    if not found.reason or len(found.reason) > LONGEST_REASON or not 1 <= found.approvals <= MOST_APPROVALS:
        raise Damaged(f"{what} holds an invalid value")
    return found


def _contents(value: dict[str, Any], what: str) -> ProjectContents:
    return ProjectContents(
        snapshots=strict_json.count(value, "snapshots", what),
        first=_moment_or_none(value, "first", what),
        last=_moment_or_none(value, "last", what),
        objects=strict_json.count(value, "objects", what),
        bytes=strict_json.count(value, "bytes", what),
        key_objects=strict_json.count(value, "key_objects", what),
    )


def _approval(value: dict[str, Any], what: str) -> ErasureApproval:
    return ErasureApproval(**_common(value, what), request=strict_json.hexadecimal(value, "request", DIGEST, what))


def _destruction(value: dict[str, Any], what: str) -> Destruction:
    approval = strict_json.optional(value, "approval", str, what)
    grants = strict_json.field(value, "grants", list, what)
    if len(grants) > MOST_GRANTS:
        raise Damaged(f"{what} carries more than {MOST_GRANTS} grants")
    return Destruction(
        **_common(value, what),
        request=strict_json.hexadecimal(value, "request", DIGEST, what),
        approval=None if approval is None else strict_json.from_hex(approval, DIGEST, what),
        fingerprints=tuple(
            strict_json.from_hex(one, DIGEST, what)
            for one in strict_json.texts(value, "fingerprints", what, most=MOST_FINGERPRINTS)
        ),
        grants=tuple(_grant(one, what) for one in grants),
    )


def _grant(found: object, what: str) -> Grant | Revocation:
    value = strict_json.item(found, what)
    one = stored_grants.read(value, strict_json.field(value, "id", str, what))
    if not isinstance(one, Grant | Revocation):
        raise Damaged(f"{what} carries something else than grants")
    return one


def _completion(value: dict[str, Any], what: str) -> Completion:
    versions = strict_json.optional(value, "old_versions", int, what)
    found = Completion(
        **_common(value, what),
        destruction=strict_json.hexadecimal(value, "destruction", DIGEST, what),
        key_objects=strict_json.count(value, "key_objects", what),
        objects=strict_json.count(value, "objects", what),
        bytes=strict_json.count(value, "bytes", what),
        left=strict_json.count(value, "left", what),
        old_versions=None if versions is None else strict_json.count(value, "old_versions", what),
        log=strict_json.field(value, "log", str, what),
    )
    if len(found.log) > LONGEST_REASON:
        raise Damaged(f"{what} holds an invalid value")
    return found


def _moment_or_none(value: dict[str, Any], name: str, what: str) -> datetime | None:
    return None if value.get(name) is None else strict_json.moment(value, name, what)
