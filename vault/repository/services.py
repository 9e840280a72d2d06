"""What every part of a running Strongroom needs and no part may fetch for itself."""

from __future__ import annotations

from dataclasses import dataclass, field

from vault.chance import Chance
from vault.clock import Clock
from vault.process import Processes, Untold


@dataclass(frozen=True, slots=True)
class Services:
    """clock, chance: the doors to time and randomness · host: this machine's name · writer: program and version · processes:
    what this machine tells of its processes."""

    clock: Clock
    chance: Chance
    host: str
    writer: str
    processes: Processes = field(default_factory=Untold)
