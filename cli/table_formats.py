"""What `--as` takes."""

from __future__ import annotations

from enum import Enum

from restore.tables.formats import FORMATS

As = Enum("As", {**{name: name for name in FORMATS}, "original": "original"})  # type: ignore[misc]  # made from the registry
