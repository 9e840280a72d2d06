"""A test of restoring: the real sources are backed up to a throw-away repository, restored to a scratch folder, and compared
byte for byte with a walk of the sources that shares no code with backups.

    result = run_restore_test(settings, ["parcelo"])
    result.exit_code, [one.comparison.items for one in result.sources]

The real repository is neither opened nor asked, and no key of it is needed. All that is written lies in one folder (0700) among
the system's temporary files, which goes afterwards; what a killed run has left there the next one removes.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import Struct, field
from msgspec.structs import replace

from strongroom import environment, notices, own_paths, sources
from strongroom.scratch_dir import remove_folder, scratch_folder
from strongroom.source_comparison import LiveSource, SourceComparison
from strongroom.throwaway_repository import Into, throwaway_repository
from vault import wording
from vault.errors import Interrupted, SettingsError, SourceError, StrongroomError, TargetError, UsageError
from vault.progress import NoProgress, Progress, Stop, never

if TYPE_CHECKING:
    from strongroom.context import Context
    from strongroom.settings import Settings
    from strongroom.settings.projects import SourceSettings
    from vault.backup.report import BackupReport
    from vault.problems import Problem
    from vault.repository.project import Project

DONE_WITH_PROBLEMS = 3
PREFIX = "strongroom-test-restore-"
MARGIN = 32 << 20
"""Bytes: what a repository needs besides contents."""

_MEANWHILE = frozenset({"changed-while-read", "vanished-while-read"})
"""Problems of a backup that say that the source changed."""


class RestoreTestOptions(Struct, frozen=True):
    """into: where the throw-away repository lies, in the scratch folder or on an S3 server in this process · source: only this
    one of each project · stop: called often; what it raises ends the test · progress: hears how far it is."""

    into: Into = "folder"
    source: str | None = None
    stop: Stop = never
    progress: Progress = field(default_factory=NoProgress)


class RoomNeeded(Struct, frozen=True):
    """What a test needs. folder: where · disk, memory: bytes · free_disk, free_memory: what there is; None where that cannot
    be told."""

    folder: Path
    disk: int
    free_disk: int
    memory: int = 0
    free_memory: int | None = None

    def refuse(self) -> None:
        """Raises `TargetError` where there is not enough."""
        if self.disk > self.free_disk:
            raise TargetError(
                f"the test needs up to {wording.size(self.disk)} in {self.folder}, and {wording.size(self.free_disk)} are free",
                hint="set TMPDIR to a folder with more room, or test one project or source at a time",
            )
        if self.free_memory is not None and self.memory > self.free_memory:
            raise TargetError(
                f"the S3 server of the test would keep up to {wording.size(self.memory)} in memory, and "
                f"{wording.size(self.free_memory)} are free",
                hint="test into a folder (--into folder), or one project or source at a time",
            )

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "folder": str(self.folder),
            "disk_bytes": self.disk,
            "free_disk_bytes": self.free_disk,
            "memory_bytes": self.memory,
            "free_memory_bytes": self.free_memory,
        }


class SourceTest(Struct, frozen=True):
    """What became of one source. comparison: None where it did not come to that · problems: of the backup and the restore ·
    seconds: all of it took · error: what ended it, None where nothing did."""

    project: str
    source: str
    folder: Path
    seconds: float = 0.0
    comparison: SourceComparison | None = None
    problems: tuple[Problem, ...] = ()
    error: StrongroomError | None = None

    @property
    def compared_nothing(self) -> bool:
        """Everything changed meanwhile: that proves nothing."""
        return self.comparison is not None and not self.comparison.items and self.comparison.changed.count > 0

    @property
    def passed(self) -> bool:
        """Whether all that did not change came back as it was."""
        compared = self.comparison
        sound = compared is not None and not compared.differences.count and not self.compared_nothing
        return sound and self.error is None and not self.problems

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        found: dict[str, Any] = {"project": self.project, "source": self.source, "folder": str(self.folder)}
        found |= {"passed": self.passed, "seconds": round(self.seconds, 3)}
        if self.comparison is not None:
            one = self.comparison
            found |= {"items": one.items, "bytes": one.bytes, "left_out": one.left_out}
            found |= {"changed": one.changed.count, "changed_items": [each.as_json() for each in one.changed.items]}
            found |= {
                "differences": one.differences.count,
                "different_items": [each.as_json() for each in one.differences.items],
            }
        found |= {"problems": len(self.problems), "problem_list": [each.as_json() for each in self.problems]}
        if self.error is not None:
            found["error"] = self.error.as_json()
        return found


class RestoreTestResult(Struct, frozen=True):
    """What a test came to. at: when it began."""

    at: datetime
    into: Into
    room: RoomNeeded
    sources: tuple[SourceTest, ...]

    @property
    def passed(self) -> bool:
        """Whether all sources did."""
        return all(one.passed for one in self.sources)

    @property
    def exit_code(self) -> int:
        """0, that of the first error, or 3 where an item did not come back as it was."""
        errors = [one.error.exit_code for one in self.sources if one.error is not None]
        return errors[0] if errors else 0 if self.passed else DONE_WITH_PROBLEMS

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        found = {"at": self.at.isoformat(), "into": self.into, "passed": self.passed, "room": self.room.as_json()}
        return found | {"sources": [one.as_json() for one in self.sources]}


def run_restore_test(
    settings: Settings, projects: Sequence[str] = (), options: RestoreTestOptions | None = None
) -> RestoreTestResult:
    """Test that sources can be restored. A source that fails does not stop the others.

    projects: names; empty for all of the settings. Says through `strongroom.notices` first how much room is needed. Raises
    `UsageError`, `SettingsError` where a project or source does not exist or moto is not installed, `TargetError` where there
    is not enough room, `Interrupted`.
    """
    options = options or RestoreTestOptions()
    chosen = list(_chosen(settings, projects, options.source))
    clock = environment.services().clock
    began = clock.now()
    with scratch_folder(PREFIX) as scratch:
        own = (*own_paths.paths(settings), os.fsencode(scratch))
        options.progress.phase("measuring the sources")
        room = _room(scratch, [LiveSource.of(source, own) for _, source in chosen], options)
        in_memory = f", and up to {wording.size(room.memory)} of memory" if room.memory else ""
        notices.notice(
            f"the test needs up to {wording.size(room.disk)} in {scratch.parent}, where {wording.size(room.free_disk)} are "
            f"free{in_memory}"
        )
        room.refuse()
        with throwaway_repository(settings, scratch, options.into) as opened:
            test = _Test(settings, opened, scratch, own, options)
            done = tuple(test.source(name, source) for name, source in chosen)
    return RestoreTestResult(began, options.into, room, done)


class _Test(Struct):
    """One run. stored: projects of the throw-away repository, made as they come up."""

    settings: Settings
    opened: Context
    scratch: Path
    own: tuple[bytes, ...]
    options: RestoreTestOptions
    stored: dict[str, Project] = field(default_factory=dict)

    def source(self, name: str, source: SourceSettings) -> SourceTest:
        """One source, from the walk before the backup to the comparison. Raises `Interrupted`."""
        clock = self.opened.repository.services.clock
        began = clock.monotonic()
        done = SourceTest(name, source.name, source.folder)
        try:
            done = self._compared(done, self._project(name), source)
        except Interrupted:
            raise
        except StrongroomError as error:
            done = replace(done, error=error)
        except OSError as error:
            what = f"the source {source.path} cannot be compared: {error.strerror}"
            done = replace(done, error=SourceError(what, hint="is it mounted, and may this user read it?"))
        finally:
            self.options.progress.phase(f"{source.name}: removing what was restored")
            remove_folder(self._restored)
        return replace(done, seconds=clock.monotonic() - began)

    @property
    def _restored(self) -> Path:
        return self.scratch / "restored"

    def _project(self, name: str) -> Project:
        from vault.age import HybridIdentity

        if name not in self.stored:
            recipients = [one.recipient for one in self.opened.identities if isinstance(one, HybridIdentity)]
            self.stored[name] = self.opened.repository.add_project(name, recipients, self.opened.identities)
        return self.stored[name]

    def _compared(self, done: SourceTest, project: Project, source: SourceSettings) -> SourceTest:
        from vault.source.scan import open_root

        progress, stop = self.options.progress, self.options.stop
        os.close(open_root(os.fsencode(source.folder)))  # says in its own words why it cannot be
        live = LiveSource.of(source, self.own)
        progress.phase(f"{source.name}: walking the source")
        before = live.states(stop)
        report = self._back_up(project, source)
        problems = [*self._restore(project, source)]
        restored = self._restored / source.kind
        progress.phase(f"{source.name}: comparing", items=len(before))
        compared = live.compare(restored, before, stop, progress)
        problems = [one for one in report.problems if one.what not in _MEANWHILE] + problems
        named = {one.path.removeprefix(source.kind.encode()).lstrip(b"/") for one in problems}
        differences = compared.differences
        known = [one for one in differences.items if one.path in named]  # said once, by the backup or the restore
        differences.items = [one for one in differences.items if one.path not in named]
        differences.count -= len(known)
        return replace(done, comparison=compared, problems=tuple(problems))

    def _back_up(self, project: Project, source: SourceSettings) -> BackupReport:
        from vault.backup import run

        context = replace(sources.context_of(self.settings, project.name), own=self.own)
        folder = sources.backup_source(self.settings.project(project.name), source, context)
        wanted = run.BackupOptions(allow_empty=True, stop=self.options.stop, progress=self.options.progress)
        return run.back_up(project, folder, wanted)

    def _restore(self, project: Project, source: SourceSettings) -> list[Problem]:
        """By the functions that `strongroom restore` calls. Gives the problems."""
        from strongroom.destinations import Folder
        from strongroom.restore import restore
        from strongroom.restore_plan import plan_restore
        from strongroom.selection import SelectionOptions, select

        selected = select(self.opened, project, SelectionOptions(source=source.name), stop=self.options.stop)
        planned = plan_restore(self.opened, selected, Folder(self._restored))
        return restore(planned, stop=self.options.stop, progress=self.options.progress).problems


def _chosen(settings: Settings, names: Sequence[str], source: str | None) -> Iterator[tuple[str, SourceSettings]]:
    if not settings.projects:
        raise SettingsError(
            f"{settings.file} names no project", hint="`strongroom project add NAME --source KIND=PATH` adds one"
        )
    for name in names:
        if name not in settings.projects:
            there = ", ".join(settings.projects)
            raise UsageError(f"{settings.file} names no project {name!r}", hint=f"there are: {there}")
    found = [(name, one) for name in names or settings.projects for one in settings.projects[name]]
    chosen = [(name, one) for name, one in found if source in (None, one.name)]
    for name, one in chosen:
        if one.path is None:
            notices.notice(f"{name}/{one.name} is not tested: only folders can be compared with what is restored ({one.url})")
    chosen = [(name, one) for name, one in chosen if one.path is not None]
    if not chosen:
        there = ", ".join(dict.fromkeys(one.name for _, one in found)) or "none"
        raise UsageError(f"there is no source {source!r}" if source else "no source to test", hint=f"sources: {there}")
    yield from chosen


def _room(scratch: Path, found: Sequence[LiveSource], options: RestoreTestOptions) -> RoomNeeded:
    """A repository of all sources, and the largest one restored beside it; each is removed before the next one comes."""
    sizes = [0]
    for one in found:
        with suppress(OSError):  # a source that is not there is said when its turn comes
            sizes.append(one.size(options.stop))
    stored, restored = sum(sizes) + MARGIN, max(sizes)
    free = shutil.disk_usage(scratch).free
    if options.into == "moto":
        return RoomNeeded(scratch.parent, restored + MARGIN, free, stored, environment.free_memory())
    return RoomNeeded(scratch.parent, stored + restored, free)
