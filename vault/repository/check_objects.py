"""The objects that a check of snapshots does not come by: of a project its marks, claims and holds; of a repository its
descriptor, its key objects (`check_keys`), its copies of settings, and what bears a name of no kind.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from vault.age import HybridRecipient, Identity
from vault.errors import Damaged, ObjectNotFound
from vault.format import layout
from vault.format.claim import Claim
from vault.problems import Problem, printable
from vault.repository import erasures, holds, key_objects, settings_copies
from vault.repository.check_keys import KeyCheck
from vault.repository.client_memory import ClientMemory
from vault.repository.gc import marks
from vault.repository.key_objects import KeyObject
from vault.repository.project import Project
from vault.repository.repository import Repository
from vault.repository.repository_report import RepositoryReport
from vault.repository.settings_copies import StoredCopy
from vault.storage.caching import uncached


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
        self._whole = repository
        self._names = {project: name for name, project in memory.projects().items()}
        self._report = RepositoryReport()
        self._tag_keys: dict[str, bytes] = {}

    def run(self, recovery: Sequence[HybridRecipient], only: Sequence[str]) -> RepositoryReport:
        self._descriptor()
        listed: list[KeyObject] = []
        copies: list[StoredCopy] = []
        stated: set[str] = set()
        projects = {one for one in only or self._names if erasures.remembered(self._memory, one) is None}
        folders = [folder for one in only for folder in (layout.keys_folder(one), layout.project_folder(one))] or [""]
        for info in (info for folder in folders for info in self._store.list(folder)):
            if not layout.is_ours(info.name):
                self._report.strays.append(printable(info.name.encode()))
            elif one := key_objects.read_name(info.name, info.size):
                listed.append(one)
            elif info.name.startswith("projects/"):
                projects.add(info.name.split("/")[1])
            elif layout.erased_project(info.name) is not None:
                stated.add(info.name.split("/")[1])
            elif copy := settings_copies.read_name(info.name, info.size):
                copies.append(copy)
        gone = {one for one in stated if self._whole.erased(one, self._identities) is not None}
        projects, listed = projects - gone, [one for one in listed if one.scope not in gone]
        self._report.keys = len({(one.scope, one.id) for one in listed})
        keys = KeyCheck(replace(self._whole, store=self._store), self._identities, self._memory, self._report)
        for scope in sorted(projects | {one.scope for one in listed}):
            whom = f"project {self._names[scope]!r} ({scope})" if scope in self._names else f"project {scope}"
            opened = keys.look(scope, whom, sorted(one for one in listed if one.scope == scope), recovery)
            if opened is not None:
                self._tag_keys[scope] = opened.tag_key
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
