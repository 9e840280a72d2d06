"""A restore drill: a random sample of a project and its newest report come back to a scratch folder, and are compared.

    select    the project as it is now
    choose    the newest report, and items at random, up to a number and a size
    restore   as a person would have it restored; the time that this takes is measured
    compare   every file with the BLAKE3 and the size that the manifest says

What a whole restore would take is reckoned from that. The scratch folder (0700, among the system's temporary files) goes
afterwards.
"""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from blake3 import blake3

from vault.errors import Damaged, NothingFound
from vault.problems import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import pyarrow as pa

    from restore.select import Selection
    from vault.repository.project import Project

ITEMS = 50
MOST_BYTES = 1 << 30
NEWEST_OF = "reports"
"""The kind of which the newest item is always among the sample; another one where a project has none of it."""


@dataclass(frozen=True, slots=True)
class Drilled:
    """What a drill came to. seconds: from the first request to the last byte · whole_items, whole_bytes: of the project ·
    whole_seconds: that all of it would take, as reckoned · newest: the newest report's path · wrong: files that are not what
    they should be, and why."""

    project: str
    items: int
    bytes: int
    seconds: float
    whole_items: int
    whole_bytes: int
    whole_seconds: float
    newest: str
    wrong: tuple[str, ...]

    @property
    def trouble(self) -> str:
        """What is wrong in a few words, or nothing."""
        return f"{len(self.wrong)} of {self.items} files are not as they were: {self.wrong[0]}" if self.wrong else ""

    def as_json(self) -> dict[str, Any]:
        """For `--json`, and for the record of it."""
        found = {name: getattr(self, name) for name in self.__slots__}
        times = {name: round(found[name], 3) for name in ("seconds", "whole_seconds")}
        return found | times | {"wrong": list(self.wrong), "trouble": self.trouble}


def drill(project: Project, stop: Callable[[], None], *, items: int = ITEMS, most_bytes: int = MOST_BYTES) -> Drilled:
    """One drill. Raises `NothingFound`, `Damaged`, `KeyRefused`, `TargetError`, `StorageError`."""
    import pyarrow.compute as pc

    from restore.apply import apply
    from restore.existing import Existing
    from restore.plan import make_plan
    from restore.select import Wish, select
    from restore.target import Target
    from vault.format import manifest

    project.capability.reading()
    clock = project.services.clock
    began = clock.monotonic()
    selection = select(project, Wish())
    if selection.damage:
        raise Damaged(selection.damage[0].message)
    files = selection.table.filter(pc.equal(selection.table["type"], manifest.FILE))
    if not files.num_rows:
        raise NothingFound(f"project {project.name!r} has no file to restore", hint="drill it once it has one")
    rows = _chosen(files, project.services.chance.fraction, items, most_bytes)
    sample = _only(selection, files.take(rows))
    selected = clock.monotonic()
    with tempfile.TemporaryDirectory(prefix="strongroom-drill-") as folder:
        with Target(os.fsencode(folder)) as target:
            plan = make_plan(sample, target, Existing.REFUSE, clock.now().date())
            report = apply(plan.without_missing(), target, stop)
        ended = clock.monotonic()
        wrong = [f"{printable(one.path)}: {one.message}" for one in report.problems if one.what != "attributes"]
        known = {one.path for one in report.problems}
        wrong += _differing(
            sample.table.filter(pc.invert(pc.is_in(sample.table["path"], value_set=_binary(known)))), Path(folder)
        )
    read, whole = pc.sum(sample.table["size"]).as_py() or 0, pc.sum(files["size"]).as_py() or 0
    share = whole / read if read else files.num_rows / sample.table.num_rows
    return Drilled(
        project=project.name,
        items=sample.table.num_rows,
        bytes=read,
        seconds=ended - began,
        whole_items=files.num_rows,
        whole_bytes=whole,
        whole_seconds=(selected - began) + (ended - selected) * share,
        newest=printable(files["path"][rows[0]].as_py()),
        wrong=tuple(wrong),
    )


def _chosen(files: pa.Table, fraction: Callable[[], float], items: int, most_bytes: int) -> list[int]:
    """Rows: the newest report first, whatever its size; then others at random while they fit. Each path once."""
    sizes = files["size"].combine_chunks()
    chosen = [_newest(files)]
    paths = {files["path"][chosen[0]].as_py()}
    left = most_bytes - sizes[chosen[0]].as_py()
    for _ in range(4 * items):
        if len(chosen) > items or len(chosen) == files.num_rows:
            break
        row = int(fraction() * files.num_rows)
        path, size = files["path"][row].as_py(), sizes[row].as_py()
        if path not in paths and size <= left:
            chosen.append(row)
            paths.add(path)
            left -= size
    return chosen


def _newest(files: pa.Table) -> int:
    """The row of the report whose period ends last; of those without one, the one that was modified last."""
    import pyarrow as pa
    import pyarrow.compute as pc

    rows = pc.indices_nonzero(pc.equal(files["kind"], NEWEST_OF))
    among = files.take(rows) if len(rows) else files
    ends = among["period_end"].combine_chunks()
    keys = pa.table({"known": pc.is_valid(ends), "end": ends, "mtime": among["mtime"]})
    order = pc.sort_indices(keys, sort_keys=[("known", "descending"), ("end", "descending"), ("mtime", "descending")])
    first = order[0].as_py()
    return int(rows[first].as_py()) if len(rows) else int(first)


def _only(selection: Selection, table: pa.Table) -> Selection:
    import pyarrow.compute as pc

    return replace(selection, table=table.take(pc.sort_indices(table["path"])), above=selection.table.slice(0, 0))


def _differing(items: pa.Table, folder: Path) -> list[str]:
    """The restored files that are not what the manifest says."""
    wrong = []
    columns: Sequence[Any] = [items[name].to_pylist() for name in ("path", "size", "blake3")]
    for path, size, digest in zip(*columns, strict=True):
        file = folder / os.fsdecode(path)
        try:
            found, length = _digest(file), file.stat().st_size
        except OSError as error:
            wrong.append(f"{printable(path)}: {error.strerror}")
            continue
        if length != size or (digest is not None and found != digest):
            wrong.append(f"{printable(path)}: its content is another one")
    return wrong


def _digest(file: Path) -> bytes:
    hasher = blake3()
    hasher.update_mmap(str(file))
    return hasher.digest()


def _binary(paths: set[bytes]) -> pa.Array:
    import pyarrow as pa

    return pa.array(sorted(paths), pa.binary())
