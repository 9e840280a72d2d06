"""What an entry of the log may hold: plain values of bounded size, in any text, and never content."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING, Any

from vault.format import layout
from vault.problems import printable
from vault.storage.object_locks import Retention, locks_of

if TYPE_CHECKING:
    from strongroom.context import Context
    from vault.repository.project import Project
    from vault.storage.contract import Store

LONGEST_TEXT = 16 * 1024
"""Characters of a text; of a longer one its beginning and its SHA-256."""

MOST = 500
"""Things of a list."""

_DEEPEST = 6


def plain(values: Mapping[str, object]) -> dict[str, Any]:
    """Values as JSON has them; what is empty is left out."""
    found = {text(name): _plain(value, 0) for name, value in values.items()}
    return {name: value for name, value in found.items() if value not in (None, "", [], {}, False)}


def text(value: str) -> str:
    """Any text as Unicode, of bounded length."""
    said = value.encode("utf-8", "backslashreplace").decode()
    if len(said) <= LONGEST_TEXT:
        return said
    digest = hashlib.sha256(value.encode("utf-8", "surrogatepass")).hexdigest()
    return f"{said[: LONGEST_TEXT // 2]}… ({len(said)} characters, SHA-256 {digest})"


def shortened(values: Iterable[Any]) -> list[Any]:
    """The first things of a list, and how many there are."""
    found = list(values)
    return found if len(found) <= MOST else [*found[: MOST - 1], {"more": len(found) - MOST + 1}]


def lock_uploads(context: Context, store: Store, principal: str, projects: Sequence[Project]) -> None:
    """Entries are locked like the objects of the project, of those that they are about, whose settings ask for the most."""
    locks = locks_of(store)
    wanted = [context.settings.project(one.name).lock for one in projects]
    days = max((one.days or 0 for one in wanted if one.mode != "none"), default=0)
    if locks is None or not days:
        return
    from datetime import timedelta

    clock = context.repository.services.clock
    compliance = any(one.mode == "compliance" for one in wanted)
    locks.lock_uploads(
        layout.audit_folder(principal),
        lambda: Retention("compliance" if compliance else "governance", clock.now() + timedelta(days=days)),
    )


def _plain(value: object, depth: int) -> Any:  # noqa: ANN401 (a value of JSON)
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, bytes):
        return text(printable(value))
    if isinstance(value, date):  # a moment is one, too
        return value.isoformat()
    if isinstance(value, Mapping) and depth < _DEEPEST:
        return {text(str(name)): _plain(one, depth + 1) for name, one in value.items()}
    if isinstance(value, Sequence | set | frozenset) and not isinstance(value, str) and depth < _DEEPEST:
        ordered = sorted(value, key=str) if isinstance(value, set | frozenset) else value
        return shortened(_plain(one, depth + 1) for one in ordered)
    return text(str(value))
