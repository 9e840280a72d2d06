"""What every part of a running Strongroom needs and no part may fetch for itself."""

from __future__ import annotations

from dataclasses import dataclass

from vault.chance import Chance
from vault.clock import Clock


@dataclass(frozen=True, slots=True)
class Services:
    """clock, chance: the doors to time and randomness · host: this machine's name · writer: program and version."""

    clock: Clock
    chance: Chance
    host: str
    writer: str
