"""`strongroom://` for fsspec: the class that the entry point `fsspec.specs` names. It opens the repository that the settings
name, as every command does.

    import pandas
    pandas.read_csv("strongroom://sdek/reports/2024/05.csv", storage_options={"at": "2024-06-01"})
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from restore.fsspec.filesystem import HistoryFileSystem, OpenProject
from restore.selection.query import ItemQuery
from restore.selection.select import select
from strongroom import command_log, context, time_parsing
from strongroom.context import Context


class StrongroomFileSystem(HistoryFileSystem):
    """Options, which are also what a pickle of it holds:

    at: the moment, as for `--at`; now, at the first use, if None · config: the settings file, else the usual ones ·
    identity: identity files instead of the settings' own · deleted: what the source no longer had, instead of what it had ·
    source: of one source only.
    """

    def __init__(
        self,
        *words: object,
        at: str | None = None,
        config: str | None = None,
        identity: str | Sequence[str] = (),
        deleted: bool = False,
        source: str | None = None,
        **options: object,
    ) -> None:
        super().__init__(*words, at=at, config=config, identity=identity, deleted=deleted, source=source, **options)
        self._at = at
        self._config = None if config is None else Path(config).expanduser().absolute()
        self._identity = [Path(one) for one in ([identity] if isinstance(identity, str) else identity)]
        self._deleted = deleted
        self._source = source
        self._place: Context | None = None
        self._entering = threading.Lock()
        self._stack = ExitStack()
        weakref.finalize(self, self._stack.close)

    def project_names(self) -> list[str]:
        return [project.name for project in self._opened_context().projects([])]

    def open_project(self, name: str) -> OpenProject:
        opened = self._opened_context()
        project = opened.project(name)
        what = {"at": self._at, "deleted": self._deleted, "source": self._source}
        with command_log.recorded(opened, "file-system", [project], what) as entry:
            project.capability.reading()
            entry.begin()
        zone = opened.zone(name)
        query = ItemQuery(
            at=time_parsing.parse(self._at, project, zone),
            deleted=self._deleted,
            source=self._source,
            now=project.services.clock.now(),
            zone=zone.key,
        )
        return OpenProject.of(select(project, query), zone)

    def _opened_context(self) -> Context:
        with self._entering:
            if self._place is None:
                self._place = self._stack.enter_context(context.opened(self._config, self._identity))
            return self._place
