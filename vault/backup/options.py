"""What is backed up, and how."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from msgspec import Struct, field

from vault.backup import comparison, item_classification, table_profiles
from vault.backup.new_manifest import ItemRetirement
from vault.format.log_head import LogHead
from vault.progress import NoProgress, Progress
from vault.repository.object_lock import ObjectLock
from vault.source.patterns import Rules
from vault.source.scan import NOWHERE, Scan, ScanBounds, scan


class Source(Struct, frozen=True):
    """A folder that is backed up.

    - `name`: unique in its project
    - `kind`: `reports`, `tickets`, `raw` or another
    - `path`: of the folder
    - `rules`, `bounds`: what is left out
    - `classify_options`: how the periods of its items are found
    - `ignored`: columns that do not count as a change, see `comparison.compare`
    - `profiler`: profiles tables; None where none can be read
    """

    name: str
    kind: str
    path: bytes
    rules: Rules
    classify_options: item_classification.ClassifyOptions = item_classification.UTC_OPTIONS
    bounds: ScanBounds = NOWHERE
    ignored: frozenset[comparison.Ignorable] = frozenset()
    profiler: table_profiles.Profiler | None = None

    def scan(self, stop: Callable[[], None]) -> Scan:
        """Scan the folder. stop: called often, raises to end the scan. Raises `SourceError`."""
        return scan(self.path, self.kind.encode(), self.rules, stop=stop, bounds=self.bounds)


class BackupOptions(Struct, frozen=True):
    """How a run behaves.

    - `allow_empty`: an empty source is no error
    - `locking`: locks stored objects against deletion; None where nothing is locked
    - `damaged`: packs that are known to be damaged: nothing new refers to them
    - `give_up`: which vanished items it carries on no more once their content is lost; None: none
    - `retire`: which vanished items a new manifest no longer carries; None: it carries all
    - `log`: the newest entry of the log of whoever backs up, for the record; None where there is none
    - `cache`: the folder of the repository's cache; None: nothing is kept on this machine
    - `stop`: called often, raises to end the run
    """

    allow_empty: bool = False
    locking: ObjectLock | None = None
    damaged: frozenset[bytes] = frozenset()
    retire: ItemRetirement | None = None
    give_up: ItemRetirement | None = None
    log: LogHead | None = None
    cache: Path | None = None
    stop: Callable[[], None] = lambda: None
    progress: Progress = field(default_factory=NoProgress)
