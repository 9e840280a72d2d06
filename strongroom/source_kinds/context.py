"""What sources get from the machine and the settings."""

from __future__ import annotations

from pathlib import Path

from msgspec import Struct, field

from vault.clock import Clock, SystemClock
from vault.randomness import Randomness, SystemRandomness


class SourceContext(Struct, frozen=True):
    """Where a source is opened.

    - `folder`: of the settings file; relative paths count from it, and commands run in it
    - `own`: paths that are Strongroom's own, and left out
    - `zone`: the project's time zone
    - `sample`: a source whose scan would fetch everything looks at a little of it alone
    - `state`: a folder for what sources of the project remember on this machine, each below its name; None: nothing is kept
    """

    folder: Path = Path()
    own: tuple[bytes, ...] = ()
    zone: str = "UTC"
    clock: Clock = field(default_factory=SystemClock)
    randomness: Randomness = field(default_factory=SystemRandomness)
    state: Path | None = None
    sample: bool = False
