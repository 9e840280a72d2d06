"""What this client remembers of a repository, so that somebody who holds the store cannot change the past unseen.

    repository  the id that was met at this address; another one there is refused
    keys        the id and the keys that a project's name was met with; others under that name are refused: whoever can
                write to the store could otherwise put keys of their own there, and the next backup would be sealed to them
    snapshots   those that were seen; one that is gone, though nothing says that it was forgotten, is reported
    descriptor  a copy of it, for when it is lost
    settings    the newest copy of each settings file, with what it says and to whom, in short
    projects    their ids, by their names, so that no other project's key objects are opened to find one
    replaced    objects that could not be read and were written anew, as they stood in the store before
    locks       until when objects are known to be locked, and which are under a legal hold: to spare requests, no more

It goes by the store's address and by names that people gave, since ids are the store's to change. It lies in this machine's
state folder (0700). A machine that has forgotten trusts what it meets first.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from blake3 import blake3

from vault.errors import KeyRefused
from vault.format.capability import Capability
from vault.randomness import Randomness

LARGEST_MEMORY = 16 * 1024 * 1024
"""Bytes of one file of it that are read; what is longer is kept in several."""

LINES_IN_FILE = 50_000
"""Of at most about 200 bytes each: the lock of a pack takes that."""

MOST_FILES = 100
"""Of one memory: five million lines, which are 150 TB of locked packs."""

DESCRIPTOR_COPY = "strongroom.json"
REPLACED = "replaced"


@dataclass(frozen=True, slots=True)
class ClientMemory:
    """folder: of the memory of one address (see `of`). A memory that cannot be written is no failure."""

    folder: Path
    randomness: Randomness

    @classmethod
    def of(cls, state: Path, address: str, randomness: Randomness) -> ClientMemory:
        """The memory of the store at `address` (endpoint included), below the state folder."""
        return cls(state / blake3(address.encode()).hexdigest(length=16), randomness)

    def begin(self, repository: str) -> None:
        """A repository was just made there: whatever was remembered of an earlier one is moot."""
        for file in self.folder.glob("*.json"):
            with suppress(OSError):
                file.unlink()
        self._write("repository", [repository])

    def recognise_repository(self, repository: str) -> None:
        """Raises `KeyRefused` where another repository stands at this address than before."""
        known = self._read("repository")
        if known and known != [repository]:
            raise self._changed("another repository stands at this address than this machine knows")
        if not known:
            self._write("repository", [repository])

    def recognise_descriptor(self, data: bytes) -> None:
        """Keep a copy of the descriptor that was met first."""
        if self.descriptor_copy() is None:
            self._replace(self.folder / DESCRIPTOR_COPY, data)

    def descriptor_copy(self) -> Path | None:
        """The file with the copy, where there is one."""
        file = self.folder / DESCRIPTOR_COPY
        try:
            return file if file.is_file() else None
        except OSError:  # what nobody may look at helps nobody
            return None

    def keep(self, name: str, data: bytes) -> None:
        """Keep an object of the store as it stands there, before something else takes its place."""
        digest = blake3(data).hexdigest(length=4)
        self._replace(self.folder / REPLACED / f"{name.replace('/', '.')}.{digest}", data)

    def recognise(self, capability: Capability) -> None:
        """Compare a project's id and keys with those that its name had. Raises `KeyRefused` where they are others."""
        what = f"keys-{blake3(capability.name.encode()).hexdigest(length=16)}"
        known, found = self._read(what), fingerprint(capability)
        if known and known != [found]:
            raise self._changed(f"project {capability.name!r} has other keys than this machine knows it by")
        if not known:
            self._write(what, [found])
        projects = self.projects()
        if projects.get(capability.name) != capability.project:
            everything = {**projects, capability.name: capability.project}
            self._write("projects", [f"{project} {name}" for name, project in sorted(everything.items())])

    def projects(self) -> dict[str, str]:
        """The ids of the projects that were opened here, by their names: hints, which whoever opens a project verifies."""
        return {name: project for project, _, name in (line.partition(" ") for line in self._read("projects")) if name}

    def missing(self, project: str, listed: Iterable[str], *, kind: str = "snapshots") -> list[str]:
        """The snapshots (or `holds`) that were seen and are not `listed` now; all of both are remembered from now on."""
        what = f"{kind}-{project}"
        seen, now = set(self._read(what)), set(listed)
        if now - seen:
            self._write(what, sorted(seen | now))
        return sorted(seen - now)

    def forget(self, project: str, snapshots: Iterable[str]) -> None:
        """These are known to be gone, and why."""
        what = f"snapshots-{project}"
        self._write(what, sorted(set(self._read(what)) - set(snapshots)))

    def recall(self, what: str, project: str) -> list[str]:
        """The lines that were remembered last; none where they are lost, so nothing may depend on them."""
        return self._read(f"{what}-{project}")

    def remember(self, what: str, project: str, lines: list[str]) -> None:
        """In place of those from before."""
        self._write(f"{what}-{project}", lines)

    def _changed(self, message: str) -> KeyRefused:
        return KeyRefused(
            message,
            hint=f"if you changed that yourself, remove the folder {self.folder}; if not, somebody may have put keys of "
            "their own into the store: back up nothing there until you know",
        )

    def _read(self, what: str) -> list[str]:
        lines: list[str] = []
        for number in range(MOST_FILES):
            part = self._read_file(self._file(what, number))
            if part is None:
                break
            lines += part
        return lines

    def _read_file(self, file: Path) -> list[str] | None:
        """The lines of a file; None where there is none, or none that can be read."""
        try:
            if file.stat().st_size > LARGEST_MEMORY:
                return None
            found = json.loads(file.read_bytes())
        except (OSError, ValueError):
            return None
        return [str(one) for one in found] if isinstance(found, list) else None

    def _write(self, what: str, lines: list[str]) -> None:
        """The last file first: who is interrupted between two has lines twice rather than not at all."""
        parts = [lines[start : start + LINES_IN_FILE] for start in range(0, len(lines), LINES_IN_FILE)][:MOST_FILES] or [[]]
        for number in reversed(range(len(parts))):
            self._replace(self._file(what, number), json.dumps(parts[number]).encode())
        for number in range(len(parts), MOST_FILES):
            try:
                self._file(what, number).unlink()
            except OSError:
                break  # there are no more

    def _file(self, what: str, number: int) -> Path:
        return self.folder / (f"{what}.{number}.json" if number else f"{what}.json")

    def _replace(self, file: Path, data: bytes) -> None:
        half = file.with_name(f"{file.name}.{self.randomness.token(4).hex()}")
        with suppress(OSError):
            file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with os.fdopen(os.open(half, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
                out.write(data)
            half.replace(file)


def fingerprint(capability: Capability) -> str:
    """Of a project's id and the keys that its objects are sealed to and named by; no secret can be told from it."""
    parts = [
        capability.project,
        capability.content_recipient.encode(),
        capability.catalogue.recipient.encode(),
        blake3(capability.chunk_id_key).hexdigest(),
    ]
    return blake3(" ".join(parts).encode(), derive_key_context="strongroom 2026-11-22 project fingerprint").hexdigest()
