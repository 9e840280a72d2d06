"""What to do with what stands where an item shall go."""

from __future__ import annotations

from enum import Enum


class ConflictPolicy(Enum):
    """The policies, decided before the first byte is written."""

    REFUSE = "refuse"
    SKIP = "skip"
    REPLACE = "replace"
    KEEP_BOTH = "keep-both"
    NEWER = "newer"
    """Replace only what is older than the version restored."""
