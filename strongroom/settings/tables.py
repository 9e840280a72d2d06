"""What the models of the settings are made of: a table says of each of its keys what it may hold, and is read as a whole, with
everything that is wrong at once. `value_readers` has what single values are read by.

    class Hook(Table):
        before: HookCommand = Field(default=(), description="…")

pydantic would do the same, and did: to import it, to make thirty classes and to build what reads them took 65 ms of every
command, a fifth of an unchanged backup (docs/adr/0018). Here a class is made in 0.02 ms, and what reads a table is put together
when a file has that table. Types are strict: no text becomes a number. Annotations of a table must be values, not texts: its
module does without `annotations` of `__future__`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar, Self, TypeVar, dataclass_transform

from msgspec import Struct
from msgspec.structs import replace

from strongroom.settings.toml_positions import Key

_Checked = TypeVar("_Checked")


class _Missing:
    """What no value is."""


MISSING, REFUSED = _Missing(), _Missing()
"""The default of a key that must be there; what stands for a value that cannot be used."""


class Unfit(ValueError):
    """A value that cannot be used. what: behind its key, in a sentence · at: the part of it that is meant."""

    def __init__(self, what: str, *, hint: str | None = None, at: Key = ()) -> None:
        self.what, self.hint, self.at = what, hint, at
        super().__init__(what)


class About(Struct, frozen=True, eq=False):
    """What is said of a key, or of a type behind `Annotated`.

    default, default_factory: what it is where the table says nothing; the factory is given what stands before it · alias: its
    name in the file · description: for docs/settings.md · min_length, gt, ge, le: bounds · schema: what the JSON Schema says of
    it besides · annotation: its type
    """

    default: Any = MISSING
    default_factory: Callable[[Mapping[str, Any]], Any] | None = None
    alias: str | None = None
    description: str = ""
    min_length: int | None = None
    gt: float | None = None
    ge: float | None = None
    le: float | None = None
    schema: Mapping[str, Any] = {}
    annotation: Any = None

    @property
    def is_required(self) -> bool:
        """Whether the table has to say it."""
        return self.default is MISSING and self.default_factory is None


def Field(**said: Any) -> Any:  # noqa: N802, ANN401 (it stands where a value of any type may stand)
    """What `About` describes, where a class gives a key's default."""
    return About(**said)


class Fault(Struct, frozen=True):
    """What is wrong with a value. key: from the table that was read · unknown: there is no such key."""

    key: Key
    what: str
    hint: str | None = None
    unknown: bool = False


class Reading(Struct):
    """One reading of a file. folder: from which relative paths count; None: as they are · faults: in the models' order."""

    folder: Path | None = None
    faults: list[Fault] = []

    def refuse(self, key: Key, what: str, hint: str | None = None) -> _Missing:
        """Notes a fault; gives what stands for the value."""
        self.faults.append(Fault(key, what, hint))
        return REFUSED

    def unfit(self, key: Key, error: Unfit) -> _Missing:
        """Notes what a check has found."""
        return self.refuse((*key, *error.at), error.what, error.hint)


class InvalidError(ValueError):
    """A table with everything that is wrong with it."""

    def __init__(self, faults: list[Fault]) -> None:
        self.faults = faults
        super().__init__("; ".join(f"{'.'.join(map(str, one.key))} {one.what}" for one in faults))


def field_check(key: str) -> Callable[[_Checked], _Checked]:
    """Marks a class method that is given a key's value, as it was read, and what the table's keys before it hold; it gives the
    value on, or raises `Unfit`."""

    def mark(check: _Checked) -> _Checked:
        vars(check)["checks"] = key
        return check

    return mark


def table_check(check: _Checked) -> _Checked:
    """Marks a method that looks at a whole table of which each key is right by itself; it raises `Unfit`."""
    vars(check)["checks"] = ""
    return check


