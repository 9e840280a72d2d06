"""The public library: open a repository by its settings, then verbs as typed functions.

    import strongroom

    with strongroom.open_repository("strongroom.toml") as repository:
        repository.project("parcelo").backup()

`Repository` (`strongroom.repository`) and `Project` (`strongroom.project`) have a method for each verb; each calls one function
of a module here: `backup`, `selection`, `restore_plan`, `restore`, `export`, `publish`, `query`, `items`, `history`, `records`,
`diff`, `snapshots`, `status`, `checks`, `restore_drill`, `retention`. The command line is thin over these. docs/library.md has
examples, and says what stays stable.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from strongroom.project import Project
    from strongroom.repository import CancelToken, Repository, open_repository
    from vault.errors import StrongroomError

__version__ = "0.1.0"

__all__ = ["CancelToken", "Project", "Repository", "StrongroomError", "open_repository"]

_PLACES = {
    "CancelToken": "strongroom.repository",
    "Project": "strongroom.project",
    "Repository": "strongroom.repository",
    "StrongroomError": "vault.errors",
    "open_repository": "strongroom.repository",
}
"""Imported when they are first asked for: a command pays for what it needs itself."""


def __getattr__(name: str) -> object:
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_PLACES[name]), name)
