"""Which process this is, and whether another of this machine has ended: the one door to that.

A process is known by its number, the moment at which it started and the start of the machine, so that a number that is used
again is nobody else's. Numbers count in a namespace: a container has its own, and one of another container says nothing.
Where a system does not say these things, nothing is known of any process.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from blake3 import blake3

if TYPE_CHECKING:
    from vault.format.claim import Process

MACHINE_NAMESPACE = "pid:[4026531836]"
"""The namespace of a machine itself (`PROC_PID_INIT_INO`), which has the same name on each: no container is in it."""


class Processes(Protocol):
    """What a machine says about its processes; tests pass their own."""

    def own(self) -> Process | None:
        """This process; None where the system does not say."""
        ...

    def ended(self, process: Process) -> bool:
        """Whether a process has ended for certain; False where that is not known."""
        ...


class UnknownProcesses:
    """Nothing is known of any process."""

    def own(self) -> Process | None:
        """None."""
        return None

    def ended(self, process: Process) -> bool:
        """False."""
        return False


class LinuxProcesses:
    """By `/proc`. host: this machine's name · root: of the file system, for tests."""

    def __init__(self, host: str, root: Path = Path("/")) -> None:
        self._host = host
        self._root = root

    def own(self) -> Process | None:
        """This process."""
        try:
            boot = self._text("proc/sys/kernel/random/boot_id")
            namespace = str((self._root / "proc/self/ns/pid").readlink())
            started = self._started("self")
        except (OSError, ValueError):
            return None
        from vault.format.claim import Process  # who writes no claim need not wait for it

        return Process(self._machine(boot, namespace), boot, namespace, os.getpid(), started) if started is not None else None

    def ended(self, process: Process) -> bool:
        """Of this start of the machine, where its number is free or another's; of an earlier one, where both processes are of
        the machine itself and it has a name of its own."""
        own = self.own()
        if own is None or own.machine != process.machine:
            return False
        if own.boot != process.boot:
            return own.namespace == process.namespace == MACHINE_NAMESPACE
        if own.namespace != process.namespace:
            return False
        try:
            started = self._started(str(process.number))
        except (OSError, ValueError):
            return False
        return not _is_there(process.number) if started is None else started != process.started

    def _machine(self, boot: str, namespace: str) -> str:
        """A name that tells nobody else which machine it is. One without an id of its own is another with each start; so is a
        container, whose id may be that of its image."""
        try:
            identity = self._text("etc/machine-id")
        except OSError:
            identity = ""
        if not identity or namespace != MACHINE_NAMESPACE:
            identity = boot
        parts = f"{identity} {self._host}".encode()
        return blake3(parts, derive_key_context="strongroom 2026-11-29 machine name").hexdigest(length=16)

    def _started(self, number: str) -> int | None:
        """When a process started, in ticks since the boot; None where none is shown."""
        try:
            text = self._text(f"proc/{number}/stat")
        except (FileNotFoundError, ProcessLookupError):
            return None
        return int(text.rpartition(")")[2].split()[19])  # the name before it may hold blanks and brackets

    def _text(self, name: str) -> str:
        return (self._root / name).read_text(encoding="ascii", errors="replace").strip()


def _is_there(number: int) -> bool:
    """Whether there is a process of this number: `/proc` may be set up to hide those of others (`hidepid`)."""
    try:
        os.kill(max(number, 1), 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
