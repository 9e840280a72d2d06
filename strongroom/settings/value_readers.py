"""Single values of the settings file, read by the types that tables give them; `value_types` has those types.

A reader takes a value as it was parsed, where it stands, and the reading that hears what is wrong; it gives the value as
commands get it, or `REFUSED`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, TypeAlias, Union, get_args, get_origin

from msgspec import Struct

from strongroom.settings.tables import REFUSED, About, Reading, Table, Unfit, read_table
from strongroom.settings.toml_positions import Key

Reader: TypeAlias = Callable[[Any, Key, Reading], Any]
Check: TypeAlias = Callable[[Any, Path | None], Any]
"""Gives a value on, perhaps as another one, or raises `Unfit`. It is given the folder from which relative paths count."""


class Before(Struct, frozen=True, eq=False):
    """In `Annotated`: what becomes of a value before it is read. written: as what the JSON Schema shows it."""

    check: Check
    written: Any = None


class After(Struct, frozen=True, eq=False):
    """In `Annotated`: what becomes of a value that was read."""

    check: Check


class Instead(Struct, frozen=True, eq=False):
    """In `Annotated`: what reads a value in place of its type. schema: as what the JSON Schema shows it."""

    check: Check
    schema: Mapping[str, Any]


_PLAIN: Mapping[type, tuple[tuple[type, ...], str]] = {
    str: ((str,), "must be a text that is not empty"),
    bool: ((bool,), "must be true or false"),
    int: ((int,), "must be a whole number"),
    float: ((float, int), "must be a number"),
}
"""What a value of a type may be in the file, and what is said of others."""


def reader_of(annotation: Any) -> Reader:  # noqa: ANN401 (annotations are values of any type)
    """What reads values of a type. Raises `TypeError` for one that no table has had so far."""
    kind, inner = get_origin(annotation), get_args(annotation)
    if kind is Annotated:
        return _annotated(inner[0], inner[1:])
    if kind in (Union, UnionType):
        readers = [reader_of(one) for one in inner if one is not NoneType]
        return partial(_read_perhaps, readers[0] if len(readers) == 1 else partial(_read_one_of, readers))
    if kind is Literal:
        return partial(_read_word, inner)
    if kind is tuple:
        return partial(_read_list, reader_of(inner[0]))
    if isinstance(kind, type) and issubclass(kind, Mapping):
        return partial(_read_mapping, reader_of(inner[0]), reader_of(inner[1]))
    if annotation in _PLAIN:
        return partial(_read_plain, annotation)
    if isinstance(annotation, type) and issubclass(annotation, Table):
        return partial(read_table, annotation)
    raise TypeError(f"no setting has the type {annotation!r}")


def _annotated(base: Any, about: Sequence[object]) -> Reader:  # noqa: ANN401
    instead = next((one.check for one in about if isinstance(one, Instead)), None)
    reader = reader_of(base) if instead is None else partial(_read_by, instead)
    for one in about:
        if isinstance(one, About):
            reader = partial(_read_bounded, reader, one)
        elif isinstance(one, After):
            reader = partial(_read_and_check, reader, one.check)
        elif isinstance(one, Before):
            reader = partial(_check_and_read, one.check, reader)
    return reader


def _read_plain(kind: type, value: object, at: Key, reading: Reading) -> object:
    types, what = _PLAIN[kind]
    if not isinstance(value, types) or (isinstance(value, bool) and kind is not bool):
        return reading.refuse(at, what)
    return kind(value)


def _read_word(words: Sequence[str], value: object, at: Key, reading: Reading) -> object:
    if value not in words:
        *first, last = map(repr, words)
        return reading.refuse(at, f"must be {' or '.join([', '.join(first), last] if first else [last])}")
    return value


def _read_list(inner: Reader, value: object, at: Key, reading: Reading) -> object:
    if not isinstance(value, list | tuple):
        return reading.refuse(at, "must be a list")
    read = tuple(inner(one, (*at, number), reading) for number, one in enumerate(value))
    return REFUSED if REFUSED in read else read


def _read_mapping(key: Reader, inner: Reader, value: object, at: Key, reading: Reading) -> object:
    if not isinstance(value, Mapping):
        return reading.refuse(at, "must be a table")
    read = {key(name, (*at, name), reading): inner(one, (*at, name), reading) for name, one in value.items()}
    return REFUSED if REFUSED in read or REFUSED in read.values() else read


def _read_perhaps(reader: Reader, value: object, at: Key, reading: Reading) -> object:
    return None if value is None else reader(value, at, reading)


def _read_one_of(readers: Sequence[Reader], value: object, at: Key, reading: Reading) -> object:
    """By the first that can read it. What is wrong is told by the one that got furthest, or by all where none got any way."""
    tried = []
    for reader in readers:
        trial = Reading(reading.folder, [])
        read = reader(value, at, trial)
        if not trial.faults:
            return read
        tried.append(trial.faults)
    furthest = max(tried, key=lambda faults: max(len(one.key) for one in faults))
    if any(one.key != at for one in furthest):
        reading.faults.extend(furthest)
        return REFUSED
    return reading.refuse(at, ", or ".join([tried[0][0].what, *(one[0].what.removeprefix("must be ") for one in tried[1:])]))


def _read_bounded(reader: Reader, about: About, value: object, at: Key, reading: Reading) -> object:
    read = reader(value, at, reading)
    if read is REFUSED:
        return read
    if about.min_length is not None and len(read) < about.min_length:
        return reading.refuse(at, _PLAIN[str][1] if isinstance(read, str) else "must not be empty")
    if about.gt is not None and not read > about.gt:
        return reading.refuse(at, f"must be more than {about.gt}")
    if about.ge is not None and not read >= about.ge:
        return reading.refuse(at, f"must be at least {about.ge}")
    if about.le is not None and not read <= about.le:
        return reading.refuse(at, f"must be at most {about.le}")
    return read


def _read_by(check: Check, value: object, at: Key, reading: Reading) -> object:
    try:
        return check(value, reading.folder)
    except Unfit as error:
        return reading.unfit(at, error)


def _read_and_check(reader: Reader, check: Check, value: object, at: Key, reading: Reading) -> object:
    read = reader(value, at, reading)
    return read if read is REFUSED else _read_by(check, read, at, reading)


def _check_and_read(check: Check, reader: Reader, value: object, at: Key, reading: Reading) -> object:
    checked = _read_by(check, value, at, reading)
    return checked if checked is REFUSED else reader(checked, at, reading)
