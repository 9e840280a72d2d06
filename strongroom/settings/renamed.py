"""Settings that have another name than they once had. A file with the old ones works as before, and says the new ones once.

Files are read as if they had the new names (`with_new_names`); what is said about a file names its keys as they are written
there (`as_written`); `migrated` is the text of a file with the new ones, and everything else as it was.
"""

from __future__ import annotations

import tomllib
from collections.abc import Container, Iterable, Iterator, Mapping
from typing import Any

from msgspec import Struct

from strongroom.settings.toml_positions import Key, name_spans

ANY = "*"
MIGRATE = "`strongroom settings migrate` renames it"


class Renamed(Struct, frozen=True):
    """table: where the key stands, with `*` for any name and any number of an element."""

    table: tuple[str, ...]
    old: str
    new: str

    def is_in(self, table: Key) -> bool:
        """Whether a table is the one that is meant."""
        return len(table) == len(self.table) and all(
            wanted in (ANY, part) for wanted, part in zip(self.table, table, strict=True)
        )


RENAMED = (
    Renamed(("daemon",), "at_once", "max_parallel"),
    *(
        one
        for owner in (("defaults",), ("projects", ANY))
        for one in (
            Renamed(owner, "items", "item_retention"),
            Renamed(owner, "alarms", "alerts"),
            *(Renamed((*owner, table), "shrunk", "deleted_share") for table in ("alarms", "alerts")),
            *(Renamed((*owner, table), "changed", "rewritten_share") for table in ("alarms", "alerts")),
        )
    ),
    Renamed(("projects", ANY, "sources", ANY), "expect", "expected"),
)


class Names(Struct, frozen=True):
    """What a parsed file has of old names. value: the file with the new ones · old: the keys that bear an old one, as they are
    written · both: of these, those whose table has the new one too."""

    value: dict[str, Any]
    old: tuple[Key, ...]
    both: tuple[Key, ...]


def with_new_names(value: dict[str, Any]) -> Names:
    """A parsed file as if it had been written today. The value that is handed in stays as it is."""
    old: list[Key] = []
    both: list[Key] = []
    return Names(_renamed(value, (), old, both), tuple(old), tuple(both))


def _renamed(value: Any, at: Key, old: list[Key], both: list[Key]) -> Any:  # noqa: ANN401 (whatever TOML has)
    if isinstance(value, list):
        return [_renamed(one, (*at, number), old, both) for number, one in enumerate(value)]
    if not isinstance(value, dict):
        return value
    found = {}
    for name, inner in value.items():
        new = new_name(at, name)
        if new != name:
            old.append((*at, name))
            if new in value:
                both.append((*at, name))
                continue
        found[new] = _renamed(inner, (*at, name), old, both)
    return found


def new_name(table: Key, name: str) -> str:
    """What a key of a table is called today."""
    return next((one.new for one in RENAMED if one.old == name and one.is_in(table)), name)


def as_written(key: Key, known: Container[Key]) -> Key:
    """A key by the name that the file has for it. known: the keys that the file has."""
    found: Key = ()
    for part in key:
        older = next((one.old for one in RENAMED if one.new == part and one.is_in(found)), None)
        if older is not None and (*found, part) not in known and (*found, older) in known:
            part = older
        found = (*found, part)
    return found


def notices(keys: Iterable[Key], known: Mapping[Key, int]) -> Iterator[str]:
    """One sentence for each old name, whatever the number of places. known: the lines of the keys."""
    lines: dict[tuple[str, str], list[int]] = {}
    for key in keys:
        name = str(key[-1])
        lines.setdefault((name, new_name(key[:-1], name)), []).append(known[key])
    for (old, new), where in lines.items():
        listed = f"line{'s' * (len(where) > 1)} {', '.join(map(str, where))}"
        yield f"the setting {old!r} is now called {new!r} ({listed}); {MIGRATE}"


def migrated(text: str) -> str:
    """A file's text with the new names in place of the old ones; every other character stays. Raises `ValueError` where that
    would mean something else, and `tomllib.TOMLDecodeError`."""
    wanted = with_new_names(tomllib.loads(text))
    parts, done = [], 0
    for key, start, end in name_spans(text):
        name = str(key[-1])
        new = new_name(key[:-1], name)
        if new != name:
            parts += [text[done:start], new]
            done = end
    made = "".join([*parts, text[done:]])
    if wanted.both or tomllib.loads(made) != wanted.value:
        raise ValueError("the file cannot be rewritten key by key")
    return made
