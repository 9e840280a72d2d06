"""What names of kinds and sources are made of; and the kinds that everybody has."""

from __future__ import annotations

import re

KIND = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}\Z")

WELL_KNOWN = ("reports", "tickets", "raw")
"""Rules may name these kinds even where no source has them."""

NEVER = "never"
"""As a schedule: the job that [defaults] has is not wanted here."""
