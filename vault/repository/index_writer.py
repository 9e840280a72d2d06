"""The index rows of the packs that a run stores, and the segments that name these packs.

While the run is at work, an interim segment names its new packs about once a minute, so that later runs can use them if this
one dies. At its end one segment for all packs takes the place of the interim ones.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from vault.errors import StorageDenied, StorageError
from vault.format import index
from vault.repository import stored_packs
from vault.repository.index_segments import store_segments
from vault.repository.project import Project
from vault.repository.store_trust import WriteLost

if TYPE_CHECKING:
    import pyarrow as pa

INTERIM_EVERY = 60.0
"""Seconds between two interim segments: packs that a dying run has stored since the last one are orphans."""


class IndexWriter:
    """Used from several threads."""

    def __init__(self, project: Project) -> None:
        self._project = project
        self._lock = threading.Lock()
        self._rows: list[pa.Table] = []
        self._unnamed: list[pa.Table] = []
        self._segments: list[str] = []
        self._last_interim = project.services.clock.monotonic()

    def add(self, tables: Sequence[pa.Table]) -> None:
        """Take the rows of packs that are in the store and in no segment."""
        with self._lock:
            self._rows += tables
            self._unnamed += tables

    def rows(self) -> pa.Table:
        """All rows that were added."""
        import pyarrow as pa

        with self._lock:
            return pa.concat_tables([index.schema().empty_table(), *self._rows])

    def packs(self) -> frozenset[bytes]:
        """The SHA-256 of every pack that a row names."""
        return frozenset(self.rows()["pack"].unique().to_pylist())

    def write_interim_if_due(self) -> None:
        """Write an interim segment if the last one is a minute old and there are rows that none names. Raises `StorageError`;
        the rows are then written with the next segment."""
        now = self._project.services.clock.monotonic()
        with self._lock:
            if not self._unnamed or now - self._last_interim < INTERIM_EVERY:
                return
            self._last_interim = now
            unnamed, self._unnamed = self._unnamed, []
        try:
            names = self._store(unnamed)
        except StorageError:
            with self._lock:
                self._unnamed += unnamed
            raise
        with self._lock:
            self._segments += names

    def write_all(self) -> None:
        """Write one segment for all rows and delete the interim ones. Raises `StorageError`."""
        with self._lock:
            if not self._unnamed and len(self._segments) < 2:
                return
            rows, interim = list(self._rows), self._segments
        self._segments = self._store(rows)
        with self._lock:
            self._unnamed = []
        with suppress(StorageDenied):  # append-only credentials: prune deletes the interim segments
            for name in interim:
                self._project.store.delete(name)

    def restore_lost(self) -> None:
        """Write all rows again where a segment is not in the store: its PUT stored nothing although it was answered, or a prune
        has joined segments. Raises `WriteLost`, `StorageError`."""
        if all(stored_packs.exists(self._project, name) for name in self._segments):
            return
        with self._lock:
            self._segments = self._store(self._rows)
        for name in self._segments:
            if not stored_packs.exists(self._project, name):
                raise WriteLost(f"the index segment {name} was written, the store has answered, and it is not there")

    def _store(self, tables: Sequence[pa.Table]) -> list[str]:
        import pyarrow as pa

        return store_segments(self._project, pa.concat_tables(tables))
