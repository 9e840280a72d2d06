"""What every part of a running Strongroom needs and no part may fetch for itself."""

from __future__ import annotations

from msgspec import Struct, field

from vault.clock import Clock
from vault.process import Processes, UnknownProcesses
from vault.randomness import Randomness


class Services(Struct, frozen=True):
    """clock, randomness: the doors to time and randomness · host: this machine's name · writer: program and version ·
    processes: what this machine says about its processes."""

    clock: Clock
    randomness: Randomness
    host: str
    writer: str
    processes: Processes = field(default_factory=UnknownProcesses)
