"""Arrow's functions in a command's process: made late, they are what they are anywhere else."""

from __future__ import annotations

import json
import subprocess
import sys

LISTED = """
import json, sys
if sys.argv[1] == "late":
    from cli import runtime
    runtime.set_up()
import inspect, pyarrow.compute as pc
if sys.argv[1] == "late":
    made_at_once = sum(hasattr(one, "__arrow_compute_function__") for one in vars(pc).values())
    assert made_at_once < 10, made_at_once
from pyarrow._compute import function_registry
names = [*function_registry().list_functions(), "and_", "or_", "utf8_zfill", "cast", "no_such_function", "__path__"]
found = {name: getattr(pc, name, None) for name in names}
assert len(pc.list_functions()) > 200 and pc.function_registry().list_functions() == pc.list_functions()
print(json.dumps({name: one and [one.__name__, str(inspect.signature(one))] for name, one in found.items()}))
"""

USED = """
from cli import runtime
runtime.set_up()
import pyarrow as pa, pyarrow.compute as pc
numbers = pa.array([3, None, 1])
assert pc.add(numbers, 1).to_pylist() == [4, None, 2] and pc.add is pc.add
assert pc.and_(pc.is_valid(numbers), pc.greater(numbers, 2)).to_pylist() == [True, None, False]
assert numbers.take(pc.sort_indices(numbers)).to_pylist() == [1, 3, None]
assert numbers.fill_null(0).cast(pa.int8()).to_pylist() == [3, 0, 1]
assert pc.sum(numbers).as_py() == 4 and pc.top_k_unstable(numbers.drop_null(), 1).to_pylist() == [0]
assert pa.table({"a": [1, 2, 1]}).group_by("a").aggregate([("a", "count")]).num_rows == 2
try:
    pc.no_such_function
except AttributeError as error:
    assert "no_such_function" in str(error)
else:
    raise SystemExit(1)
"""


def listed(how: str) -> dict[str, list[str] | None]:
    done = subprocess.run([sys.executable, "-c", LISTED, how], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


def test_every_function_has_the_name_and_the_parameters_that_it_has_anywhere() -> None:
    late = listed("late")
    assert late == listed("as usual")
    assert sum(one is not None for one in late.values()) > 200
    assert late["no_such_function"] is None and late["__path__"] is None


def test_functions_that_are_made_late_are_used_as_any() -> None:
    done = subprocess.run([sys.executable, "-c", USED], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
