"""The accounts of others: for those who administer them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from console.access.rights import Action
from console.errors import NotAllowed
from console.visit import Visit

if TYPE_CHECKING:
    from console.accounts.accounts import Accounts


def administering(visit: Visit) -> Accounts:
    """All accounts, for whoever may change them. Raises `NotAllowed`, `NotSignedIn`."""
    if not visit.person.may(Action.ADMINISTER, visit.now):
        raise NotAllowed("you may not see the accounts of others", hint="ask for the role of an administrator")
    return visit.console.accounts
