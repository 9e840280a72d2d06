"""What is backed up, and how."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct, field

from vault.backup import item_classification, table_profiles
from vault.format.frames import Compression
from vault.format.log_head import LogHead
from vault.progress import NoProgress, Progress
from vault.repository.object_lock import ObjectLock
from vault.source import contract
from vault.source.contract import Scan
from vault.source.folder import FolderSource
from vault.source.patterns import Rules

if TYPE_CHECKING:
    from vault.backup.new_manifest import ItemRetirement
    from vault.backup.scan_ahead import ScanAhead


class Source(Struct, frozen=True):
    """What is backed up.

    - `name`: unique in its project
    - `kind`: `reports`, `tickets`, `raw` or another; the paths of its items begin with it
    - `origin`: where its items come from
    - `classify_options`: how the periods of its items are found
    - `profiler`: profiles tables; None where none can be read
    - `ahead`: a scan of it that has begun; None where none has
    """

    name: str
    kind: str
    origin: contract.Source
    classify_options: item_classification.ClassifyOptions = item_classification.UTC_OPTIONS
    profiler: table_profiles.Profiler | None = None
    ahead: ScanAhead | None = None

    @classmethod
    def of_folder(
        cls,
        name: str,
        kind: str,
        path: bytes,
        rules: Rules,
        classify_options: item_classification.ClassifyOptions = item_classification.UTC_OPTIONS,
    ) -> Source:
        """A folder. rules: what is left out."""
        return cls(name, kind, FolderSource(path, kind.encode(), rules), classify_options)

    def scan(self, stop: Callable[[], None]) -> Scan:
        """All of its items. stop: called often, raises to end the scan. Raises `SourceError`."""
        found = self.ahead.take(stop) if self.ahead is not None else None
        return self.origin.scan(stop) if found is None else found


class BackupOptions(Struct, frozen=True):
    """How a run behaves.

    - `allow_empty`: an empty source is no error
    - `locking`: locks stored objects against deletion; None where nothing is locked
    - `damaged`: packs that are known to be damaged: nothing new refers to them
    - `give_up`: which vanished items it carries on no more once their content is lost; None: none
    - `retire`: which vanished items a new manifest no longer carries; None: it carries all
    - `log`: the newest entry of the log of whoever backs up, for the record; None where there is none
    - `compression`: of new content
    - `cache`: the folder of the repository's cache; None: nothing is kept on this machine
    - `stop`: called often, raises to end the run
    """

    allow_empty: bool = False
    locking: ObjectLock | None = None
    damaged: frozenset[bytes] = frozenset()
    retire: ItemRetirement | None = None
    give_up: ItemRetirement | None = None
    log: LogHead | None = None
    compression: Compression = Compression.FAST
    cache: Path | None = None
    stop: Callable[[], None] = lambda: None
    progress: Progress = field(default_factory=NoProgress)
