"""Makes a repository that must open for ever: `python -m tests.compat.make_fixture`.

It goes to `tests/compat/fixtures/format-N`, which must not be there yet: a fixture is never made anew for a format that is
out in the world. While a format is being built, delete the folder and run this again. Beside the repository lie the
identity, the recovery kit, and `expected.json` with what each snapshot must restore to.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import sys
import tempfile
from pathlib import Path

from tests.compat.trees import described
from tests.support.randomness import SeededChance
from vault.age import HybridIdentity
from vault.backup.run import BackupOptions, Source, back_up
from vault.clock import SystemClock
from vault.format.descriptor import FORMAT, Descriptor, Trust
from vault.repository.project import Project
from vault.repository.repository import Repository
from vault.repository.services import Services
from vault.source.patterns import Rules
from vault.storage.local import TEMPORARY, LocalStore

PLACE = Path(__file__).parent / "fixtures" / f"format-{FORMAT}"
PROJECT = "Клиент № 1"
EPOCH_NS = 1_763_769_600_000_000_000
HOURS = 420
"""Hourly reports: more than a dictionary's training asks for."""

ODD_NAMES = [
    b"caf\xc3\xa9.csv",
    b"cafe\xcc\x81.csv",
    b"not utf-8 \xff\xfe",
    b"two\nlines",
    b"\xf0\x9f\x93\x9e calls.txt",
    b"trailing space ",
    b" leading space",
    b"-dash",
    b"star*[x]?",
    b"n" * 255,
]


def hourly(number: int, seed: int) -> bytes:
    """A report of some 10 KB that resembles the others."""
    dice = random.Random(seed * 10_000 + number)
    rows = [
        f"agent-{agent % 9},queue-{agent % 3},answered calls,{agent % 9 * 3},abandoned calls,{agent % 9}"
        for agent in range(200)
    ]
    rows[dice.randrange(200)] += f",note {dice.randrange(10_000)}"
    return "\n".join([f"report,hour {number}", *rows, ""]).encode()


def calls(count: int) -> bytes:
    """Call records, enough for several chunks."""
    dice = random.Random("calls")
    lines = (
        f'{{"call":{n},"queue":"q{n % 9}","wait":{dice.randrange(90)},"state":"answered by an agent"}}' for n in range(count)
    )
    return "\n".join(lines).encode()


def first_content(root: Path) -> None:
    """The source at its first snapshot."""
    hours, odd = root / "hourly", root / "odd"
    hours.mkdir()
    odd.mkdir()
    for number in range(HOURS):
        (hours / f"{number:03}.csv").write_bytes(hourly(number, 1))
    for number, name in enumerate(ODD_NAMES):
        Path(os.fsdecode(os.fsencode(odd) + b"/" + name)).write_bytes(b"odd %d\n" % number)
    (root / "calls.jsonl").write_bytes(calls(9000))
    (root / "empty").write_bytes(b"")
    (root / "empty folder").mkdir()
    (root / "link").symlink_to("hourly/000.csv")
    (root / "link out").symlink_to("/nowhere/at/all")
    (root / "one name").write_bytes(b"one file, two names\n")
    (root / "other name").hardlink_to(root / "one name")
    with (root / "sparse").open("wb") as file:
        file.seek(3 << 20)
        file.write(b"behind a hole of three mebibytes")
        file.truncate(5 << 20)
    os.setxattr(root / "one name", "user.strongroom.test", b"\x00kept\xff")
    (root / "one name").chmod(0o4640)
    set_times(root)


def second_content(root: Path) -> None:
    """The source at its second snapshot: something vanished, something changed, something new."""
    (root / "hourly" / "007.csv").unlink()
    shutil.rmtree(root / "empty folder")
    (root / "hourly" / "008.csv").write_bytes(hourly(8, 2))
    (root / "new.txt").write_bytes(b"new\n")
    for path in (root / "hourly" / "008.csv", root / "new.txt", root / "hourly", root):
        set_time(path, EPOCH_NS + 1)


def set_times(root: Path) -> None:
    """Times that can be told again; folders after what is in them."""
    for path in sorted(root.rglob("*"), reverse=True):
        set_time(path, EPOCH_NS + len(os.fsencode(path.name)) * 1_000_000_007)
    set_time(root, EPOCH_NS)


def set_time(path: Path, moment_ns: int) -> None:
    """Of a link: its own."""
    os.utime(path, ns=(moment_ns, moment_ns), follow_symlinks=False)


def make(place: Path, scratch: Path) -> None:
    """The fixture. scratch: for the source, on a file system with extended attributes."""
    clock, randomness = SystemClock(), SeededChance("compat fixture")
    services = Services(clock, randomness, "fixture.example.org", "strongroom/0.1.0")
    me, kit = HybridIdentity.generate(randomness), HybridIdentity.generate(randomness)
    store = LocalStore(place / "repository", clock=clock, randomness=randomness, create_missing=True)
    descriptor = Descriptor(randomness.token(16).hex(), clock.now(), trust=Trust(create_once=True, checksum="sha256"))
    repository = Repository.create(store, descriptor, services)
    project = repository.add_project(PROJECT, [me.recipient, kit.recipient], [me])
    root = scratch / "source"
    root.mkdir()
    expected: list[dict[str, object]] = []
    trees: list[dict[str, dict[str, object]]] = [{}]
    for change in (first_content, second_content):
        change(root)
        clock.sleep(2.5)  # what is younger than two seconds is read again by the next run
        snapshot = _snapshot(project, root)
        trees.append(described(root))
        expected.append({"snapshot": snapshot, "news": difference(*trees[-2:])})
    for name, identity in (("identity.txt", me), ("kit.txt", kit)):
        (place / name).write_text(f"# for a test: it opens tests/compat/fixtures and nothing else\n{identity.encode()}\n")
    (place / "expected.json").write_text(written(expected))
    shutil.rmtree(place / "repository" / TEMPORARY)


def difference(old: dict[str, dict[str, object]], new: dict[str, dict[str, object]]) -> dict[str, object]:
    """What of `new` is not in `old`; null for what is in `old` alone."""
    gone: dict[str, object] = dict.fromkeys(old.keys() - new.keys())
    return gone | {path: facts for path, facts in new.items() if old.get(path) != facts}


def written(expected: list[dict[str, object]]) -> str:
    """`expected.json`: what each snapshot changes, an item a line."""
    lines = json.dumps({"project": PROJECT, "snapshots": expected}, separators=(",", ":"))
    return lines.replace("},", "},\n") + "\n"


def _snapshot(project: Project, root: Path) -> str:
    report = back_up(project, Source.of_folder("reports", "reports", os.fsencode(root), Rules()), BackupOptions())
    if report.problems:
        raise RuntimeError(f"the fixture's source has a problem: {report.problems[0].message}")
    return report.record.id


if __name__ == "__main__":
    if PLACE.exists():
        sys.exit(f"{PLACE} is there; it is not made anew")
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        make(PLACE, Path(folder))
