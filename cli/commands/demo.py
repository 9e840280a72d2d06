"""`strongroom demo`: the day that Strongroom exists for, in less than a minute, in a temporary folder."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli import output
from strongroom import environment
from vault import wording
from vault.errors import StrongroomError
from vault.wording import counted

if TYPE_CHECKING:
    from restore.execution.executor import RestoreReport
    from vault.backup.report import BackupReport
    from vault.clock import Clock
    from vault.repository.project import Project
    from vault.repository.repository import Repository

KINDS = ("reports", "tickets", "raw")
HOURS = 3
SIGN_OF_LIFE = 5.0
"""Seconds of silence at most."""


class DemoFailed(StrongroomError):
    """What came back is not what was there: a bug of Strongroom's, and the demo says so."""


def demo(
    keep: Annotated[bool, typer.Option("--keep", help="Leave the temporary folder where it is, to look around in it.")] = False,
    years: Annotated[float, typer.Option("--years", min=0.1, max=5, help="How much history the contact centre has.")] = 2,
    console: Annotated[
        bool, typer.Option("--console", help="Open the console over it, in a browser of this machine, until Ctrl-C.")
    ] = False,
) -> None:
    """Write a small contact centre, back it up while it grows, delete a client's reports, and bring them back."""
    if console:
        from cli.commands.console import require_extra

        require_extra()
    folder = Path(tempfile.mkdtemp(prefix="strongroom-demo-"))
    clock = environment.services().clock
    try:
        if console:
            from cli.demo.console import serve

            randomness = environment.services().randomness
            serve(folder, years, clock, randomness, lambda title: _step(title, clock), output.result)
        else:
            _Demo(folder, years, clock).run()
    finally:
        if keep:
            output.result(f"\nEverything is in {folder}.")
        else:
            with _step("The temporary folder is removed", clock):
                shutil.rmtree(folder, ignore_errors=True)


class _Demo:
    def __init__(self, folder: Path, years: float, clock: Clock) -> None:
        self._centre = folder / "contact-centre"
        self._vault = folder / "repository"
        self._years = years
        self._clock = clock
        self._began = self._clock.monotonic()

    def run(self) -> None:
        """The story."""
        from datetime import timedelta

        from cli.demo.data import grow, write_contact_centre

        with _step("A contact centre opens its archives", self._clock):
            summary = write_contact_centre(self._centre, years=self._years)
        self._say(
            f"{len(summary.clients)} clients, {counted(summary.files, 'file')}, {wording.size(summary.bytes)}: "
            f"reports, tickets and call records from {summary.first_day} on"
        )
        with _step("A repository is made, with keys of its own for each client", self._clock):
            projects = self._make_repository(summary.clients)
        with _step("The first snapshots are taken", self._clock):
            reports = [self._back_up(project, kind) for project in projects for kind in KINDS]
        stored = sum(report.record.counts.stored_bytes for report in reports)
        self._say(f"sealed, deduplicated and compressed: {wording.size(stored)} stored")
        hour = summary.until
        for _ in range(HOURS):
            grow(self._centre, hour)
            hour += timedelta(hours=1)
            with _step("An hour passes, reports grow, and the next snapshots are taken", self._clock):
                reports = [self._back_up(project, kind) for project in projects for kind in KINDS]
            self._say(
                f"{sum(r.record.counts.added for r in reports)} new and {sum(r.record.counts.changed for r in reports)} "
                f"changed items, {wording.size(sum(r.record.counts.stored_bytes for r in reports))} stored"
            )
        self._delete_and_restore(projects[0])
        self._say(f"\nThe whole story took {wording.duration(self._clock.monotonic() - self._began)}.")

    def _make_repository(self, clients: tuple[str, ...]) -> list[Project]:
        from vault.age import HybridIdentity
        from vault.format.descriptor import Descriptor, Trust
        from vault.format.layout import new_id
        from vault.repository.repository import Repository
        from vault.storage.address import StoreOptions, open_store, parse_address

        services = environment.services()
        address = parse_address(str(self._vault))
        store = open_store(address, StoreOptions(), services.clock, services.randomness, create_missing=True)
        descriptor = Descriptor(new_id(services.randomness.token(16)), services.clock.now(), trust=Trust(create_once=True))
        repository: Repository = Repository.create(store, descriptor, services)
        me = HybridIdentity.generate(services.randomness)
        return [repository.add_project(client, [me.recipient], [me]) for client in clients]

    def _back_up(self, project: Project, kind: str) -> BackupReport:
        from vault.backup.run import BackupOptions, Source, back_up
        from vault.source.patterns import Rules

        folder = self._centre / project.name / kind
        report = back_up(project, Source.of_folder(kind, kind, os.fsencode(folder), Rules()), BackupOptions())
        if report.problems:
            raise DemoFailed(f"the backup of {project.name} met a problem: {report.problems[0].message}")
        return report

    def _delete_and_restore(self, project: Project) -> None:
        lost = self._centre / project.name / "reports"
        before = snapshot_of(lost)
        with _step(f"Somebody deletes {project.name}'s report folder with one click", self._clock):
            shutil.rmtree(lost)
        self._say(f"{counted(len(before), 'item')} are gone")
        with _step("strongroom restore brings it back", self._clock):
            report = self._restore(project, lost.parent)
        self._say(f"{counted(report.files, 'file')}, {wording.size(report.bytes)}")
        with _step("Every byte, every mode and every time is compared", self._clock):
            after = snapshot_of(lost)
        if after != before:
            different = sorted({*before.items()} ^ {*after.items()})[:3]
            raise DemoFailed(f"the restored folder differs from what was deleted: {different}")
        self._say(f"{counted(len(after), 'item')} are exactly what they were")

    def _restore(self, project: Project, target_folder: Path) -> RestoreReport:
        from restore.execution.executor import execute
        from restore.local_fs import Target
        from restore.planning.conflict_policy import ConflictPolicy
        from restore.planning.plan import make_plan
        from restore.selection.select import ItemQuery, select

        with Target(os.fsencode(target_folder)) as target:
            plan = make_plan(select(project, ItemQuery(("reports",))), target, ConflictPolicy.REFUSE, self._clock.now().date())
            report = execute(plan, target, lambda: None)
        if report.problems:
            raise DemoFailed(f"the restore met a problem: {report.problems[0].message}")
        return report

    def _say(self, text: str) -> None:
        output.result(f"    {text}" if not text.startswith("\n") else text)


@contextmanager
def _step(title: str, clock: Clock) -> Iterator[None]:
    """Its title at once, a dot for every few seconds of work, and how long it took."""
    began, ended = clock.monotonic(), threading.Event()
    _write(title)

    def show_life() -> None:
        while not ended.wait(SIGN_OF_LIFE):
            _write(".")

    shown = threading.Thread(target=show_life, name="a sign of life", daemon=True)
    shown.start()
    try:
        yield
    except BaseException:
        ended.set()
        _write("\n")
        raise
    ended.set()
    shown.join()
    _write(f" ({wording.duration(clock.monotonic() - began)})\n")


def _write(text: str) -> None:
    with output.standard_output():
        typer.echo(text, nl=False)
        sys.stdout.flush()


def snapshot_of(folder: Path) -> dict[str, tuple[int, int, bytes]]:
    """Every item below a folder, itself included: mode, mtime in nanoseconds, and content."""
    found = {}
    for path in [folder, *sorted(folder.rglob("*"))]:
        status = path.lstat()
        content = path.read_bytes() if path.is_file() else b""
        found[str(path.relative_to(folder))] = (status.st_mode, status.st_mtime_ns, content)
    return found
