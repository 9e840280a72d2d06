"""A log in a store: machines that write to it, and who verifies it.

machine = LogMachine(store, tmp_path / "state")
machine.record("backup")
assert verified(store) == []
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count
from pathlib import Path
from typing import Any

from tests.support.places import TickingClock, identity
from tests.support.randomness import SeededChance
from vault.age import HybridIdentity
from vault.clock import Clock
from vault.format.log_entry import Actor, LogEntry, LoggedProject, Outcome
from vault.repository.audit import entries
from vault.repository.audit.draft import Draft, audiences
from vault.repository.audit.verify import ChainReport, Expected, KnownHead, verify
from vault.repository.audit.writer import LogWriter, Unstored, new_run
from vault.repository.services import Services
from vault.storage.contract import Store

REPOSITORY = "5" * 32
ACME, BEAM = LoggedProject("a" * 32, "acme"), LoggedProject("b" * 32, "beam")
DONE = Outcome("ok", 0)
_numbers = count()
"""No two machines have the same randomness."""


def log_key(project: LoggedProject = ACME) -> HybridIdentity:
    """What opens the log of a project."""
    return identity(f"log of {project.name}")


class LogMachine:
    """Writes to the log with the identity of `who`. state: the folder in which it remembers · host: its name."""

    def __init__(
        self,
        store: Store,
        state: Path,
        *,
        who: str = "operator",
        host: str = "alpha",
        repository: str = REPOSITORY,
        clock: Clock | None = None,
    ) -> None:
        self.clock = clock or TickingClock()
        services = Services(self.clock, SeededChance(f"{host} {next(_numbers)}"), host, "strongroom test")
        self._services = services
        self.writer = LogWriter(store, repository, identity(who), services, state)

    def draft(self, action: str = "backup", *projects: LoggedProject, what: dict[str, Any] | None = None) -> Draft:
        """Of a command about these projects; acme, where none is named."""
        who = Actor("olena", self._services.host, "strongroom test")
        about = audiences([(one, log_key(one).recipient) for one in projects or (ACME,)])
        return Draft(new_run(self._services), action, self.clock.now(), who, about, what or {})

    def record(self, action: str = "backup", *projects: LoggedProject) -> Unstored | None:
        """A command from its beginning to its end."""
        draft = self.draft(action, *projects)
        self.writer.begin(draft)
        return self.writer.end(draft, DONE)


def verified(
    store: Store,
    *heads: KnownHead,
    projects: Sequence[LoggedProject] = (ACME, BEAM),
    expected: Expected | None = None,
    repository: str = REPOSITORY,
) -> list[ChainReport]:
    """Every chain, as somebody finds it who may read the logs of these projects."""
    keys = [log_key(one) for one in projects]
    return verify(store, keys, repository, expected or Expected(heads=heads))


def found(store: Store, *heads: KnownHead) -> set[str]:
    """What is wrong with the log, in short words."""
    return {one.what for report in verified(store, *heads) for one in report.findings}


def all_entries(store: Store, *projects: LoggedProject) -> list[LogEntry]:
    """What who may read the logs of these projects finds there."""
    keys = [log_key(one) for one in projects or (ACME, BEAM)]
    read = entries.read_all(store, entries.listed(store).entries, keys, REPOSITORY)
    return [one.entry for one in read if one.entry is not None]
