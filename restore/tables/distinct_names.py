"""Names that must differ: of columns, of tables in a database, of files in a folder."""

from __future__ import annotations

from collections.abc import Callable, Iterable


def distinct(names: Iterable[str], *, alike: Callable[[str], str] = str, taken: Iterable[str] = ()) -> list[str]:
    """The names, none empty and no two alike: the first of a name keeps it, later ones are `name_2`, `name_3`, an empty one is
    `column_` and its place. alike: what two names share that may not stand together (`str.casefold`) · taken: names that none
    may have."""
    wanted = list(names)
    originals = set(map(alike, wanted))
    used = set(map(alike, taken))
    result = []
    for place, name in enumerate(wanted, 1):
        stem = name or f"column_{place}"
        candidate, count = stem, 2
        while alike(candidate) in used or (candidate != name and alike(candidate) in originals):
            candidate, count = f"{stem}_{count}", count + 1
        used.add(alike(candidate))
        result.append(candidate)
    return result


def encodable(name: str) -> str:
    """A name that UTF-8 can hold and that has no NUL: other characters as escapes."""
    return name.encode("utf-8", "backslashreplace").decode("utf-8").replace("\0", "\\x00")
