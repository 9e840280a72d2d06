"""What putting rows back into a database would do, as a value; and what it did."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from restore.planning.conflict_policy import ConflictPolicy
from vault.errors import TargetError, UsageError
from vault.wording import counted

POLICIES = (ConflictPolicy.REFUSE, ConflictPolicy.SKIP, ConflictPolicy.NEWER, ConflictPolicy.REPLACE)


class TableRows(Struct, frozen=True):
    """The rows of one table, compared with those that the database has by its key.

    - `rows`: that were selected
    - `missing`: that the database has not: they are inserted
    - `equal`: that it has, as they were
    - `differing`: that it has otherwise
    - `newer`: of these, whose version there is greater
    - `key`: the columns that tell rows apart; empty where the table has none, so that whole rows are compared
    - `created`: the table is not there, and will be made
    - `notes`: what cannot be as it was, or happens beside
    """

    table: str
    rows: int
    missing: int
    equal: int
    differing: int
    newer: int
    key: tuple[str, ...]
    created: bool
    notes: tuple[str, ...] = ()

    def replaced(self, policy: ConflictPolicy) -> int:
        """How many rows of the database take the content of the snapshot."""
        if policy is ConflictPolicy.REPLACE:
            return self.differing
        return self.differing - self.newer if policy is ConflictPolicy.NEWER else 0

    def as_json(self, policy: ConflictPolicy) -> dict[str, Any]:
        """For `--json`."""
        replaced = self.replaced(policy)
        return {
            "table": self.table,
            "rows": self.rows,
            "inserted": self.missing,
            "replaced": replaced,
            "equal": self.equal,
            "rows_left": self.differing - replaced,
            "key": list(self.key),
            "created": self.created,
            "notes": list(self.notes),
        }


class RowPlan(Struct, frozen=True):
    """Of all tables. where: the database, for people · created: it is not there, and will be made."""

    where: str
    policy: ConflictPolicy
    tables: tuple[TableRows, ...]
    created: bool

    @property
    def rows(self) -> int:
        """That were selected."""
        return sum(one.rows for one in self.tables)

    @property
    def inserted(self) -> int:
        """Rows that will be inserted."""
        return sum(one.missing for one in self.tables)

    @property
    def replaced(self) -> int:
        """Rows that will be replaced."""
        return sum(one.replaced(self.policy) for one in self.tables)

    @property
    def left(self) -> int:
        """Rows that stay though they are not what the snapshot has."""
        return sum(one.differing for one in self.tables) - self.replaced

    def refuse(self) -> None:
        """Raises `TargetError` where rows are in the way, and nobody said what to do about it."""
        differing = [one for one in self.tables if one.differing]
        if self.policy is ConflictPolicy.REFUSE and differing:
            rows = sum(one.differing for one in differing)
            raise TargetError(
                f"{counted(rows, 'row is', 'rows are')} in the way in {self.where}, in the table {differing[0].table!r}",
                hint="nothing was written; choose --existing skip, newer or replace",
            )

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "database": self.where,
            "created": self.created,
            "existing": self.policy.value,
            "tables": [one.as_json(self.policy) for one in self.tables],
        }


def policy_for_rows(policy: ConflictPolicy | None, version_column: str | None) -> ConflictPolicy:
    """What becomes of rows that are there. Raises `UsageError` for what rows cannot be asked for."""
    if policy is None:
        return ConflictPolicy.REFUSE
    if policy not in POLICIES:
        raise UsageError("--existing keep-both is for files: a row has one place", hint="choose refuse, skip, newer or replace")
    if policy is ConflictPolicy.NEWER and not version_column:
        raise UsageError(
            "--existing newer needs a column that tells which row is newer",
            hint="name it in the source's options, version_column, or choose skip or replace",
        )
    return policy
