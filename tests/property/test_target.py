"""Whatever is restored, and whatever is planted meanwhile, nothing outside of the target changes."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from blake3 import blake3
from hypothesis import given, settings
from hypothesis import strategies as st

from restore.local_fs import Attributes, PendingFile, Target, Writer, unsafe_reason
from restore.local_fs.names import temporary_name

PARTS = st.sampled_from([b"a", b"b", b"c", b"..", b".", b"", b"out", b"\xff", b"x\0", b"/etc"])
PATHS = st.lists(PARTS, min_size=1, max_size=4).map(b"/".join) | st.binary(max_size=12)
CLEAN = st.lists(st.sampled_from([b"a", b"b", b"c"]), min_size=1, max_size=3).map(b"/".join)
POINTS_TO = st.sampled_from([b"..", b"../..", b"../outside", b"../../outside", b"/", b".", b"a", b"../outside/precious"])
ACTIONS = st.tuples(
    st.sampled_from(["small", "large", "link", "hard", "folder", "commit", "plant", "swap"]), PATHS, POINTS_TO, CLEAN
)
ATTRIBUTES = Attributes(mode=0o777, mtime_ns=1_000_000_000)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(st.lists(ACTIONS, max_size=14))
def test_paths_never_leave_the_target(actions: list[tuple[str, bytes, bytes, bytes]]) -> None:
    home = Path(tempfile.mkdtemp())
    try:
        (home / "outside").mkdir(mode=0o750)
        (home / "outside" / "precious").write_bytes(b"precious")
        before = photograph(home)
        with Target(os.fsencode(home / "to")) as target:
            target.prepare()
            writer = target.writer()
            for kind, path, points_to, clean in actions:
                if kind == "commit":
                    writer.commit()
                elif kind in {"plant", "swap"}:
                    plant(home / "to", clean, points_to, swap=kind == "swap")
                elif unsafe_reason(path) is None:
                    act(writer, kind, path, points_to, clean)
            writer.commit()
            folders = [path for _, path, _, clean in actions for path in (path, clean) if unsafe_reason(path) is None]
            target.finish([(folder, ATTRIBUTES) for folder in folders])
        shutil.rmtree(home / "to")
        assert photograph(home) == before
    finally:
        shutil.rmtree(home, ignore_errors=True)


def act(writer: Writer, kind: str, path: bytes, points_to: bytes, member: bytes) -> None:
    """One step of a restore; problems are fine, exceptions are not."""
    if kind == "small":
        writer.write_small(path, b"mine", ATTRIBUTES, replace=True)
    elif kind == "link":
        writer.write_link(path, points_to, ATTRIBUTES, replace=True)
    elif kind == "hard":
        writer.write_hard_link(path, member, 4, blake3(b"mine").digest(), replace=True)
    elif kind == "folder":
        writer.make_folder(path)
    else:
        pending = writer.begin(path, 4, resume=True, replace=True)
        if isinstance(pending, PendingFile):
            pending.write_at(0, b"mine")
            pending.finish(ATTRIBUTES)


def plant(root: Path, path: bytes, points_to: bytes, *, swap: bool) -> None:
    """What an enemy inside the target does: put a link where something is or will be, at its temporary name too."""
    place = root / os.fsdecode(path)
    for name in (place, place.parent / os.fsdecode(temporary_name(path))):
        if any(above.is_symlink() for above in name.parents if above != root and root in above.parents):
            continue
        if swap and not name.is_symlink() and name.is_dir():
            shutil.rmtree(name)
        elif (swap and name.is_symlink()) or name.is_file():
            name.unlink()
        if name.parent.is_dir() and not os.path.lexists(name):
            name.symlink_to(os.fsdecode(points_to))


def photograph(home: Path) -> list[tuple[str, int, int, int, bytes]]:
    """Everything beside the target, and the target's parent as its list of names."""
    rows = []
    for path in [home / "outside", *sorted((home / "outside").rglob("*"))]:
        status = path.lstat()
        content = path.read_bytes() if path.is_file() else b""
        rows.append((str(path), status.st_mode, status.st_mtime_ns, status.st_nlink, content))
    return [*rows, *((str(path), 0, 0, 0, b"") for path in sorted(home.iterdir()))]
