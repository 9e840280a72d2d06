"""Rules for kinds that no source has: slips of the pen, after which items would stay for ever without a word."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from typing import Any

from strongroom.settings.errors import SettingsFault
from strongroom.settings.toml_positions import Key, at

WELL_KNOWN = ("reports", "tickets", "raw")
"""Rules may name these kinds even where no source has them."""


def unknown_kinds(value: Mapping[str, Any]) -> Iterator[SettingsFault]:
    """Every such rule of a parsed file that has the names of today, whatever else is wrong with it."""
    everybodys: set[str] = set()
    projects = value.get("projects")
    for name in projects if isinstance(projects, dict) else ():
        kinds = _kinds(at(projects, (name, "sources")))
        everybodys |= kinds
        yield from _unknown(value, ("projects", name, "item_retention"), kinds)
    yield from _unknown(value, ("defaults", "item_retention"), everybodys)


def _kinds(sources: object) -> set[str]:
    found = [source.get("kind") for source in sources if isinstance(source, dict)] if isinstance(sources, list) else []
    return {kind for kind in found if isinstance(kind, str)}


def _unknown(value: Mapping[str, Any], key: Key, kinds: set[str]) -> Iterator[SettingsFault]:
    items = at(value, key)
    known = sorted({*kinds, *WELL_KNOWN})
    for kind in items if isinstance(items, dict) else ():
        if kind not in known:
            close = difflib.get_close_matches(kind, known, n=1)
            hint = f"did you mean {close[0]!r}?" if close else f"there are: {', '.join(known)}"
            yield SettingsFault((*key, kind), "is a rule for a kind that no source has", hint)
