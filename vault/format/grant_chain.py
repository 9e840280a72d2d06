"""Which grants are believed. The chain begins with the root grant, which the project's creator has signed for itself; whoever
holds `read` by a believed grant without an end may grant, revoke and begin epochs.

- A grant with an end gives no such right, as nobody could tell a signature from before its end from one that was dated back.
- A revocation says what its holder had signed by then; nothing else of that key is believed from then on, whatever its date.
- Where two holders revoke each other, that revocation counts which this machine has seen first, else the one with the earlier
  date.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime, timedelta
from typing import NamedTuple

from vault.format.grant import EpochStatement, Grant, Revocation, Statement, root_id
from vault.format.rights import READ

CLOCKS_DIFFER = timedelta(days=1)
"""A grant counts from so long before its date: the clock of whoever it is for may be behind."""


class GrantChain(NamedTuple):
    """What is believed of a project.

    - `root`: None where there is none, or another one than this machine knows
    - `grants`: by id, ended and revoked ones among them
    - `revocations`: by the id of the grant that each ends; where several do, the first
    - `epochs`: by number
    - `refused`: ids of what is signed by nobody who may say so
    """

    root: Grant | None
    grants: Mapping[str, Grant]
    revocations: Mapping[str, Revocation]
    epochs: Mapping[int, EpochStatement]
    refused: tuple[str, ...]

    def standing(self, now: datetime) -> list[Grant]:
        """The grants that are in force, by name."""
        found = [one for one in self.grants.values() if one.id not in self.revocations and not one.ended(now)]
        return sorted(found, key=lambda one: (one.name, one.at, one.id))

    def signed_by(self, signing_key: bytes | None) -> list[str]:
        """The ids of everything believed that the holder of a key has signed."""
        every: list[Statement] = [*self.grants.values(), *self.revocations.values(), *self.epochs.values()]
        return sorted(one.id for one in every if one.by.signing_key == signing_key)


def believed(
    project: str, statements: Iterable[Statement], root_key: bytes | None = None, known: Collection[str] = ()
) -> GrantChain:
    """What is to be believed of the statements of a project, each of which bears a valid signature. root_key: that of the
    project's creator as this machine knows it; None: the root grant that is there is taken · known: ids of revocations that
    this machine has believed before."""
    every = sorted(statements, key=lambda one: (one.at, one.id))
    grants = [one for one in every if isinstance(one, Grant)]
    root = next((one for one in grants if _is_root(project, one, root_key)), None)
    if root is None:
        return GrantChain(None, {}, {}, {}, tuple(one.id for one in every))
    chain = _Chain(root, [one for one in grants if one is not root])
    revocations = [one for one in every if isinstance(one, Revocation)]
    for revocation in sorted(revocations, key=lambda one: one.id not in known):
        chain.revoke(revocation)
    epochs = {one.number: one for one in every if isinstance(one, EpochStatement) and chain.may_sign(one)}
    taken = chain.grants.keys() | {one.id for one in chain.revocations.values()} | {one.id for one in epochs.values()}
    refused = tuple(one.id for one in every if one.id not in taken)
    return GrantChain(root, chain.grants, chain.revocations, epochs, refused)


def may_administer(grant: Grant) -> bool:
    """Whether a grant that stands gives the right to grant, revoke and rotate."""
    return grant.may(READ) and grant.until is None and grant.principal.signing_key is not None


def _is_root(project: str, one: Grant, root_key: bytes | None) -> bool:
    own = one.principal.signing_key
    return (
        one.id == root_id(project)
        and own is not None
        and one.by.signing_key == own
        and root_key in (None, own)
        and may_administer(one)
    )


class _Chain:
    """Grants that are believed, given revocations that are."""

    def __init__(self, root: Grant, others: list[Grant]) -> None:
        self._root = root
        self._others = others
        self._signers: dict[bytes, list[Grant]] = {}
        self.revocations: dict[str, Revocation] = {}
        self.grants: dict[str, Grant] = {}
        self._believe()

    def revoke(self, one: Revocation) -> None:
        """Take a revocation into account, if its signer may revoke. What that signer's own end takes away goes with it."""
        if one.grant not in self.grants or one.grant in self.revocations or not self.may_sign(one):
            return
        self.revocations[one.grant] = one
        self._believe()
        while (baseless := next((it for it in self.revocations.values() if not self.may_sign(it)), None)) is not None:
            del self.revocations[baseless.grant]
            self._believe()

    def may_sign(self, one: Statement) -> bool:
        """Whether a believed grant gives its signer the right to make this statement."""
        return any(
            grant.at - CLOCKS_DIFFER <= one.at
            and (grant.id not in self.revocations or one.id in self.revocations[grant.id].keeps)
            for grant in self._signers.get(one.by.signing_key, ())
        )

    def _believe(self) -> None:
        """Anew, as a revocation may take away what others rest on. As often as it takes, as clocks differ."""
        self.grants, self._signers = {}, {}
        more = [self._root]
        while more:
            for one in more:
                self.grants[one.id] = one
                if may_administer(one):
                    self._signers.setdefault(one.principal.signing_key or b"", []).append(one)
            more = [one for one in self._others if one.id not in self.grants and self.may_sign(one)]
