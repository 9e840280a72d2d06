"""Allocator, collector and threads, set up for a program that moves large buffers on several threads and ends soon.

glibc gives every block above 32 MiB back to the kernel at once, and takes fresh zeroed pages for the next one; buffers of packs
and pieces of files come by the hundred. Backing up 1 GiB of recordings: 8.7 s of processor time and 287,000 page faults
without this, 6.9 s and 75,000 with it, and less memory, since all threads share one arena. Arrow is told to use the same
allocator: with one of its own, what the one gives back the other cannot use (300,000 files: 550 MB, and 450 MB without).

The collector looks for cycles after every 700 new objects, unless it is told otherwise (`start`); importing the S3 client alone
makes it walk through everything again and again, for a sixth of a short command's time, and finds nothing.

Threads change places at every call into a library, which gives Python's lock away; who wants it back waits for this long
before it asks for it. 20,000 small reports: 5.1 s with Python's own 5 ms, 4.2 s with half of one.

The locale may be of a time before UTF-8, or none.

pydantic, which typer asks about options that look odd, looks for plugins in every installed package; there are none of ours.

Where numpy and pandas are installed, Arrow imports them, the latter at the first array that is made of a list: a third of a
short command's processor time and 60 MB, for nothing that a command needs. With its reader of Parquet come clients of four
remote file systems, with its sums the reader of data sets. In a command's process all of these count as not installed.
`pyarrow.compute` takes the documentation of a hundred classes apart to write that of its functions, 10 of its 19 ms, and
botocore brings a writer of documentation for each method, 12 of its 75 ms: nobody reads either there, and in a command's
process there is none. Programs that use Strongroom as a library are left alone.
"""

from __future__ import annotations

import ctypes
import gc
import os
import sys
from importlib.machinery import ModuleSpec
from typing import TYPE_CHECKING, cast

from cli import late_arrow
from cli.start import COLLECT_EVERY
from strongroom import environment

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from importlib.abc import Loader
    from types import ModuleType

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8
_LARGEST_INT = 2**31 - 1


SWITCH_EVERY = 0.0005


def ensure_utf8() -> None:
    """Begin this process anew in Python's UTF-8 mode where the locale has another encoding: settings, names of projects and
    paths in them are UTF-8, and file names are bytes that must come back as they were. What is printed keeps the locale's."""
    if sys.getfilesystemencoding() == "utf-8" or sys.flags.utf8_mode or not sys.executable:
        return
    environment.set_default("PYTHONIOENCODING", f"{getattr(sys.stderr, 'encoding', 'utf-8')}:backslashreplace")
    os.execv(sys.executable, [sys.executable, "-X", "utf8", *sys.orig_argv[1:]])  # noqa: S606 (this very program)


NOT_NEEDED = frozenset(
    {"numpy", "pandas", "pyarrow._azurefs", "pyarrow._gcsfs", "pyarrow._hdfs", "pyarrow._s3fs", "pyarrow.dataset"}
)
"""Modules that libraries import where they are there, and do without where they are not."""


class WithoutModules:
    """Knows of `NOT_NEEDED` that they are not installed. None in `sys.modules` would not do: Cython takes that for the module.
    Of what reads or writes documentation it knows that there is nothing to it, and of Arrow's functions that they can wait."""

    def find_spec(self, name: str, path: Sequence[str] | None, _target: ModuleType | None = None) -> ModuleSpec | None:
        """Raises `ModuleNotFoundError` for these, knows nothing of others."""
        if name in NOT_NEEDED:
            raise ModuleNotFoundError(f"{name} is not used by Strongroom's commands", name=name)
        if name == late_arrow.COMPUTE:
            return late_arrow.spec_of_compute(path)
        if name not in _DOCUMENTATION:
            return None
        found = ModuleSpec(name, cast("Loader", _NoDocumentation()), is_package=name == _PACKAGE)
        if name == _PACKAGE:
            found.submodule_search_locations = [f"{folder}/docs" for folder in path or ()]
        return found


class _NoDocumentation:
    """Loads modules that are about documentation, without any."""

    def create_module(self, _spec: ModuleSpec) -> None:
        """An ordinary one."""

    def exec_module(self, module: ModuleType) -> None:
        """With the names that are asked for."""
        vars(module).update(_DOCUMENTATION[module.__name__])


def _without_parameters(_text: str) -> dict[str, tuple[()]]:
    return {"Parameters": ()}


def _nothing(*_: object, **__: object) -> None:
    """The documentation of a method."""


_PACKAGE = "botocore.docs"
_DOCUMENTATION: Mapping[str, Mapping[str, object]] = {
    "pyarrow.vendored.docscrape": {"NumpyDocString": _without_parameters},
    _PACKAGE: {},
    f"{_PACKAGE}.docstring": dict.fromkeys(("ClientMethodDocstring", "PaginatorDocstring", "WaiterDocstring"), _nothing),
}
"""Modules about documentation, with what libraries want of them."""


def set_up() -> None:
    """Before the first thread starts. The allocator stays as it is where the C library is another one."""
    gc.set_threshold(COLLECT_EVERY, 20, 100)
    sys.setswitchinterval(SWITCH_EVERY)
    environment.set_default("ARROW_DEFAULT_MEMORY_POOL", "system")
    environment.set_default("PYDANTIC_DISABLE_PLUGINS", "__all__")
    if not any(isinstance(finder, WithoutModules) for finder in sys.meta_path):
        sys.meta_path.insert(0, WithoutModules())
    if sys.platform != "linux":
        return
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):
        return
    mallopt(_M_ARENA_MAX, 1)
    mallopt(_M_MMAP_THRESHOLD, 1 << 30)
    mallopt(_M_TRIM_THRESHOLD, _LARGEST_INT)
