"""Dataclasses whose methods are closures behave as those that `dataclasses` compiles."""

from __future__ import annotations

import dataclasses
import operator
import subprocess
import sys
from collections.abc import Callable
from dataclasses import FrozenInstanceError, dataclass, field
from typing import Any

import pytest

from cli import dataclass_methods

NAN = float("nan")


def made() -> list[Any]:
    """Classes of all kinds that the code has, as `dataclasses` makes them at the moment."""

    @dataclass(frozen=True, slots=True)
    class Frozen:
        one: int
        two: Any = ()
        quiet: int = field(default=0, repr=False)
        apart: int = field(default=0, compare=False)

    @dataclass(frozen=True, slots=True)
    class Single:
        one: Any

    @dataclass(frozen=True)
    class Empty:
        pass

    @dataclass(slots=True)
    class Changing:
        one: int
        others: list[Any] = field(default_factory=list)

    @dataclass(order=True)
    class Ordered:
        one: int
        two: int = 0

    @dataclass(frozen=True, unsafe_hash=True, eq=False)
    class Hashed:
        one: int = field(hash=False)
        two: int = 2

    return [Frozen, Single, Empty, Changing, Ordered, Hashed]


def outcome(act: Callable[..., object], *arguments: object) -> object:
    try:
        return act(*arguments)
    except Exception as error:  # noqa: BLE001 (whatever it is, both must raise it)
        return type(error), str(error).replace(" at 0x", "")


def behaviour(classes: list[Any]) -> list[object]:
    frozen, single, empty, changing, ordered, hashed = classes
    loop = changing(1)
    loop.others.append(loop)
    some = [
        *(frozen(1, (2,)), frozen(1, (2,), 5), frozen(1, (2,), 0, 9), single(1), single((1,)), single(NAN), empty()),
        *(changing(1), changing(1, [2]), loop, ordered(1), ordered(1, 2), ordered(2), hashed(1), hashed(1, 3)),
    ]
    found: list[object] = [repr(one) for one in some]
    found += [one == other for one in some for other in some if loop not in (one, other) or one is other]
    found += [outcome(hash, one) for one in some if not isinstance(one, hashed)]
    found += [hash(hashed(1)) == hash(hashed(5)), hash(hashed(1, 2)) == hash(hashed(1, 3))]
    found += [outcome(setattr, one, name, 7) for one in some for name in ("one", "other")]
    found += [outcome(delattr, one, "one") for one in some]
    found += [outcome(operator.lt, one, other) for one in some[-5:-2] for other in some[-5:-2]]
    found += [getattr(kind, name).__qualname__ for kind in classes for name in ("__repr__", "__eq__")]
    return found


def test_they_behave_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("_repr_fn", "_cmp_fn", "_hash_fn", "_frozen_get_del_attr"):
        if hasattr(dataclasses, name):
            monkeypatch.setattr(dataclasses, name, getattr(dataclasses, name))  # undone at the end
    compiled = made()
    if not dataclass_methods.install():
        pytest.skip("these dataclasses are not known")
    closures = made()
    assert behaviour(closures) == behaviour(compiled)
    assert closures[0].__eq__.__code__.co_filename.endswith("dataclass_methods.py")
    with pytest.raises(FrozenInstanceError, match="cannot assign to field 'one'"):
        closures[0](1).one = 2


def test_other_dataclasses_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def another(fields: object) -> object:
        return fields

    monkeypatch.setattr(dataclasses, "_repr_fn", another, raising=False)
    assert not dataclass_methods.install() and getattr(dataclasses, "_repr_fn") is another  # noqa: B009


def test_a_command_uses_them_and_its_values_can_be_pickled() -> None:
    program = """
import pickle
from cli import dataclass_methods
known = dataclass_methods.install()
from vault.problems import Problem
one = Problem(b"a", "damaged", "it is")
assert pickle.loads(pickle.dumps(one)) == one and hash(one) == hash(pickle.loads(pickle.dumps(one)))
print(known, Problem.__eq__.__code__.co_filename.endswith("dataclass_methods.py"))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() in (["True", "True"], ["False", "False"])
