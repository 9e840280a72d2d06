"""The snapshots that a new one follows and carries forward."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from msgspec import Struct, field

from vault.errors import Damaged
from vault.format import manifest
from vault.format.snapshot_record import Record
from vault.problems import Problem
from vault.repository import snapshots
from vault.repository.writer_view import WriterView

if TYPE_CHECKING:
    import pyarrow as pa


class ManifestUnreadable(Damaged):
    """The manifest of a snapshot that the new one follows cannot be read. snapshot: its id."""

    def __init__(self, snapshot: str, message: str) -> None:
        super().__init__(message)
        self.snapshot = snapshot


class BaseSnapshots(Struct, frozen=True):
    """Use `choose`.

    - `source`: whose snapshots these are
    - `parents`: the newest snapshots of the source, which become the parents of the new one: usually one, two after two
      runs at once
    - `bases`: those whose manifests are carried forward, the newest last; in place of one whose manifest cannot be read, the
      nearest earlier one whose manifest can
    """

    view: WriterView
    source: str
    parents: Sequence[Record]
    bases: Sequence[Record]
    kept: dict[str, bytearray] = field(default_factory=dict)
    """Manifests that are not worth picking columns out of, by snapshot: a run asks for other columns of its base five
    times, and to open and join 700 chunks takes 8 ms each time."""

    @classmethod
    def choose(cls, view: WriterView, source: str, distrusted: frozenset[str]) -> tuple[BaseSnapshots, list[Problem]]:
        """The snapshots to follow, and a problem for each whose manifest is replaced. distrusted: ids of snapshots whose
        manifests cannot be read."""
        problems: list[Problem] = []

        def readable(parents: Sequence[Record]) -> Iterator[Record]:
            for head in parents:
                if head.id not in distrusted:
                    yield head
                    continue
                earlier = snapshots.newest_readable(view.catalogue, view.committed.records, head, distrusted)
                problems.append(snapshots.unreadable(view.project, head, earlier))
                if earlier is not None:
                    yield earlier

        parents = snapshots.heads(view.committed.records, source)
        bases = {head.id: head for head in readable(parents)}
        ordered = sorted(bases.values(), key=lambda head: (head.taken_at, head.id))
        return cls(view, source, parents, ordered), problems

    @property
    def last(self) -> Record | None:
        """The one that the scan is compared with."""
        return self.bases[-1] if self.bases else None

    @property
    def only_one(self) -> bool:
        """Whether the new snapshot follows a single one, whose manifest can be read."""
        return len(self.bases) == 1 and list(self.bases) == list(self.parents)

    def last_manifest(self, columns: list[str] | None = None) -> pa.Table:
        """The manifest of `last`, or the named columns of it; without rows where there is none. Raises `ManifestUnreadable`."""
        if self.last is None:
            empty = manifest.schema().empty_table()
            return empty if columns is None else empty.select(columns)
        return self.manifest(self.last, columns)

    def manifest(self, head: Record, columns: list[str] | None = None) -> pa.Table:
        """The manifest of one of `bases`, or the named columns of it. Raises `ManifestUnreadable`."""
        try:
            return snapshots.read_manifest(self.view.catalogue, head, columns=columns, kept=self.kept)
        except Damaged as error:
            raise ManifestUnreadable(head.id, str(error)) from error

    def backed_up_since(self, default: datetime) -> datetime:
        """Since when the source is backed up, as far as its records say; `default` where it has none."""
        if self.last is not None and self.last.changes is not None and self.last.changes.since is not None:
            return self.last.changes.since
        own = (one.moment for one in snapshots.outlines(self.view.committed.records) if one.source == self.source)
        return min(own, default=default)