@dataclass_transform(kw_only_default=True, frozen_default=True, field_specifiers=(Field,))
class Table:
    """A table of the file. It is made of keywords, which are checked, and does not change.

    model_fields: what is said of each key, by attribute · model_fields_set: attributes that were given · table_checks: names of
    the methods that check it, with the key that each looks at, or nothing for the whole · readers: of keys that were read
    """

    model_fields: ClassVar[Mapping[str, About]] = {}
    table_checks: ClassVar[Mapping[str, str]] = {}
    readers: ClassVar[dict[str, Callable[[Any, Key, Reading], Any]]] = {}
    model_fields_set: frozenset[str]

    def __init_subclass__(cls) -> None:
        fields, checks = dict(cls.model_fields), dict(cls.table_checks)
        for name, annotation in vars(cls).get("__annotations__", {}).items():
            about = vars(cls).get(name)
            if isinstance(about, About):
                fields[name] = replace(about, annotation=annotation)
                delattr(cls, name)
        for name, member in vars(cls).items():
            found = getattr(member, "checks", None)
            if isinstance(found, str):
                checks[name] = found
        cls.model_fields, cls.table_checks, cls.readers = fields, checks, {}

    def __init__(self, **values: Any) -> None:  # noqa: ANN401
        reading = Reading()
        made = read_table(type(self), values, (), reading)
        if reading.faults:
            raise InvalidError(reading.faults)
        vars(self).update(vars(made))

    @classmethod
    def model_validate(cls, values: object, *, folder: Path | None = None) -> Self:
        """Read a table of a parsed file. folder: from which relative paths count. Raises `InvalidError`."""
        reading = Reading(folder)
        made = read_table(cls, values, (), reading)
        if reading.faults or not isinstance(made, cls):
            raise InvalidError(reading.faults)
        return made

    @classmethod
    def model_construct(cls, **values: Any) -> Self:  # noqa: ANN401
        """Of values that are known to be right, by attribute."""
        held: dict[str, Any] = {}
        for name, about in cls.model_fields.items():
            if name in values:
                held[name] = values[name]
            elif not about.is_required:
                held[name] = default_of(about, held)
        return made_of(cls, held, frozenset(values))

    def model_copy(self, *, update: Mapping[str, Any]) -> Self:
        """The same with other values, which are known to be right."""
        return made_of(type(self), {**self._held(), **update}, self.model_fields_set | update.keys())

    def model_dump(self, *, exclude_none: bool = False) -> dict[str, Any]:
        """What it holds, by attribute; tables in it likewise."""
        dumped = {name: _dumped(value, exclude_none=exclude_none) for name, value in self._held().items()}
        return {name: value for name, value in dumped.items() if value is not None or not exclude_none}

    def _held(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "model_fields_set"}

    def __iter__(self) -> Iterator[tuple[str, Any]]:
        return iter(self._held().items())

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and isinstance(other, Table) and other._held() == self._held()

    def __hash__(self) -> int:
        return hash((type(self), *self._held().values()))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in self._held().items())})"

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{type(self).__name__} does not change")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"{type(self).__name__} does not change")


def _dumped(value: Any, *, exclude_none: bool) -> Any:  # noqa: ANN401
    if isinstance(value, Table):
        return value.model_dump(exclude_none=exclude_none)
    if isinstance(value, Mapping):
        return {name: _dumped(one, exclude_none=exclude_none) for name, one in value.items()}
    if isinstance(value, tuple):
        return tuple(_dumped(one, exclude_none=exclude_none) for one in value)
    return value


_Made = TypeVar("_Made", bound=Table)


def made_of(table: type[_Made], held: Mapping[str, Any], given: frozenset[str]) -> _Made:
    """An instance that holds these, unchecked."""
    made = table.__new__(table)
    vars(made).update(held, model_fields_set=given)
    return made


def default_of(about: About, before: Mapping[str, Any]) -> Any:  # noqa: ANN401
    """What a key is where nothing is said. before: what the keys before it hold."""
    return about.default if about.default_factory is None else about.default_factory(before)


def read_table(table: type[Table], value: object, at: Key, reading: Reading) -> Table | _Missing:
    """Everything that a table says, or nothing where anything of it cannot be used."""
    if isinstance(value, table):
        return value
    if not isinstance(value, dict):
        return reading.refuse(at, "must be a table")
    faults, given, seen = len(reading.faults), set(), set()
    held: dict[str, Any] = {}
    for name, about in table.model_fields.items():
        key = name if about.alias is None or about.alias not in value else about.alias
        if key in value:
            found = _read_key(table, name, value[key], (*at, key), reading, held)
            given.add(name)
            seen.add(key)
        elif about.is_required:
            found = reading.refuse((*at, about.alias or name), "is missing")
        else:
            found = default_of(about, held) if about.default_factory is None or len(reading.faults) == faults else REFUSED
        if found is not REFUSED:
            held[name] = found
    reading.faults.extend(Fault((*at, key), "is not a setting", unknown=True) for key in value if key not in seen)
    if len(reading.faults) > faults:
        return REFUSED
    return _checked(made_of(table, held, frozenset(given)), at, reading)


def _read_key(table: type[Table], name: str, value: object, at: Key, reading: Reading, held: Mapping[str, Any]) -> Any:  # noqa: ANN401
    """A key's value, with what its table checks of it."""
    found = _reader(table, name)(value, at, reading)
    try:
        for method in () if found is REFUSED else _checks_of(table, name):
            found = getattr(table, method)(found, held)
    except Unfit as error:
        return reading.unfit(at, error)
    return found


def _reader(table: type[Table], name: str) -> Callable[[Any, Key, Reading], Any]:
    """Put together when it is first needed."""
    found = table.readers.get(name)
    if found is None:
        from strongroom.settings.value_readers import reader_of

        found = table.readers[name] = reader_of(table.model_fields[name].annotation)
    return found


def _checks_of(table: type[Table], name: str) -> Iterator[str]:
    return (method for method, key in table.table_checks.items() if key == name)


def _checked(made: Table, at: Key, reading: Reading) -> Table | _Missing:
    try:
        for method in _checks_of(type(made), ""):
            getattr(made, method)()
    except Unfit as error:
        return reading.unfit(at, error)
    return made
