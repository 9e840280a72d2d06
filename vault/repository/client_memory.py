"""What this client remembers of a repository, so that somebody who holds the store cannot change the past unseen.

    repository  the id that was met at this address; another one there is refused
    keys        the id and the keys that a project's name was met with; others under that name are refused: whoever can
                write to the store could otherwise put keys of their own there, and the next backup would be sealed to them
    snapshots   those that were seen; one that is gone, though nothing says that it was forgotten, is reported
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

from vault.chance import Chance
from vault.errors import KeyRefused
from vault.format.capability import Capability

LARGEST_MEMORY = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class ClientMemory:
    """folder: of the memory of one address (see `of`). A memory that cannot be written is no failure."""

    folder: Path
    chance: Chance

    @classmethod
    def of(cls, state: Path, address: str, chance: Chance) -> ClientMemory:
        """The memory of the store at `address` (endpoint included), below the state folder."""
        return cls(state / blake3(address.encode()).hexdigest(length=16), chance)

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

    def recognise(self, capability: Capability) -> None:
        """Compare a project's id and keys with those that its name had. Raises `KeyRefused` where they are others."""
        what = f"keys-{blake3(capability.name.encode()).hexdigest(length=16)}"
        known, found = self._read(what), fingerprint(capability)
        if known and known != [found]:
            raise self._changed(f"project {capability.name!r} has other keys than this machine knows it by")
        if not known:
            self._write(what, [found])

    def missing(self, project: str, listed: Iterable[str]) -> list[str]:
        """The snapshots that were seen before and are not `listed` now; from now on, all of both are remembered."""
        what = f"snapshots-{project}"
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
        file = self.folder / f"{what}.json"
        try:
            if file.stat().st_size > LARGEST_MEMORY:
                return []
            found = json.loads(file.read_bytes())
        except (OSError, ValueError):
            return []  # nothing is remembered, or nothing that can be read
        return [str(one) for one in found] if isinstance(found, list) else []

    def _write(self, what: str, lines: list[str]) -> None:
        file = self.folder / f"{what}.json"
        half = file.with_name(f"{file.name}.{self.chance.token(4).hex()}")
        with suppress(OSError):
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with os.fdopen(os.open(half, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as out:
                json.dump(lines, out)
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
