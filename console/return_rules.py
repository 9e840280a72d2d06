"""What the settings say of getting things back: into which folders, and what a second person must approve."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

from msgspec import Struct, field

from console.access.rights import APPROVED_BY_TWO, MAY_BE_APPROVED, Action

A_DAY = 86_400.0


class ReturnRules(Struct, frozen=True):
    """folders: into which it may be restored, by the names that people see · approvals: what a second person must approve ·
    approval: seconds after which a request that nobody has decided is over, and an approval that nobody has used."""

    folders: Mapping[str, Path] = field(default_factory=dict)
    approvals: frozenset[Action] = APPROVED_BY_TWO
    approval: float = A_DAY

    @classmethod
    def of(cls, folders: Sequence[Path], approvals: Sequence[str], approval: float) -> Self:
        """As the settings have them. folders: people see their own names, and the whole path only where two have one name ·
        approvals: names of actions; others count for nothing."""
        names = Counter(one.name for one in folders)
        named = {one.name if names[one.name] == 1 and one.name else str(one): one for one in folders}
        return cls(named, frozenset(one for one in MAY_BE_APPROVED if one.value in approvals), approval)


def usual_rules() -> ReturnRules:
    """Where the settings say nothing."""
    return ReturnRules()
