"""What this client remembers of a repository, so that nobody who controls the store can change the past unnoticed.

    repository  the id of the repository that was first seen at this address; another one there is refused
    keys        the id and the keys of each project, as they were first seen under its name; others under that name are refused:
                whoever can write to the store could otherwise put keys of their own there, and the next backup would be sealed
                to them
    snapshots   those that were seen; one that is gone without a note that it was forgotten is reported
    asked-copies  when copies were asked for snapshots last
    descriptor  a copy of it, for when it is lost
    settings    the newest copy of each settings file, with what it says and to whom, in short
    projects    their ids, by their names, so that no other project's key objects are opened to find one
    replaced    objects that could not be read and were written anew, as they were in the store before
    root        of each project, the signing key of its creator, with whom the chain of its grants begins
    revoked     ids of revocations that were believed here
    ended       ids of the grants that these have ended
    erased      projects that were erased, by whom and when: nothing of them is opened any more
    capability  what the keys that opened each project last allow
    locks       until when objects are known to be locked, and which are under a legal hold: only to save requests

It is kept by the store's address and by names that people gave, since whoever controls the store can change ids. It lies in
this machine's state folder (0700). A machine without it trusts what it sees first.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from blake3 import blake3
from msgspec import Struct

from vault.errors import KeyRefused
from vault.format.capability import Capability
from vault.randomness import Randomness
from vault.repository.key_copies import KeyCopies
from vault.repository.state_files import StateFiles

DESCRIPTOR_COPY = "strongroom.json"
REPLACED = "replaced"


class ClientMemory(Struct, frozen=True):
    """folder: of the memory of one address (see `of`). A memory that cannot be written is no failure."""

    folder: Path
    randomness: Randomness

    @classmethod
    def of(cls, state: Path, address: str, randomness: Randomness) -> ClientMemory:
        """The memory of the store at `address` (endpoint included), below the folder `state`."""
        return cls(state / blake3(address.encode()).hexdigest(length=16), randomness)

    @property
    def _files(self) -> StateFiles:
        return StateFiles(self.folder, self.randomness)

    def start_over(self, repository: str) -> None:
        """Forget everything: a new repository was created at this address. repository: its id."""
        self._files.delete_lists()
        self.key_copies.delete_all()
        self._files.write_lines("repository", [repository])

    def verify_repository(self, repository: str) -> None:
        """Remember the id of a repository, or compare it. Raises `KeyRefused` where another one was at this address before."""
        known = self._files.read_lines("repository")
        if known and known != [repository]:
            raise self._changed("another repository stands at this address than this machine knows")
        if not known:
            self._files.write_lines("repository", [repository])

    def repository(self) -> str | None:
        """The id of the repository that was first seen at this address; None where none was."""
        return next(iter(self._files.read_lines("repository")), None)

    def verify_keys(self, capability: Capability) -> None:
        """Remember a project's id and keys, or compare them. Raises `KeyRefused` where its name had others."""
        list_name = f"keys-{blake3(capability.name.encode()).hexdigest(length=16)}"
        known, found = self._files.read_lines(list_name), capability.fingerprint.hex()
        if known and known != [found]:
            raise self._changed(f"project {capability.name!r} has other keys than this machine knows it by")
        if not known:
            self._files.write_lines(list_name, [found])
        projects = self.projects()
        if projects.get(capability.name) != capability.project:
            projects |= {capability.name: capability.project}
            self._files.write_lines("projects", [f"{project} {name}" for name, project in sorted(projects.items())])

    def known_keys(self, name: str) -> str | None:
        """The fingerprint of the keys that a project's name has on this machine; None where it was never opened here."""
        return next(iter(self._files.read_lines(f"keys-{blake3(name.encode()).hexdigest(length=16)}")), None)

    def follow_keys(self, capability: Capability) -> None:
        """The keys that the name of a project had on this machine were succeeded by these, as somebody has signed who may."""
        self._files.write_lines(f"keys-{blake3(capability.name.encode()).hexdigest(length=16)}", [capability.fingerprint.hex()])

    def note_capability(self, capability: Capability) -> None:
        """What the keys at hand allow, for whoever must know it without opening any."""
        if self.lines("capability", capability.project) != [capability.kind]:
            self.save_lines("capability", capability.project, [capability.kind])

    def capability_of(self, project: str) -> str | None:
        """`read`, `write` or `audit`, as it was when a project was opened here last; None where it never was. project: its
        id."""
        return next(iter(self.lines("capability", project)), None)

    def has_other_keys(self, capability: Capability) -> bool:
        """Whether the project's name had other keys on this machine. Nothing is remembered."""
        known = self._files.read_lines(f"keys-{blake3(capability.name.encode()).hexdigest(length=16)}")
        return bool(known) and known != [capability.fingerprint.hex()]

    def projects(self) -> dict[str, str]:
        """The ids of the projects that were opened on this machine, by their names: hints, which the reader verifies."""
        parts = (line.partition(" ") for line in self._files.read_lines("projects"))
        return {name: project for project, _, name in parts if name}

    def save_descriptor(self, data: bytes, *, proven: bool = False) -> None:
        """Keep a copy of the descriptor, unless there is one. proven: it is right, and takes the place of another one."""
        copy = self.descriptor_copy()
        if copy is None or (proven and copy.read_bytes() != data):
            self._files.write_file(self.folder / DESCRIPTOR_COPY, data)

    @property
    def key_copies(self) -> KeyCopies:
        """Copies of the key objects that this machine uses."""
        return KeyCopies(self.folder, self.randomness)

    def descriptor_copy(self) -> Path | None:
        """The file with the copy, where there is one."""
        file = self.folder / DESCRIPTOR_COPY
        try:
            return file if file.is_file() else None
        except OSError:  # a copy that cannot be read is of no use
            return None

    def save_replaced(self, name: str, data: bytes) -> None:
        """Keep the bytes of an object before it is replaced in the store. name: in the store."""
        self._files.write_file(self._replaced(name, data), data)

    def has_replaced(self, name: str, data: bytes) -> bool:
        """Whether these bytes of an object are kept."""
        try:
            return self._replaced(name, data).stat().st_size == len(data)
        except OSError:
            return False

    def _replaced(self, name: str, data: bytes) -> Path:
        return self.folder / REPLACED / f"{name.replace('/', '.')}.{blake3(data).hexdigest(length=4)}"

    def missing(self, project: str, listed: Iterable[str], *, kind: str = "snapshots") -> list[str]:
        """The snapshots (or `holds`, `forgotten`) that were seen before and are not `listed` now. All of both are
        remembered."""
        seen, now = set(self.lines(kind, project)), set(listed)
        if now - seen:
            self.save_lines(kind, project, sorted(seen | now))
        return sorted(seen - now)

    def drop_snapshots(self, project: str, snapshots: Iterable[str]) -> None:
        """No longer report these as missing: it is known why they are gone."""
        self.save_lines("snapshots", project, sorted(set(self.lines("snapshots", project)) - set(snapshots)))

    def lines(self, kind: str, project: str) -> list[str]:
        """The lines that were saved last; none where they are lost, so nothing may depend on them."""
        return self._files.read_lines(f"{kind}-{project}")

    def save_lines(self, kind: str, project: str, lines: list[str]) -> None:
        """Replace the lines from before."""
        self._files.write_lines(f"{kind}-{project}", lines)

    def _changed(self, message: str) -> KeyRefused:
        return KeyRefused(
            message,
            hint=f"if you changed that yourself, remove the folder {self.folder}; if not, somebody may have put keys of "
            "their own into the store: back up nothing there until you know",
        )
