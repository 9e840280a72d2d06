"""Which entries of a list are meant: by patterns, or by what a template makes of the record."""

from __future__ import annotations

import fnmatch
from collections.abc import Mapping
from typing import Any

from restore.interfaces.scope import MISSING, Scope, as_text
from vault.source.rest import exact_json
from vault.source.rest.creation import PLACEHOLDER, Matches, Pick


def entries(scope: Scope, name: str, match: Matches) -> list[dict[str, Any]]:
    """What a name leads to, as far as it matches: objects alone."""
    found = scope.unmapped().value(name)
    listed = [] if found is MISSING else found if isinstance(found, list) else [found]
    return [one for one in listed if isinstance(one, dict) and matches(one, match, scope)]


def matches(one: Mapping[str, Any], match: Matches, scope: Scope) -> bool:
    """Whether each pointer has what it should; an empty pattern is for what is empty or missing. Of several with commas between
    them, one suffices."""
    return all(
        any(_is_one_of(as_text(exact_json.at(one, part.strip())), wanted, scope) for part in pointers.split(","))
        for pointers, wanted in match.items()
    )


def picked(scope: Scope, picks: Mapping[str, Pick], root: str = "") -> Scope:
    """The scope with what is picked, one after another. root: picks of this root alone; empty for all but `there`."""
    for name, pick in picks.items():
        is_there = pick.records.partition(".")[0] == "there"
        if is_there != (root == "there"):
            continue
        found = entries(scope, pick.records, pick.match)
        scope = scope.with_roots(**{name: found[0] if found else {}})
    return scope


def _is_one_of(text: str, wanted: str | list[str], scope: Scope) -> bool:
    return any(_is_like(text, one, scope) for one in (wanted if isinstance(wanted, list) else [wanted]))


def _is_like(text: str, pattern: str, scope: Scope) -> bool:
    if PLACEHOLDER.search(pattern):
        return text == scope.unmapped().text(pattern)
    return fnmatch.fnmatchcase(text, pattern)
