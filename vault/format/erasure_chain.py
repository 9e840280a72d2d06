"""Which statements about the erasing of a project are believed, and by whom.

Whoever controls the store can delete key objects and can seal statements to people. What they cannot do is sign for somebody
who may administer the project: a destruction carries the grants that lead from the project's creator to its signers, and a
machine remembers the creator's key, the fingerprint of the project's keys, and whose grants were revoked.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta

from msgspec import Struct

from vault.errors import Damaged
from vault.format.erasure import Completion, Destruction, ErasureApproval, ErasureRequest, Statement, digest
from vault.format.grant import Grant, Revocation
from vault.format.grant_chain import CLOCKS_DIFFER, GrantChain, believed, may_administer

LONGEST = timedelta(days=30)
"""For which a request may be open."""


class KnownProject(Struct, frozen=True):
    """What a machine remembers of a project. fingerprints: of its keys, by any of its names; empty where it was never opened
    here · root: the creator's signing key; None where it is not known · revoked: ids of grants of which it knows that
    they were revoked · revocations: ids of the revocations that it knows."""

    fingerprints: frozenset[bytes] = frozenset()
    root: bytes | None = None
    revoked: frozenset[str] = frozenset()
    revocations: frozenset[str] = frozenset()


class Erasure(Struct, frozen=True):
    """An erasing that has begun. approval: None where one person was enough · completion: None until it has ended."""

    request: ErasureRequest
    approval: ErasureApproval | None
    destruction: Destruction
    completion: Completion | None = None

    @property
    def statements(self) -> tuple[Statement, ...]:
        """Those that there are, in their order."""
        every = (self.request, self.approval, self.destruction, self.completion)
        return tuple(one for one in every if one is not None)

    @property
    def people(self) -> tuple[str, ...]:
        """The names of those who wanted it."""
        approved = () if self.approval is None else (self.approval.by.name,)
        return (self.request.by.name, *approved)


def open_request(
    statements: Iterable[Statement], administrators: Sequence[Grant], state: bytes, now: datetime
) -> tuple[ErasureRequest | None, ErasureApproval | None]:
    """The newest request that may be approved or carried out, and the first approval of it that counts. administrators: grants
    of those who may ask and approve, as believed now · state: of grants and holds, now (32 bytes)."""
    every = sorted(statements, key=lambda one: (one.at, one.id))
    keys = {one.principal.signing_key for one in administrators}
    requests = [
        one
        for one in every
        if isinstance(one, ErasureRequest)
        and one.by.signing_key in keys
        and one.state == state
        and one.at - CLOCKS_DIFFER <= now < one.until
        and is_in_bounds(one)
    ]
    if not requests:
        return None, None
    request = requests[-1]
    approvals = [one for one in every if isinstance(one, ErasureApproval)]
    return request, next((one for one in approvals if not why_no_approval(request, one, administrators)), None)


def is_in_bounds(request: ErasureRequest) -> bool:
    """Whether it is open for no longer than any may be."""
    return timedelta(0) < request.until - request.at <= LONGEST


def why_no_approval(request: ErasureRequest, approval: ErasureApproval, administrators: Iterable[Grant]) -> str:
    """Why an approval does not count; empty where it does. administrators: grants of those who may approve."""
    by_key = {one.principal.signing_key: one for one in administrators}
    asked, agreed = by_key.get(request.by.signing_key), by_key.get(approval.by.signing_key)
    if approval.request != digest(request) or approval.name != request.name:
        return "it is of another request"
    if agreed is None:
        return f"{approval.by.name} may not approve it"
    if request.by.signing_key == approval.by.signing_key or (
        asked is not None and asked.principal.recipient == agreed.principal.recipient
    ):
        return "it is by whoever has asked"
    if not request.at - CLOCKS_DIFFER <= approval.at <= request.until:
        return "it is of a time at which the request was not open"
    return ""


def erasure_of(
    ids: tuple[str, str], statements: Sequence[Statement], known: KnownProject
) -> tuple[Erasure | None, Damaged | None]:
    """The first erasing that is believed; else why none is, where somebody says that there was one. ids: of the repository and
    the project."""
    destructions = sorted((one for one in statements if isinstance(one, Destruction)), key=lambda one: (one.at, one.id))
    error = None
    for one in destructions:
        try:
            return _verified(ids, one, statements, known), None
        except Damaged as refusal:
            error = error or refusal
    return None, error


def _verified(ids: tuple[str, str], one: Destruction, statements: Sequence[Statement], known: KnownProject) -> Erasure:
    """Raises `Damaged` where it is not to be believed."""
    by_digest = {digest(it): it for it in statements}
    request, approval = by_digest.get(one.request), by_digest.get(one.approval) if one.approval is not None else None
    if (one.repository, one.project) != ids:
        raise _refused("is of another project or repository")
    if not isinstance(request, ErasureRequest) or (one.approval is not None and not isinstance(approval, ErasureApproval)):
        raise _refused("rests on a request or an approval that is not there")
    if (request.repository, request.project, request.name) != (*ids, one.name) or not is_in_bounds(request):
        raise _refused("rests on a request that does not fit it")
    if not request.at - CLOCKS_DIFFER <= one.at <= request.until:
        raise _refused("was signed when the request was not open")
    administrators = _administrators(ids, one.grants, known)
    keys = {it.principal.signing_key for it in administrators}
    if one.by.signing_key not in keys or request.by.signing_key not in keys:
        raise _refused("is not signed by people who may erase the project, as far as this machine knows")
    if request.approvals > 1 or isinstance(approval, ErasureApproval):
        if not isinstance(approval, ErasureApproval) or (approval.repository, approval.project) != ids:
            raise _refused("lacks the approval of a second person")
        why = why_no_approval(request, approval, administrators)
        if why:
            raise _refused(f"rests on an approval that does not count: {why}")
    else:
        approval = None
    if known.fingerprints and not known.fingerprints & set(one.fingerprints):
        raise _refused("names other keys than those by which this machine knows the project")
    return Erasure(request, approval, one, _completion(ids, one, statements, keys))


def _administrators(ids: tuple[str, str], carried: Sequence[Grant | Revocation], known: KnownProject) -> list[Grant]:
    """Those of the grants that a destruction carries which are believed, and give the right to administer. Of one of which this
    machine knows that it was revoked, the revocation must be there that it knows: that one says what its holder had signed."""
    of_project = [one for one in carried if (one.repository, one.project) == ids]
    ends = [
        one
        for one in of_project
        if isinstance(one, Revocation) and (one.id in known.revocations or one.grant not in known.revoked)
    ]
    ended = {one.grant for one in ends}
    grants = [one for one in of_project if isinstance(one, Grant) and (one.id not in known.revoked or one.id in ended)]
    chain = believed(ids[1], [*grants, *ends], known.root, known.revocations)
    return [one for one in chain.grants.values() if may_administer(one) and one.id not in chain.revocations]


def leading_to(chain: GrantChain, wanted: Iterable[Grant]) -> tuple[Grant | Revocation, ...]:
    """The believed grants that lead from the project's creator to these, and the revocations of any of them."""
    found: dict[str, Grant | Revocation] = {}
    waiting: list[Grant | Revocation] = list(wanted)
    while waiting:
        one = waiting.pop()
        if one.id in found:
            continue
        found[one.id] = one
        waiting += [
            grant
            for grant in chain.grants.values()
            if grant.principal.signing_key == one.by.signing_key and may_administer(grant)
        ]
        if one.id in chain.revocations:
            waiting.append(chain.revocations[one.id])
    return tuple(sorted(found.values(), key=lambda one: (one.at, one.id)))


def _completion(
    ids: tuple[str, str], destruction: Destruction, statements: Sequence[Statement], keys: Collection[bytes | None]
) -> Completion | None:
    found = [
        one
        for one in statements
        if isinstance(one, Completion)
        and (one.repository, one.project, one.name) == (*ids, destruction.name)
        and one.destruction == digest(destruction)
        and one.by.signing_key in keys
    ]
    return max(found, key=lambda one: (one.at, one.id), default=None)


def _refused(why: str) -> Damaged:
    return Damaged(f"somebody says that it was erased, and that cannot be believed: the statement {why}")
