"""What a restore did, as a value."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from strongroom.estimate import summed

if TYPE_CHECKING:
    from restore.execution.executor import RestoreReport
    from restore.execution.in_place import SourceRoot
    from restore.execution.verification import Verification
    from restore.outputs.output_item import ItemOutcome
    from restore.planning.plan import RestorePlan
    from strongroom.restore_plan import PlannedRestore
    from vault.problems import Problem


class RestoredPart(Struct, frozen=True):
    """What was done at one place. where: for people · plan: what was executed; None for a file as it is to a stream ·
    source_root: in place, the source and its folder · verification: where it was asked for."""

    where: str
    report: RestoreReport
    plan: RestorePlan | None = None
    source_root: SourceRoot | None = None
    verification: Verification | None = None

    def as_json(self) -> dict[str, Any]:
        """For `--json`, of a source's folder."""
        root = self.source_root
        about = {} if root is None else {"source": root.source, "folder": str(root.folder)}
        plan = {} if self.plan is None else {"plan": self.plan.as_json()}
        verified = {} if self.verification is None else {"verification": self.verification.as_json()}
        return {**about, **plan, **self.report.as_json(), **verified}


class RestoreResult(Struct, frozen=True):
    """What a restore did.

    parts: one; in place one for each source · outcomes: where tables were converted, what became of each file; None where
    everything was restored as it is · missing_snapshots: ids of snapshots that were here and are gone · planned: None for a
    stream
    """

    parts: tuple[RestoredPart, ...]
    outcomes: tuple[ItemOutcome, ...] | None = None
    missing_snapshots: tuple[str, ...] = ()
    planned: PlannedRestore | None = None

    @property
    def files(self) -> int:
        """Files that were written."""
        return self._sum(lambda report: report.files)

    @property
    def bytes(self) -> int:
        """Content that was written."""
        return self._sum(lambda report: report.bytes)

    @property
    def already_there(self) -> int:
        """Items that existed as they should be."""
        return self._sum(lambda report: report.already_there)

    @property
    def skipped(self) -> int:
        """Items left out because something existed in their place."""
        return self._sum(lambda report: report.skipped)

    @property
    def seconds(self) -> float:
        """How long it took."""
        return sum(part.report.seconds for part in self.parts)

    @property
    def problems(self) -> list[Problem]:
        """Whatever is not as it was asked for: what could not be restored, or lacks something. Empty after a whole success."""
        return [problem for part in self.parts for problem in part.report.problems]

    @property
    def verifications(self) -> list[Verification]:
        """Of each place, what was read again; empty where that was not asked for."""
        return [part.verification for part in self.parts if part.verification is not None]

    def _sum(self, count: Callable[[RestoreReport], int]) -> int:
        return sum(count(part.report) for part in self.parts)

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        found: dict[str, Any] = {} if self.planned is None else {"plan": self.planned.as_json()}
        found |= summed([part.report.as_json() for part in self.parts])
        verified = [one.as_json() for one in self.verifications]
        if verified:
            found["verification"] = summed([{name: one[name] for name in one if name != "medium"} for one in verified])
            found["verification"]["medium"] = verified[0]["medium"]
        if any(part.source_root is not None for part in self.parts):
            found["sources"] = [part.as_json() for part in self.parts]
        if self.outcomes is not None:
            from restore.outputs.report import counts_of

            found["export"] = counts_of(self.outcomes).as_json()
        return found | {"missing_snapshots": [*self.missing_snapshots]}
