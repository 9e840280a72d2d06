"""What all tables of a description share, and how it is said what is wrong in one: where, what, what to write instead."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any, TypeAlias

import msgspec
from msgspec import Struct

Key: TypeAlias = tuple[str | int, ...]

_PLACEHOLDER = re.compile(r"\{([A-Za-z0-9_.]*)\}")
_DURATION = re.compile(r"(\d{1,6}) (second|minute|hour|day)s?\Z")


class DescriptionError(ValueError):
    """What is wrong in a description. key: where · what: a sentence behind the key · hint: what to do."""

    def __init__(self, key: Key, what: str, hint: str | None = None) -> None:
        super().__init__(f"{'.'.join(map(str, key))} {what}")
        self.key, self.what, self.hint = key, what, hint


class Table(Struct, frozen=True, forbid_unknown_fields=True):
    """A table of the file."""

    def faults(self) -> Iterator[tuple[str, str]]:
        """What is wrong beyond types: a field, and a sentence behind its name."""
        yield from ()


def duration(text: str) -> timedelta:
    """A length that was checked: `10 minutes`."""
    found = _DURATION.match(text)
    if found is None:
        raise ValueError(f"invalid duration {text!r}")
    return timedelta(**{f"{found[2]}s": int(found[1])})


def refuse_unknown(kind: type[Struct], value: Mapping[str, Any], key: Key) -> None:
    """Raises `DescriptionError` for a name that no field has."""
    known = kind.__struct_fields__
    for name in value:
        if name not in known:
            close = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {close[0]!r}?" if close else f"there are: {', '.join(known)}"
            raise DescriptionError((*key, name), "is not known", hint)


def in_words(error: msgspec.ValidationError) -> str:
    """What is of another type, as a sentence behind its key."""
    text = str(error).partition(" - at ")[0]
    found = re.match(r"Expected `(.+)`, got `(.+)`\Z", text)
    if found is None:
        return f"cannot be used: {text[:1].lower()}{text[1:]}"
    words = {"str": "a text", "int": "a whole number", "float": "a number", "bool": "true or false", "array": "a list"}
    wanted = " or ".join(words.get(part.strip(), "a table") for part in found[1].split("|"))
    return f"must be {wanted}"


def template_faults(name: str, value: object, known: set[str], prefix: str = "-") -> Iterator[tuple[str, str]]:
    """Names in braces that nobody fills in."""
    for text in texts_in(value):
        for found in _PLACEHOLDER.findall(text):
            if found not in known and not found.startswith(prefix):
                yield name, f"has {{{found}}}, which is not known"


def texts_in(value: object) -> Iterator[str]:
    """The texts of a value of TOML, those within it among them."""
    if isinstance(value, str):
        yield value
    for one in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from texts_in(one)


def duration_faults(name: str, text: str) -> Iterator[tuple[str, str]]:
    """Of a field that must be one."""
    if _DURATION.match(text) is None:
        yield name, "must be a duration such as '10 minutes'"
