"""docs/format.md and docs/format-example.md, read with Strongroom's code and with none of it.

The independent half takes age from npm's package, zstd from its own program, Parquet from pyarrow and BLAKE3 from its
package, and follows the pages; nothing of `vault` is used there.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from blake3 import blake3
from msgspec import Struct

from restore.execution.stream import stream
from restore.selection.select import ItemQuery, select
from tests.docs import example
from tests.docs.pages import DOCS, blocks, section, table_rows
from tests.support.age_js import PATIENCE
from tests.support.coverage_notes import not_covered
from tests.support.places import PROJECT as PROJECT_NAME
from tests.support.places import back_up, names
from tests.support.places import identity as identity_of
from tests.support.principals import CREATOR, administrator, founded_on, opened_by
from tests.support.recovery_script import recovered
from tests.support.trees import contents, write_tree
from vault.age import HybridIdentity
from vault.format import chunks, descriptor, envelope, epoch_keys, grant, identity_shares, inflated, pack, settings_copy
from vault.format.frames import Expander
from vault.repository import key_rotation, snapshots
from vault.repository.check import Depth, check
from vault.repository.project import Project
from vault.repository.repository import Repository
from vault.storage.memory import MemoryStore

PAGE = DOCS / "format.md"
VALUES = table_rows(section(PAGE, "## Values to check an implementation against"))
KEY = bytes(range(32))
PROJECT = "0123456789abcdef0123456789abcdef"


class Shown(Struct, frozen=True):
    """An object of the page: its name, stored bytes, and the blocks under its heading."""

    name: str
    sealed: bytes
    told: dict[str, list[str]]


def shown() -> list[Shown]:
    """The sealed objects of the page, taken apart without any of our code."""
    text = example.PAGE.read_text("utf-8")
    names = [line[3:] for line in text.splitlines() if line.startswith(("## keys/", "## projects/"))]
    return [_shown(name) for name in names]


def _shown(name: str) -> Shown:
    told: dict[str, list[str]] = {}
    part = section(example.PAGE, f"## {name}")
    for piece in part.split("```")[1::2]:
        info, _, body = piece.partition("\n")
        told.setdefault(info, []).append(body)
    rows = told["age"][0].splitlines()[1:-1]
    return Shown(name, base64.b64decode("".join(rows)), told)


def the_descriptor() -> str:
    return blocks(example.PAGE, "json")[0].text


def the_identity() -> str:
    return blocks(example.PAGE, "identity")[0].text.strip()


def opened_by_code() -> Project:
    store = MemoryStore()
    store.put("strongroom.json", the_descriptor().encode())
    for one in shown():
        store.put(one.name, one.sealed)
    repository = Repository.open(store, example.services())
    return repository.project("parcelo", [HybridIdentity.parse(the_identity())])


@pytest.fixture
def folder(tmp_path: Path, age_program: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The page's repository as files, beside an `age` that is not ours."""
    if shutil.which("zstd") is None:
        not_covered("recovery without Strongroom: no zstd program here")
        pytest.skip("no zstd")
    monkeypatch.setenv("PATH", f"{age_program}{os.pathsep}{os.environ['PATH']}")
    place = tmp_path / "repository"
    for one in shown():
        file = place / one.name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(one.sealed)
    (place / "strongroom.json").write_text(the_descriptor())
    (place / "kit.txt").write_text(f"# the example's identity\n{the_identity()}\n")
    return place


def program(*command: str | Path, given: bytes = b"") -> bytes:
    return subprocess.run(command, input=given, check=True, capture_output=True, timeout=PATIENCE).stdout


def opened(folder: Path, name: str, identity: str) -> bytes:
    key = folder / "key.txt"
    key.write_text(identity + "\n")
    return program("age", "-d", "-i", key, folder / name)


def parquet(data: bytes) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = pq.read_table(pa.BufferReader(data)).to_pylist()
    return rows


