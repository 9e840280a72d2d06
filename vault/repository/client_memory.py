"""What this client remembers of a repository, so that somebody who holds the store cannot change the past unseen.

    keys        the first keys that a project was met with; other ones under the same id are refused: whoever can write to
                the store could otherwise put keys of their own there, and the next backup would be sealed to them
    snapshots   those that were seen; one that is gone, though nothing says that it was forgotten, is reported

It lies in this machine's state folder (0700). A machine that has forgotten trusts what it meets first.
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
    """folder: of this repository's memory; made where it is missing. A memory that cannot be written is no failure."""

    folder: Path
    chance: Chance

    def recognise(self, capability: Capability) -> None:
        """Compare a project's keys with those that it had. Raises `KeyRefused` where they are others."""
        known = self._read(capability.project, "keys")
        found = fingerprint(capability)
        if known and known[0] != found:
            raise KeyRefused(
                f"project {capability.name!r} has other keys than this machine knows it by",
                hint=f"if you changed them yourself, remove {self._file(capability.project, 'keys')}; "
                "if not, somebody may have put keys of their own into the store: back up nothing there until you know",
            )
        if not known:
            self._write(capability.project, "keys", [found])

    def missing(self, project: str, listed: Iterable[str]) -> list[str]:
        """The snapshots that were seen before and are not `listed` now; from now on, all of both are remembered."""
        seen, now = set(self._read(project, "snapshots")), set(listed)
        if now - seen:
            self._write(project, "snapshots", sorted(seen | now))
        return sorted(seen - now)

    def forget(self, project: str, snapshots: Iterable[str]) -> None:
        """These are known to be gone, and why."""
        left = set(self._read(project, "snapshots")) - set(snapshots)
        self._write(project, "snapshots", sorted(left))

    def _file(self, project: str, what: str) -> Path:
        return self.folder / f"{project}-{what}.json"

    def _read(self, project: str, what: str) -> list[str]:
        file = self._file(project, what)
        try:
            if file.stat().st_size > LARGEST_MEMORY:
                return []
            found = json.loads(file.read_bytes())
        except (OSError, ValueError):
            return []  # nothing is remembered, or nothing that can be read
        return [str(one) for one in found] if isinstance(found, list) else []

    def _write(self, project: str, what: str, lines: list[str]) -> None:
        file = self._file(project, what)
        half = file.with_name(f"{file.name}.{self.chance.token(4).hex()}")
        with suppress(OSError):
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with os.fdopen(os.open(half, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as out:
                json.dump(lines, out)
            half.replace(file)


def fingerprint(capability: Capability) -> str:
    """Of the keys that a project's objects are sealed to and named by; no secret can be told from it."""
    parts = [
        capability.content_recipient.encode(),
        capability.catalogue.recipient.encode(),
        blake3(capability.chunk_id_key).hexdigest(),
    ]
    return blake3(" ".join(parts).encode(), derive_key_context="strongroom 2026-11-22 project fingerprint").hexdigest()
