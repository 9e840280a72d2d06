"""What `--as` takes."""

from __future__ import annotations

from enum import Enum

from restore.tables.formats import FORMATS

PAGES = "pages"
"""What `restore --as` takes besides: records as pages for people."""

As = Enum("As", {**{name: name for name in FORMATS}, "original": "original"})  # type: ignore[misc]  # made from the registry

RestoreAs = Enum("RestoreAs", {**{one.name: one.value for one in As}, PAGES: PAGES})  # type: ignore[misc]
