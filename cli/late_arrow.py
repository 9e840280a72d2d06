"""Arrow's functions in a command's process are made when they are asked for.

`pyarrow.compute` makes a function in Python for each of 300 of Arrow's own, signature and text included, 8 of its 15 ms; a
command uses thirty of them. (To open Arrow's libraries in a thread beside the first imports, 10 ms of relocations, won nothing:
the two threads wait for each other at the loader's lock and at the process's memory.)
"""

from __future__ import annotations

from importlib.machinery import ModuleSpec, PathFinder
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from importlib.abc import Loader
    from types import CodeType, ModuleType

COMPUTE = "pyarrow.compute"

_WORDS = {"and": "and_", "or": "or_"}
"""Arrow's functions whose names are Python's words, and what Python calls them."""

_UNCALLABLE = "hash_aggregate"


def spec_of_compute(path: Sequence[str] | None) -> ModuleSpec | None:
    """That of `pyarrow.compute`, which makes its functions late."""
    found = PathFinder.find_spec(COMPUTE, path)
    if found is not None and found.loader is not None and hasattr(found.loader, "get_code"):
        found.loader = cast("Loader", _LateFunctions(found.loader))
    return found


class _Few:
    """Stands for Arrow's registry while the module is made: it knows those functions alone that the module names itself."""

    def __init__(self, registry: Any, names: frozenset[str]) -> None:  # noqa: ANN401 (pyarrow has no types)
        self._registry = registry
        self._names = names

    def list_functions(self) -> list[str]:
        return [name for name in self._registry.list_functions() if name in self._names]

    def get_function(self, name: str) -> object:
        return self._registry.get_function(name)


class _LateFunctions:
    """Loads `pyarrow.compute`. inner: the loader of the file."""

    def __init__(self, inner: Any) -> None:  # noqa: ANN401 (a loader with `get_code`, which has no type of its own)
        self._inner = inner

    def __getattr__(self, name: str) -> object:
        return getattr(self._inner, name)

    def create_module(self, _spec: ModuleSpec) -> None:
        """An ordinary one."""

    def exec_module(self, module: ModuleType) -> None:
        """As the file says, with few functions; the others are made at the first use."""
        import pyarrow._compute as native

        code, registry_of = self._inner.get_code(COMPUTE), native.function_registry
        few = _Few(registry_of(), frozenset(_names(code)))
        native.function_registry = lambda: few
        try:
            exec(code, vars(module))  # noqa: S102 (that is what a loader does)
        finally:
            native.function_registry = registry_of
        found = vars(module)
        found["function_registry"] = registry_of
        if "_wrap_function" in found:
            found["__getattr__"] = _Late(module, registry_of())
        else:  # another version: all of them at once, as it does
            exec(code, vars(module))  # noqa: S102


class _Late:
    """Makes a function of Arrow's when somebody asks the module for it."""

    def __init__(self, module: ModuleType, registry: Any) -> None:  # noqa: ANN401 (pyarrow has no types)
        self._module = module
        self._registry = registry

    def __call__(self, name: str) -> object:
        """Raises `AttributeError` where Arrow has none of that name."""
        own = name[:-1] if name in _WORDS.values() else name
        try:
            function = None if name.startswith("_") else self._registry.get_function(own)
        except KeyError:
            function = None
        if function is None or function.kind == _UNCALLABLE or (function.kind == "scalar_aggregate" and not function.arity):
            raise AttributeError(f"module {COMPUTE!r} has no attribute {name!r}")
        made = vars(self._module)["_wrap_function"](_WORDS.get(own, own), function)
        return vars(self._module).setdefault(name, made)


def _names(code: CodeType) -> Iterator[str]:
    """Every name, and every text, that a module's code has."""
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, str):
            yield constant
        elif hasattr(constant, "co_names"):
            yield from _names(constant)