def as_shown(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows as the page writes them."""
    return [json.loads(json.dumps(row, default=example.as_text)) for row in rows]


def shown_rows(one: Shown, number: int = 0) -> list[dict[str, Any]]:
    return [json.loads(line) for line in one.told["rows"][number].splitlines()]


def test_the_values_on_the_page_are_what_the_code_computes() -> None:
    content = bytes.fromhex(VALUES["content (hex)"])
    tag_key = chunks.derive(KEY, "record tag")
    name, body = VALUES["a mark: name"], VALUES["a mark: first line"]
    assert tag_key.hex() == VALUES["tag key"]
    assert chunks.derive(KEY, "index name").hex() == VALUES["index key"]
    assert chunks.derive(KEY, "rollup name").hex() == VALUES["roll-up key"]
    assert chunks.derive(KEY, "record table name").hex() == VALUES["record-table key"]
    assert chunks.derive(KEY, "head chunks name").hex() == VALUES["head-chunks key"]
    assert chunks.chunk_id(KEY, content).hex() == VALUES["its chunk id"]
    assert chunks.content_hash(content).hex() == VALUES["its BLAKE3 in a manifest"]
    assert Expander().expand(bytes.fromhex(VALUES["a frame for it (hex)"]), len(content)) == content
    written = envelope.encode(json.loads(body), tag_key, name, PROJECT)
    assert written == f'{body}\n{{"tag":"{VALUES["a mark: tag"]}"}}\n'.encode()


def test_the_values_on_the_page_follow_from_the_page_alone() -> None:
    content = bytes.fromhex(VALUES["content (hex)"])
    tag_key = blake3(KEY, derive_key_context="strongroom 2026-11-22 record tag").digest()
    assert tag_key.hex() == VALUES["tag key"]
    assert blake3(KEY, derive_key_context="strongroom 2026-11-22 index name").hexdigest() == VALUES["index key"]
    assert blake3(KEY, derive_key_context="strongroom 2026-11-22 rollup name").hexdigest() == VALUES["roll-up key"]
    table_key = blake3(KEY, derive_key_context="strongroom 2026-11-22 record table name").hexdigest()
    assert table_key == VALUES["record-table key"]
    heads_key = blake3(KEY, derive_key_context="strongroom 2026-11-22 head chunks name").hexdigest()
    assert heads_key == VALUES["head-chunks key"]
    assert blake3(content, key=KEY).hexdigest() == VALUES["its chunk id"]
    assert blake3(content).hexdigest() == VALUES["its BLAKE3 in a manifest"]
    assert zstandard.ZstdDecompressor().decompress(bytes.fromhex(VALUES["a frame for it (hex)"])) == content
    tagged = "\0".join([VALUES["a mark: name"], PROJECT, VALUES["a mark: first line"]])
    assert blake3(tagged.encode(), key=tag_key).hexdigest() == VALUES["a mark: tag"]


def test_content_is_cut_where_the_page_says() -> None:
    for what, size, times in (("1 MiB", 1 << 20, 1), ("64 KiB, sixteen times finer,", 1 << 16, 16)):
        stream_of_bytes = hashlib.shake_256(b"strongroom").digest(size)
        stated = [int(length) for length in VALUES[f'cuts of {what} of SHAKE256("strongroom")'].split()]
        cutter = descriptor.META_CUTTING.finer(times).cutter()
        assert [len(piece) for piece in chunks.cut(cutter, stream_of_bytes)] == stated


def test_the_limits_on_the_page_are_those_of_the_code() -> None:
    stated = table_rows(section(PAGE, "## Limits"))
    assert stated["a chunk's content"] == f"{chunks.LARGEST_CHUNK >> 20} MiB"
    assert stated["an inflated form; its parts"] == f"{inflated.LARGEST_FORM >> 20} MiB; {inflated.MOST_PARTS:,}"
    assert stated["any object"] == f"{descriptor.LARGEST_PACK >> 20} MiB"
    assert stated["descriptor, key object"] == f"{descriptor.LARGEST_DESCRIPTOR >> 10} KiB"
    copies = f"{settings_copy.LARGEST >> 20} MiB; {settings_copy.MOST_RECIPIENTS}"
    assert stated["copy of settings (opened); its recipients"] == copies
    assert stated["record, claim, mark, note, hold, grant (opened)"] == f"{envelope.LARGEST >> 20} MiB"
    kept = f"{epoch_keys.MOST_FORMER}; {grant.MOST_KEPT:,}"
    assert stated["former epochs in a key object; ids that a revocation keeps"] == kept
    assert stated["chunks in a pack; its table of contents"] == f"{pack.MOST_CHUNKS:,}; {pack.LARGEST_CONTENTS >> 20} MiB"


def test_the_code_opens_the_repository_on_the_page() -> None:
    project = opened_by_code()
    report = check(project, Depth(data=1))
    assert report.sound
    assert (report.snapshots, report.packs_read, report.chunks_read) == (1, 2, 3)
    out = io.BytesIO()
    stream(select(project, ItemQuery((f"reports/{example.PATH}",))), out, lambda: None)
    assert out.getvalue() == example.CONTENT


def test_everything_that_the_page_shows_opened_is_what_is_sealed(folder: Path) -> None:
    """Step by step as docs/format.md tells, with nothing of Strongroom's."""
    objects = {one.name.split("/")[2] if one.name.startswith("projects/") else "keys": one for one in shown()}
    assert objects.keys() == {"keys", "packs", "meta", "index", "snapshots"}  # the claim went with the commit

    secrets = json.loads(opened(folder, objects["keys"].name, the_identity()))
    assert secrets == json.loads(objects["keys"].told["json"][0])
    assert [secrets["repository"], secrets["project"]] == [
        json.loads(the_descriptor())["repository"],
        objects["keys"].name.split("/")[1],
    ]
    chunk_id_key = bytes.fromhex(secrets["chunk_id_key"])
    tag_key = blake3(chunk_id_key, derive_key_context="strongroom 2026-11-22 record tag").digest()
    index_key = blake3(chunk_id_key, derive_key_context="strongroom 2026-11-22 index name").digest()

    index = opened(folder, objects["index"].name, secrets["catalogue_identity"])
    assert blake3(index, key=index_key).hexdigest() == objects["index"].name.rpartition("/")[2]
    assert as_shown(parquet(index)) == shown_rows(objects["index"])

    first, tag, rest = opened(folder, objects["snapshots"].name, secrets["catalogue_identity"]).split(b"\n")
    bound = b"\0".join([objects["snapshots"].name.encode(), secrets["project"].encode(), first])
    assert (json.loads(tag), rest) == ({"tag": blake3(bound, key=tag_key).hexdigest()}, b"")
    assert [first.decode(), tag.decode()] == objects["snapshots"].told["record"][0].splitlines()
    record = json.loads(first)

    found: dict[str, bytes] = {}
    for tier, identity in (("packs", "content_identity"), ("meta", "catalogue_identity")):
        one = objects[tier]
        assert hashlib.sha256(one.sealed).hexdigest() == one.name.rpartition("/")[2]
        plain = opened(folder, one.name, secrets[identity])
        length = int.from_bytes(plain[-8:-4], "little")
        table = parquet(plain[-length:-8])
        assert as_shown(table) == shown_rows(one)
        frames_end = sum(row["stored"] for row in table)
        assert plain[frames_end : frames_end + 8] == bytes.fromhex("5e2a4d18") + length.to_bytes(4, "little")
        content = program("zstd", "-dc", given=plain)
        for row in table:
            piece, content = content[: row["plain"]], content[row["plain"] :]
            assert blake3(piece, key=chunk_id_key).digest() == row["chunk"]
            found[row["chunk"].hex()] = piece
        assert content == b""

    (name, length), *more = record["manifest"]["chunks"]
    assert (more, record["manifest"]["depth"], length) == ([], 0, len(found[name]))
    items = parquet(found[name])
    assert as_shown(items) == shown_rows(objects["meta"], 1)
    packs = found[record["packs"]["chunks"][0][0]].decode().split()
    assert packs == [objects["packs"].name.rpartition("/")[2]]
    assert record["own_packs"] == [objects["meta"].name.rpartition("/")[2]]
    content = b"".join(found[part["id"].hex()] for part in items[1]["chunks"])
    assert content == example.CONTENT
    assert blake3(content).digest() == items[1]["blake3"]


def test_the_commands_of_the_recovery_by_hand_work(folder: Path) -> None:
    commands = blocks(PAGE, "sh")[0].text
    subprocess.run(["bash", "-e", "-c", commands], cwd=folder, check=True, capture_output=True, timeout=PATIENCE)
    assert (folder / "content").read_bytes() == example.CONTENT
    assert json.loads((folder / "record.json").read_bytes().splitlines()[0])["record"] == "snapshot"
    (segment,) = folder.glob("index-*.parquet")
    assert len(parquet(segment.read_bytes())) == 3


def test_the_recovery_script_brings_the_file_back(folder: Path, tmp_path: Path) -> None:
    script, out = tmp_path / "recover.py", tmp_path / "out"
    script.write_text(blocks(PAGE, "python")[0].text)
    program(sys.executable, script, folder / "kit.txt", folder, out)
    restored = out / "parcelo" / "reports" / example.PATH
    assert restored.read_bytes() == example.CONTENT
    assert restored.stat().st_mtime_ns == 1_795_248_000_000_000_001


def test_what_a_snapshot_says_it_stored_is_what_lies_in_packs_catalogue_included() -> None:
    (record,) = snapshots.read_all(opened_by_code())
    packs = [one for one in shown() if one.name.split("/")[2] in ("packs", "meta")]
    assert record.counts.stored_bytes == sum(len(one.sealed) for one in packs)


def test_a_repository_made_now_has_the_same_shape_as_the_one_on_the_page(tmp_path: Path) -> None:
    store, _, _ = example.make(tmp_path)
    folders = sorted(info.name.split("/")[2] for info in store.list("projects"))
    assert folders == sorted(one.name.split("/")[2] for one in shown() if one.name.startswith("projects/"))
    made, stated = json.loads(store.get("strongroom.json")), json.loads(the_descriptor())
    assert made == stated


def test_a_kit_in_shares_becomes_an_identity_by_the_script_of_the_page(tmp_path: Path) -> None:
    script = tmp_path / "kit.py"
    script.write_text(blocks(PAGE, "python")[1].text, "utf-8")
    first = VALUES["a share of it, of which two are needed"].strip("`")
    (tmp_path / "share-1.txt").write_text(first)
    words = VALUES["another share of it"].strip("`").split()
    rows = [f"{number:>2} {word}" for number, word in enumerate(words, 1)]
    (tmp_path / "share-3.txt").write_text("\n".join(["# Strongroom recovery kit, share 3 of 3", *rows]))
    command = [sys.executable, str(script), "share-1.txt", "share-3.txt"]
    found = subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, text=True, timeout=PATIENCE).stdout
    assert found.strip() == VALUES["the kit in one piece"].strip("`")


