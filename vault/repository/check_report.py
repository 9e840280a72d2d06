"""What a check found in one project, as a value."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from msgspec import Struct, field
from msgspec.structs import replace

from vault.problems import Problem, printable
from vault.repository.cached_copies import CachedCopy


class LostItem(Struct, frozen=True):
    """An item of a snapshot that cannot be restored as it was. path: printable."""

    snapshot: str
    path: str


class ReadCoverage(Struct, frozen=True):
    """How much of a project's stored data checks of this machine have read. packs, bytes: that there are · packs_read,
    bytes_read: of them, that were read once or more · since: every pack was read then or later; None where some was never
    read."""

    packs: int
    bytes: int
    packs_read: int
    bytes_read: int
    since: datetime | None

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        counts = {name: getattr(self, name) for name in ("packs", "bytes", "packs_read", "bytes_read")}
        return counts | {"since": None if self.since is None else self.since.isoformat()}


class CheckReport(Struct):
    """What a check found in one project. packs, chunks: read and compared (with `data` only) · orphans: packs that no
    index segment names, which is waste and not damage · unlocked: objects that the settings want locked, and are not."""

    project: str
    snapshots: int = 0
    packs_needed: int = 0
    packs_read: int = 0
    chunks_read: int = 0
    bytes_read: int = 0
    orphans: int = 0
    problems: list[Problem] = field(default_factory=list)
    """The damage; a problem's path is the object or snapshot that it is about."""
    lost: list[LostItem] = field(default_factory=list)
    unlocked: list[str] = field(default_factory=list)
    inconsistent: list[LostItem] = field(default_factory=list)
    """Items that changed while a backup read them: what was read is whole, and may be of several moments. No damage."""
    copies: list[CachedCopy] = field(default_factory=list)
    """What this machine's cache has whole of what is damaged or gone."""
    unneeded: list[str] = field(default_factory=list)
    """Packs that are damaged and that no snapshot needs, as what they held lies elsewhere: a prune takes them away. That is no
    damage."""
    given_up: list[LostItem] = field(default_factory=list)
    """Items whose content is lost, and that a person has given up. No damage any more."""

    coverage: ReadCoverage | None = None
    """Where data was read."""

    @property
    def damage(self) -> list[str]:
        """What is damaged or missing, in words."""
        return [one.message for one in self.problems]

    @property
    def sound(self) -> bool:
        """Whether nothing is damaged or missing."""
        return not self.problems and not self.lost

    def found(self, what: str, name: str, message: str) -> None:
        """Damage. name: of the object or snapshot."""
        self.problems.append(Problem(name.encode("utf-8", "surrogateescape"), what, message))

    def found_all(self, others: Iterable[Problem], before: str = "") -> None:
        """Damage that others have found, with the object in the sentence. before: words before that."""
        self.problems += [replace(one, message=f"{before}{printable(one.path)}: {one.message}") for one in others]

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        names = (
            "project",
            "snapshots",
            "packs_needed",
            "packs_read",
            "chunks_read",
            "bytes_read",
            "orphans",
            "damage",
            "unlocked",
        )
        found: dict[str, Any] = {name: getattr(self, name) for name in names}
        marked = {
            name: [{"snapshot": one.snapshot, "path": one.path} for one in getattr(self, name)]
            for name in ("lost", "inconsistent", "given_up")
        }
        copies = [{"object": one.name, "file": str(one.file), "put_back_by_backup": not one.withheld} for one in self.copies]
        listed = [one.as_json() for one in self.problems]
        found |= {"snapshots_checked": self.snapshots, "damaged_unneeded": self.unneeded}
        if self.coverage is not None:
            found["coverage"] = self.coverage.as_json()
        return found | {"problem_list": listed, "sound": self.sound, "cached_copies": copies} | marked
