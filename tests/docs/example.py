"""Makes docs/format-example.md: a whole tiny repository, sealed and opened, on one page.

    python -m tests.docs.example

Sealing is random, so every run makes another page of the same meaning; it is made anew only when the format gains something.
"""

from __future__ import annotations

import json
import os
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import zstandard

from tests.docs.pages import DOCS
from tests.support.clock import StillClock
from tests.support.randomness import SeededChance
from vault.age import HybridIdentity, armor, open_sealed
from vault.backup.run import BackupOptions, Source, back_up
from vault.format import pack
from vault.format.descriptor import Descriptor, Trust
from vault.format.layout import DESCRIPTOR
from vault.repository import snapshots
from vault.repository.catalog_chunks import MetaReader
from vault.repository.chunk_index import ChunkIndex
from vault.repository.project import Project
from vault.repository.repository import Repository
from vault.repository.services import Services
from vault.source.patterns import Rules
from vault.storage.memory import MemoryStore

PAGE = DOCS / "format-example.md"
CONTENT = b"queue,calls\nsales,42\n"
PATH = "2026-11-21.csv"

HEAD = """# A whole repository on one page

The smallest repository that holds something: one project, one source, one file, one snapshot. It was made by Strongroom
(`python -m tests.docs.example`), and the tests read it back twice: with Strongroom's code, and with none of it. Each
object is shown as it is stored, in age's text form (`age -d` takes it as it is; in a repository it is binary), and then
as it opens. [format.md](format.md) says what everything means.

The person's identity, to which the key object is sealed:
"""


def services() -> Services:
    """Time and chance that are the same every time."""
    clock = StillClock(datetime(2026, 11, 22, 5, 34, 47, 123456, tzinfo=UTC))
    return Services(clock, SeededChance("docs/format-example.md"), "daemon.example.org", "strongroom/0.1.0")


def make(folder: Path) -> tuple[MemoryStore, HybridIdentity, Project]:
    """The repository. folder: where its one file is written first."""
    everything, store = services(), MemoryStore()
    me = HybridIdentity.generate(everything.randomness)
    descriptor = Descriptor(everything.randomness.token(16).hex(), everything.clock.now(), trust=Trust(create_once=True))
    repository = Repository.create(store, descriptor, everything)
    project = repository.add_project("parcelo", [me.recipient], [me])
    source = folder / "reports"
    source.mkdir()
    (source / PATH).write_bytes(CONTENT)
    for path in (source / PATH, source):
        path.chmod(0o640 if path.is_file() else 0o750)
        os.utime(path, ns=(1_795_248_000_000_000_001, 1_795_248_000_000_000_001))
    back_up(project, Source.of_folder("reports", "reports", os.fsencode(source), Rules()), BackupOptions())
    return store, me, project


def page(store: MemoryStore, me: HybridIdentity, project: Project) -> str:
    """The whole page."""
    parts = [HEAD, _block("identity", me.encode()), "## strongroom.json\n", _block("json", store.get(DESCRIPTOR).decode())]
    for name in sorted(info.name for info in store.list("") if info.name != DESCRIPTOR):
        sealed = store.get(name)
        parts += [f"## {name}\n", _block("age", armor.encode(sealed).decode())]
        parts += _opened(name, sealed, me, project)
    return "\n".join(parts)


def _opened(name: str, sealed: bytes, me: HybridIdentity, project: Project) -> list[str]:
    folder = "keys" if name.startswith("keys/") else name.split("/")[2]
    key = {"keys": me, "packs": project.capability.content_identity}.get(folder, project.capability.catalogue)
    plain = bytes(open_sealed(sealed, [key] if key else []))
    if folder == "keys":
        return ["It opens to one line:\n", _block("json", plain.decode())]
    if folder == "snapshots":
        return ["It opens to two lines:\n", _block("record", plain.decode())]
    if folder == "index":
        return [f"It opens to a Parquet file of {len(plain)} bytes with these rows:\n", _rows(ChunkIndex.load(project).table)]
    contents = pack.read_contents(plain)
    end = sum(contents["stored"].to_pylist())
    told = [
        f"It opens to {len(plain)} bytes. The frames are the first {end} of them, then the skippable frame begins:\n",
        _block("hex", f"{plain[:end].hex() if folder == 'packs' else '…'} {plain[end : end + 8].hex()} … {plain[-8:].hex()}"),
        "Its table of contents has these rows:\n",
        _rows(contents),
    ]
    if folder == "packs":
        content = zstandard.ZstdDecompressor().decompress(plain[:end])
        return [*told, "The content:\n", _block("text", content.decode())]
    (record,) = snapshots.read_all(project)
    items = snapshots.read_manifest(MetaReader(project), record)
    return [*told, "These chunks are the manifest and the list of packs. The rows of the manifest:\n", _rows(items)]


def _rows(table: object) -> str:
    rows = table.to_pylist()  # type: ignore[attr-defined]  # pyarrow has no types
    return _block("rows", "\n".join(json.dumps(row, default=as_text) for row in rows))


def as_text(value: object) -> str:
    """How the page writes what JSON has no form for."""
    if isinstance(value, bytes):
        return value.decode() if value.isascii() and len(value) != 32 else value.hex()
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(type(value))


def _block(info: str, text: str) -> str:
    return f"```{info}\n{text.rstrip()}\n```\n"


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        PAGE.write_text(page(*make(Path(scratch))), "utf-8")
