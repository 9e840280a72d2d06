"""A project's files behind fsspec, and a count of what reading them costs."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from zoneinfo import ZoneInfo

from msgspec.structs import replace

from restore.fsspec.filesystem import HistoryFileSystem, OpenProject
from restore.selection.query import ItemQuery
from restore.selection.select import Selection, select
from tests.support.places import made_on, through, tiny_descriptor
from vault.backup import run
from vault.backup.item_classification import ClassifyOptions
from vault.format.chunks import ChunkerParams
from vault.format.descriptor import Descriptor, FormatLimits
from vault.repository.project import Project
from vault.source.patterns import Rules
from vault.storage.counting import CountingStore, Traffic
from vault.storage.memory import MemoryStore

ZONE = ZoneInfo("Europe/Kyiv")


class OneProject(HistoryFileSystem):
    """The file system over a selection that is there already."""

    cachable = False

    def __init__(self, selection: Selection) -> None:
        super().__init__()
        self._selection = selection

    def project_names(self) -> list[str]:
        return ["sdek"]

    def open_project(self, name: str) -> OpenProject:
        return OpenProject.of(self._selection, ZONE)


ROOMY = replace(tiny_descriptor(), content=ChunkerParams(4096, 16384, 65536), limits=FormatLimits(pack=1 << 20))
"""Chunks that are large beside the pages of a small Parquet file's columns."""


@dataclass
class Kept:
    """A project in memory whose requests are counted."""

    project: Project
    store: MemoryStore
    counting: CountingStore

    @classmethod
    def empty(cls, descriptor: Descriptor | None = None) -> Kept:
        store = MemoryStore()
        counting = CountingStore(store)
        return cls(through(made_on(store, descriptor), counting), store, counting)

    def back_up(self, folder: Path, *kinds: str) -> None:
        for kind in kinds:
            source = run.Source.of_folder(kind, kind, os.fsencode(folder / kind), Rules(), ClassifyOptions(ZONE))
            run.back_up(self.project, source, run.BackupOptions())

    def select(self, query: ItemQuery | None = None) -> Selection:
        return select(self.project, query or ItemQuery())

    def files(self, query: ItemQuery | None = None) -> OneProject:
        return OneProject(self.select(query))

    def traffic(self) -> Traffic:
        return self.counting.snapshot()
