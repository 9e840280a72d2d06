"""The objects that a check of snapshots does not come by: of a project its marks, claims and holds; of a repository its
descriptor, its key objects, and what bears a name of no kind.

A key object that is sealed to somebody else can be looked at from outside only: whether it has the form of one, and whether it
is what this machine has seen before.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from typing import Any

from msgspec import Struct, field

from vault import age
from vault.age import HybridRecipient, Identity
from vault.age.hybrid import STANZA_TYPE
from vault.age.stream import NONCE_SIZE
from vault.errors import Damaged, ObjectNotFound
from vault.format import layout
from vault.format.capability import LARGEST_KEY_OBJECT, Capability
from vault.format.claim import Claim
from vault.problems import Problem, printable
from vault.repository import holds, key_objects, missing_objects, settings_copies
from vault.repository.client_memory import ClientMemory
from vault.repository.gc import marks
from vault.repository.key_objects import KeyObject, key_id, may_open
from vault.repository.project import Project
from vault.repository.repository import Repository
from vault.repository.settings_copies import StoredCopy
from vault.storage.caching import uncached

SHOWN_OF_RECIPIENT = 20
"""Characters of a public key that tell it from others."""


class RepositoryReport(Struct):
    """What a check found outside of the projects that it may open.

    keys: key objects that stand · opened: those of them that were opened and are right · outside: those that could be looked
    at from outside only · strays: names of no kind · unsealed: projects that a recovery kit of the settings does not open,
    which is so for those that are older than it · unopened: projects that these identities do not open, of which nothing else
    was looked at · settings: copies of settings that stand · old_settings: such that cannot be used, and of which a newer one
    stands.
    """

    keys: int = 0
    opened: int = 0
    outside: int = 0
    strays: list[str] = field(default_factory=list)
    unsealed: list[str] = field(default_factory=list)
    unopened: list[str] = field(default_factory=list)
    settings: int = 0
    old_settings: list[str] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    @property
    def damage(self) -> list[str]:
        """What is damaged or missing, in words."""
        return [one.message for one in self.problems]

    @property
    def sound(self) -> bool:
        """Whether nothing is damaged or missing."""
        return not self.problems

    def found(self, what: str, name: str, message: str) -> None:
        """Damage. name: of the object, or of what misses one."""
        self.problems.append(Problem(name.encode("utf-8", "surrogateescape"), what, message))

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        found = {name: getattr(self, name) for name in self.__struct_fields__ if name != "problems"}
        listed = [one.as_json() for one in self.problems]
        named = {"key_objects": self.keys, "settings_copies": self.settings, "projects_unopened": list(self.unopened)}
        return found | named | {"damage": self.damage, "problem_list": listed, "sound": self.sound}


def of_project(project: Project) -> list[Problem]:
    """The marks, claims and holds that cannot be used. project: read below every cache."""
    found = [*marks.read(project).damaged, *holds.read_all(project).problems]
    for name in sorted(info.name for info in project.store.list(project.folder("claims"))):
        leaf = name.rpartition("/")[2]
        if not layout.is_snapshot_id(leaf):
            continue
        try:
            Claim.from_json(project.read_record(name, f"the claim {leaf}"))
        except ObjectNotFound:
            continue  # its run has ended
        except Damaged as error:
            message = (
                f"a claim cannot be read; the next prune that deletes something takes it away once it is a day old: {error}"
            )
            found.append(Problem(name.encode(), "damaged-claim", message))
    return found


def of_repository(
    repository: Repository,
    identities: Sequence[Identity],
    memory: ClientMemory,
    recovery: Sequence[HybridRecipient] = (),
    only: Sequence[str] = (),
) -> RepositoryReport:
    """Look at what is outside of the projects. recovery: recipients of recovery kits, as the settings name them · only: the ids
    of the projects that are of interest; else all, and whatever else lies in the store. Raises `StorageError`."""
    return _Look(repository, identities, memory).run(recovery, only)


class _Look:
    def __init__(self, repository: Repository, identities: Sequence[Identity], memory: ClientMemory) -> None:
        self._store = uncached(repository.store)
        self._repository = repository.descriptor.repository
        self._identities = identities
        self._memory = memory
        self._names = {project: name for name, project in memory.projects().items()}
        self._report = RepositoryReport()
        self._tag_keys: dict[str, bytes] = {}

    def run(self, recovery: Sequence[HybridRecipient], only: Sequence[str]) -> RepositoryReport:
        self._descriptor()
        listed: list[KeyObject] = []
        copies: list[StoredCopy] = []
        projects = set(only or self._names)
        folders = [folder for one in only for folder in (layout.keys_folder(one), layout.project_folder(one))] or [""]
        for info in (info for folder in folders for info in self._store.list(folder)):
            if not layout.is_ours(info.name):
                self._report.strays.append(printable(info.name.encode()))
            elif info.name.startswith("projects/"):
                projects.add(info.name.split("/")[1])
            elif one := key_objects.read_name(info.name, info.size):
                listed.append(one)
            elif copy := settings_copies.read_name(info.name, info.size):
                copies.append(copy)
        self._report.keys = len(listed)
        for scope in sorted(projects | {one.scope for one in listed}):
            self._project(scope, sorted(one for one in listed if one.scope == scope), recovery)
        if not only:
            self._settings(copies)
        return self._report

    def _descriptor(self) -> None:
        copy = self._memory.descriptor_copy()
        if copy is not None and copy.read_bytes() != self._store.get(layout.DESCRIPTOR):
            self._report.found(
                "changed-descriptor",
                layout.DESCRIPTOR,
                f"the descriptor {layout.DESCRIPTOR} never changes, and is not the one that this machine knows: see {copy}",
            )

    def _project(self, scope: str, listed: Sequence[KeyObject], recovery: Sequence[HybridRecipient]) -> None:
        """The key objects of one project."""
        whom = f"project {self._names[scope]!r} ({scope})" if scope in self._names else f"project {scope}"
        if not listed:
            self._report.found("missing-key", scope, f"{whom} has no key object left: nobody can open it")
        gone = missing_objects.keys_gone(self._store, scope, self._memory)
        self._report.problems += [
            Problem(name.encode(), "missing-key", missing_objects.Missing("key", name).message) for name in gone
        ]
        seen: dict[str, str] = {}
        whole: list[str] = []
        sizes: set[int] = set()
        for one in sorted(listed, key=lambda one: not may_open(one, self._identities)):  # they tell how long others may be
            try:
                data = self._read(one)
                opened = may_open(one, self._identities) and self._opens(one, data)
                if opened:
                    whole.append(one.name)
                    self._tag_keys[scope] = opened.tag_key
                    sizes |= {len(opened.encode()), len(opened.without_reading().encode())}
                else:
                    look_from_outside(data, one, sizes)
                    self._report.outside += 1
            except ObjectNotFound:
                continue
            except Damaged as error:
                self._report.found("damaged-key", one.name, str(error))
                continue
            seen[one.name] = hashlib.sha256(data).hexdigest()
        self._report.opened += len(whole)
        if not whole:
            self._report.unopened.append(whom)
        for name in missing_objects.remember_keys(scope, self._memory, seen, whole):
            message = f"the key object {name} never changes, and is not the one that this machine knows"
            self._report.found("changed-key", name, message)
        names = {one.id for one in listed}
        for recipient in recovery if whole else ():
            if key_id(recipient, scope) not in names:
                self._report.unsealed.append(f"{whom} is not encrypted for {recipient.encode()[:SHOWN_OF_RECIPIENT]}…")

    def _settings(self, copies: Sequence[StoredCopy]) -> None:
        """The copies of settings. An older one that cannot be used is history that is lost, and nothing else."""
        self._report.settings = len(copies)
        newest = settings_copies.newest(copies)
        for one in copies:
            try:
                settings_copies.read(self._store, one, self._identities, self._tag_keys, self._repository)
            except ObjectNotFound:
                continue
            except Damaged as error:
                if one == newest[one.origin]:
                    message = f"{error}; the next backup by these settings writes it anew"
                    self._report.found("damaged-settings-copy", one.name, message)
                else:
                    self._report.old_settings.append(str(error))
        there = {one.name for one in copies}
        for name in settings_copies.remembered(self._memory):
            if name not in there:
                message = f"the copy of settings {name} was here and is gone; the next backup by these settings writes it anew"
                self._report.found("missing-settings-copy", name, message)

    def _read(self, one: KeyObject) -> bytes:
        if one.size > LARGEST_KEY_OBJECT:
            raise Damaged(f"the key object {one.name} has {one.size} bytes; more than {LARGEST_KEY_OBJECT} are never written")
        return self._store.get(one.name)

    def _opens(self, one: KeyObject, data: bytes) -> Capability | None:
        return key_objects.decode(data, one, self._identities, self._repository)


def look_from_outside(data: bytes, one: KeyObject, sizes: Collection[int]) -> None:
    """Raises `Damaged` where it has not the form of a key object, whoever it is sealed to. sizes: what a key object of this
    project may hold, in bytes; of a project that was opened, only those that may read and those that may write."""
    try:
        header = age.parse_header(data)
        plain = age.plain_length(len(data) - header.length - NONCE_SIZE)
    except Damaged as error:
        raise Damaged(f"the key object {one.name} is damaged: {error}") from error
    if [stanza.type for stanza in header.stanzas] != [STANZA_TYPE] or (sizes and plain not in sizes):
        raise Damaged(f"the key object {one.name} is malformed, or of another project")
