"""From the text of a settings file to its models, or to all that is wrong with it.

    text -> tomllib -> secrets refused -> old names -> [defaults] put under each project -> models -> faults with lines

A key that is missing, a word too many, a text that means nothing: each is told, in the order of the file.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin

from strongroom.settings import renamed, secrets
from strongroom.settings.document import Document
from strongroom.settings.errors import SEE, PlacedFault, SettingsFault, SettingsInvalid, placed, written
from strongroom.settings.kind_checks import unknown_kinds
from strongroom.settings.projects import inherited
from strongroom.settings.renamed import as_written
from strongroom.settings.tables import Fault, InvalidError, Table
from strongroom.settings.toml_positions import Key, places
from vault.errors import UsageError

Model = TypeVar("Model", bound=Table)

_LINE = re.compile(r"\(at line (\d+)")


def read(file: Path, text: str, old: Callable[[Key], None] | None = None) -> Document:
    """The settings of a file. old: hears of every key that bears the name of an earlier version. Raises `SettingsInvalid`."""
    try:
        value = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        line = _LINE.search(str(error))
        fault = SettingsFault((), f"is not valid TOML: {error}", "correct that line")
        raise SettingsInvalid(file, [PlacedFault(fault, int(line[1]) if line else None)]) from error
    names = renamed.with_new_names(value)
    faults = [*secrets.secrets_in(value), *map(_both, names.both), *unknown_kinds(names.value)]
    try:
        document = Document.model_validate(_complete(names.value), folder=file.absolute().parent)
    except InvalidError as error:
        known = places(text)
        raise SettingsInvalid(file, placed(_sorted_out([*faults, *_faults(error, known)]), known)) from error
    if faults:
        raise SettingsInvalid(file, placed(faults, places(text)))
    if old is not None:
        for key in names.old:
            old(key)
    return document


def _both(key: Key) -> SettingsFault:
    name = str(key[-1])
    new = renamed.new_name(key[:-1], name)
    return SettingsFault(key, f"is there beside {new}, which is its name now", f"leave {name} out")


def made(model: type[Model], values: dict[str, Any]) -> Model:
    """A table from a command's options. Raises `UsageError` with all that is wrong."""
    try:
        found = model.model_validate(values)
    except InvalidError as error:
        faults = list(_faults(error, {}))
    else:
        faults = list(secrets.secrets_in(values))
        if not faults:
            return found
    raise UsageError("; ".join(f"{written(fault.key)} {fault.what}" for fault in faults), hint=faults[0].hint or SEE)


def _complete(value: dict[str, Any]) -> dict[str, Any]:
    """With what projects inherit, and a repository, so that its address is what is missing where all is."""
    projects = value.get("projects", {})
    defaults = value.get("defaults", {})
    if isinstance(projects, dict):
        projects = {name: inherited(project, defaults) for name, project in projects.items()}
    return {"repository": {}, **value, "projects": projects}


def _faults(error: InvalidError, known: Mapping[Key, int]) -> Iterator[SettingsFault]:
    for one in error.faults:
        key = one.key
        own = as_written(key, known)
        while key and isinstance(key[-1], int) and own not in known and own[:-1] in known:
            key, own = key[:-1], own[:-1]  # one text, where several may stand
        yield _unknown(key) if one.unknown else SettingsFault(key, _sentence(one), one.hint)


def _sentence(fault: Fault) -> str:
    is_sentence = fault.what.startswith(("must ", "is ", "has ", "needs ", "would "))
    return fault.what if is_sentence else f"cannot be used: {fault.what}"


def _unknown(key: Key) -> SettingsFault:
    name, known = str(key[-1]), keys_at(key[:-1])
    if secrets.sounds_secret(name):
        return SettingsFault(key, "is a secret by its name", secrets.hint_for(name, known))
    close = difflib.get_close_matches(name, known, n=1)
    return SettingsFault(key, "is not a setting", f"did you mean {close[0]!r}?" if close else f"there are: {', '.join(known)}")


def keys_at(key: Key) -> list[str]:
    """The keys that a table of the file may have."""
    model: Any = Document
    for part in key:
        if isinstance(model, type) and issubclass(model, Table):
            fields = {field.alias or name: field.annotation for name, field in model.model_fields.items()}
            model = _inner(fields[str(part)])
        elif get_args(model):  # a list's or a mapping's element
            model = _inner(get_args(model)[0 if isinstance(part, int) else 1])
    return [field.alias or name for name, field in model.model_fields.items()]


def _inner(annotation: Any) -> Any:  # noqa: ANN401 (annotations are values of any type)
    """Without what is said about it, and without that it may be missing."""
    if get_origin(annotation) is Annotated:
        return _inner(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType):
        return _inner(next(one for one in get_args(annotation) if one is not type(None)))
    return annotation


def _sorted_out(faults: list[SettingsFault]) -> list[SettingsFault]:
    """Of each place the first; a key that is missing goes without saying where a misspelt one beside it means it."""
    meant = {(*fault.key[:-1], fault.hint) for fault in faults if fault.what == "is not a setting"}
    kept: dict[Key, SettingsFault] = {}
    for fault in faults:
        if fault.what == "is missing" and (*fault.key[:-1], f"did you mean {fault.key[-1]!r}?") in meant:
            continue
        kept.setdefault(fault.key, fault)
    return list(kept.values())
