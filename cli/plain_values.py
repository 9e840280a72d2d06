"""Values of parameters that need no looking at: a text, a path, a number within its bounds, a word of a few.

typer has pydantic look at every value. That takes 35 ms of a command in which nothing was mistyped. Here values of the ordinary
form are taken as they are; of all others, and whatever is wrong with them, typer says what it thinks.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from enum import Enum
from pathlib import Path
from typing import Any, get_args, get_origin

from msgspec import Struct


class _Unsure(Enum):
    UNSURE = "typer has to look at it"


def taken_by(parameters: list[Any]) -> list[Any]:
    """A command's parameters, which now take ordinary values so. Their class is one that typer keeps to itself."""
    for one in parameters:
        if "get_runtime_param" not in vars(one):
            one.get_runtime_param = _ordinary_first(one.get_runtime_param)
    return parameters


class OrdinaryFirst(Struct, frozen=True):
    """What a parameter asks to make a value of the words that were typed. otherwise: gives what typer asks itself."""

    otherwise: Callable[[], Any]

    def coerce(self, value: object, param: Any, ctx: Any) -> object:  # noqa: ANN401 (typer's own)
        """The value that the command gets. Raises what typer raises for one that is refused."""
        found = _parameter_value(param, value)
        return self.otherwise().coerce(value, param=param, ctx=ctx) if found is _Unsure.UNSURE else found


def _ordinary_first(otherwise: Callable[[], Any]) -> Callable[[], OrdinaryFirst]:
    return lambda: OrdinaryFirst(otherwise)


def _parameter_value(parameter: Any, value: object) -> object:  # noqa: ANN401
    annotation, about = parameter.type_descriptor.annotation, parameter.type_descriptor.parameter_info
    several = parameter.multiple or parameter.nargs == -1
    if value is None:
        return () if several else None
    if about.parser is not None:
        return _Unsure.UNSURE
    if not several:
        return _value(annotation, about, value)
    if get_origin(annotation) is not list or not isinstance(value, Sequence) or isinstance(value, str):
        return _Unsure.UNSURE
    found = [_value(get_args(annotation)[0], about, one) for one in value]
    return _Unsure.UNSURE if _Unsure.UNSURE in found else found


def _value(annotation: object, about: Any, value: object) -> object:  # noqa: ANN401
    if annotation in (str, bool):
        return value if type(value) is annotation else _Unsure.UNSURE
    if annotation in (int, float):
        return _number(annotation, about, value)
    if annotation is Path and isinstance(value, str | Path):
        return Path(value) if _is_ordinary(value, about) else _Unsure.UNSURE
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return value if type(value) is annotation else next((one for one in annotation if one.value == value), _Unsure.UNSURE)
    return _Unsure.UNSURE


def _number(annotation: object, about: Any, value: Any) -> object:  # noqa: ANN401
    if annotation is int and isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 19:
        value = int(value)
    if type(value) is not annotation or about.clamp:
        return _Unsure.UNSURE
    within = (about.min is None or value >= about.min) and (about.max is None or value <= about.max)
    return value if within else _Unsure.UNSURE


def _is_ordinary(path: str | Path, about: Any) -> bool:  # noqa: ANN401
    """Whether nothing is asked of a path but that it can be read where it is there."""
    if about.path_type or about.exists or about.writable or about.resolve_path or about.allow_dash:
        return False
    if not (about.file_okay and about.dir_okay) or "\0" in str(path):
        return False
    return not Path(path).exists() or os.access(path, os.R_OK)