def test_the_shares_of_the_page_give_its_seed() -> None:
    names = ("a share of it, of which two are needed", "another share of it")
    (identity,) = identity_shares.combined([identity_shares.Share.parse(VALUES[name].strip("`"), name) for name in names])
    assert identity.seed.hex() == VALUES["a kit's seed"].strip("`") and identity.encode() == VALUES[
        "the kit in one piece"
    ].strip("`")


def test_packs_of_a_former_epoch_are_opened_with_age_alone(tmp_path: Path, age_program: Path) -> None:
    """By the page's commands and its script: a repository whose keys were rotated between two backups."""
    store, source = MemoryStore(), write_tree(tmp_path / "source", {"old.csv": b"1,2\n" * 60})
    back_up(founded_on(store), source)
    own = opened_by(CREATOR, store)
    old = set(names(store, own.folder("packs")))
    key_rotation.rotate(own, administrator(own))
    write_tree(source, {"new.csv": b"3,4\n" * 70})
    back_up(opened_by(CREATOR, store), source)
    place = tmp_path / "repository"
    for info in store.list(""):
        file = place / info.name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(store.get(info.name))
    (place / "kit.txt").write_text(identity_of(CREATOR).encode() + "\n")
    environment = os.environ | {"PATH": f"{age_program}{os.pathsep}{os.environ['PATH']}"}
    opening = "\n".join(blocks(PAGE, "sh")[0].text.splitlines()[:4])
    command = (
        f'{opening}\nfor pack in {" ".join(sorted(old))}; do age -d -i keys.txt "$pack" > "$(basename "$pack").plain"; done'
    )
    subprocess.run(["bash", "-e", "-c", command], cwd=place, env=environment, check=True, capture_output=True, timeout=PATIENCE)
    plain = [pack_file.read_bytes() for pack_file in place.glob("*.plain")]
    assert len(plain) == len(old) and all(one.endswith(b"SRTC") for one in plain)
    out = recovered(place / "kit.txt", place, tmp_path, age_program)
    assert contents(out / PROJECT_NAME / "reports") == {"old.csv": b"1,2\n" * 60, "new.csv": b"3,4\n" * 70}
