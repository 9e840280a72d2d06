"""A reader of repositories that was written from docs/format.md alone: who judges what `check` calls sound.

Only the opening of age files is Strongroom's (`tests/docs` and `tests/interop` compare that with other programs). It refuses
what the page says that a reader must refuse, goes by the index, and looks into packs that no segment names, as the page says.
"""

from __future__ import annotations

import hashlib
import json
import re
import zlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import zstandard
from blake3 import blake3

from vault.age import open_sealed, parse_identities

TIERS = ("meta", "packs")
"""Folders of packs: of the catalogue, and of content."""

_SECRET = re.compile(r"AGE-SECRET-KEY-[A-Z0-9-]+")


class Refused(Exception):
    """What a reader must refuse, or cannot find."""


@dataclass
class Given:
    """What a reader gets of a project. taken: when each snapshot was taken, by its id · snapshots: content by path (folders and
    links without) · refused: objects and items that cannot be used, and why."""

    taken: dict[str, str] = field(default_factory=dict)
    snapshots: dict[str, dict[str, bytes]] = field(default_factory=dict)
    refused: list[str] = field(default_factory=list)

    @property
    def newest(self) -> dict[str, bytes]:
        """The content of the newest snapshot."""
        return self.snapshots[max(self.snapshots, key=lambda one: self.taken[one])]


def read(objects: Mapping[str, bytes], identity: str) -> dict[str, Given]:
    """Everything of every project that an identity (its text) opens, by project id. Raises `Refused` where the descriptor
    cannot be used, or a key object is another project's."""
    try:
        descriptor = json.loads(objects["strongroom.json"])
        if descriptor["format"] != 1 or set(descriptor["features"]) - {"inflated", "epochs", "erasures"}:
            raise Refused("another format")
    except (KeyError, ValueError, TypeError) as error:
        raise Refused("no descriptor") from error
    found: dict[str, Given] = {}
    digest = hashlib.sha256(objects["strongroom.json"]).hexdigest()
    second = [name for name in sorted(objects) if name.startswith("projects/") and name.split("/")[2] == "keys"]
    for name in [*(name for name in sorted(objects) if name.startswith("keys/")), *second]:
        project = name.split("/")[1]
        secrets = _secrets(objects[name], identity) if project not in found else None
        if secrets is None:
            continue
        if secrets["project"] != project or secrets["repository"] != descriptor["repository"]:
            if name in second or "epochs" in descriptor["features"]:
                continue
            raise Refused(f"{name} was swapped")
        if digest not in secrets.get("descriptor", [digest]):
            raise Refused("another descriptor")
        found[project] = _Reader(objects, secrets).everything()
    return found


def plain_bytes(objects: Mapping[str, bytes], identity: str) -> dict[str, bytes]:
    """All that an identity (its text) gets to see, by its place: what opens to it or to any key that it finds on the way,
    and the chunks of the packs that open, expanded."""
    keys, found, new = "", {}, identity
    while new:
        keys = f"{keys}\n{new}"
        for name, data in objects.items():
            if name not in found and (plain := _opened(data, keys)) is not None:
                found[name] = plain
        texts = b"\n".join(found.values()).decode("latin-1")
        new = "\n".join(sorted({one for one in _SECRET.findall(texts) if one not in keys}))
    for name in sorted(objects):
        secrets = json.loads(found[name]) if name.startswith("keys/") and name in found else {}
        if "chunk_id_key" not in secrets:
            continue
        reader = _Reader(objects, secrets)
        reader.everything()
        for one in [one for one in found if one.startswith(f"projects/{secrets['project']}/") and one.split("/")[2] in TIERS]:
            chunks = reader._pack((one.split("/")[2], one.rpartition("/")[2]))
            found |= {f"{one} {chunk.hex()}": data for chunk, data in chunks.items()}
    return found


def _opened(data: bytes, keys: str) -> bytes | None:
    try:
        return bytes(open_sealed(data, parse_identities(keys)))
    except Exception:  # noqa: BLE001 (whatever is wrong with it: it is not opened)
        return None


def _secrets(data: bytes, identity: str) -> dict[str, Any] | None:
    try:
        found: dict[str, Any] = json.loads(bytes(open_sealed(data, parse_identities(identity))))
    except Exception:  # noqa: BLE001 (whatever is wrong with it: it is not opened)
        return None
    return found


class _Reader:
    def __init__(self, objects: Mapping[str, bytes], secrets: dict[str, Any]) -> None:
        self._objects = objects
        self._project = secrets["project"]
        epochs = [one for one in (secrets, secrets.get("pending"), *secrets.get("former", [])) if one]
        self._identities = {
            tier: [identity for one in epochs if one.get(field) for identity in parse_identities(one[field])]
            for tier, field in (("meta", "catalogue_identity"), ("packs", "content_identity"))
        }
        key = bytes.fromhex(secrets["chunk_id_key"])
        self._chunk_key = key
        self._tag_key = blake3(key, derive_key_context="strongroom 2026-11-22 record tag").digest()
        self._index_key = blake3(key, derive_key_context="strongroom 2026-11-22 index name").digest()
        self._packs: dict[tuple[str, str], dict[bytes, bytes]] = {}
        self._given = Given()
        self._where: dict[bytes, list[tuple[str, str]]] = {}

    def everything(self) -> Given:
        self._index()
        gone = {one["id"] for value in self._records("forgotten", "forgotten") for one in value["snapshots"]}
        for record in self._records("snapshots", "snapshot", gone):
            self._snapshot(record)
        return self._given

    def _names(self, folder: str) -> list[str]:
        start = f"projects/{self._project}/{folder}/"
        return sorted(name for name in self._objects if name.startswith(start))

    def _open(self, name: str, tier: str = "meta") -> bytes:
        try:
            return bytes(open_sealed(self._objects[name], self._identities[tier]))
        except Exception as error:  # (the names of what is wrong are Strongroom's)
            raise Refused(f"{name} does not open") from error

    def _records(self, folder: str, sort: str, gone: Collection[str] = ()) -> list[dict[str, Any]]:
        """The records of a folder that are of that sort. gone: the ids of those that a reader passes over."""
        found = []
        for name in self._names(folder):
            if name.rpartition("/")[2] in gone:
                continue
            try:
                value = self._record(name)
            except (Refused, ValueError, KeyError) as error:
                self._given.refused.append(f"{name}: {error}")
                continue
            if value["record"] == sort:
                found.append(value)
        return found

    def _record(self, name: str) -> dict[str, Any]:
        first, second, rest = self._open(name).split(b"\n")
        bound = b"\0".join([name.encode(), self._project.encode(), first])
        if rest or json.loads(second) != {"tag": blake3(bound, key=self._tag_key).hexdigest()}:
            raise Refused(f"{name} has a wrong tag")
        value: dict[str, Any] = json.loads(first)
        if value["id"] != name.rpartition("/")[2]:
            raise Refused(f"{name} is another's")
        return value

    def _index(self) -> None:
        for name in self._names("index"):
            try:
                rows = self._segment(name)
            except (Refused, pa.ArrowException) as error:
                self._given.refused.append(f"{name}: {error}")
                continue
            for row in rows:
                self._where.setdefault(row["chunk"], []).append(("meta" if row["tier"] else "packs", row["pack"].hex()))
        named = {place for places in self._where.values() for place in places}
        for folder in ("meta", "packs"):
            for name in self._names(folder):
                place = (folder, name.rpartition("/")[2])
                if place not in named:
                    self._adopt(place)

    def _segment(self, name: str) -> list[dict[str, Any]]:
        plain = self._open(name)
        if blake3(plain, key=self._index_key).hexdigest() != name.rpartition("/")[2]:
            raise Refused(f"{name} is not what its name says")
        rows: list[dict[str, Any]] = pq.read_table(pa.BufferReader(plain)).to_pylist()
        return rows

    def _adopt(self, place: tuple[str, str]) -> None:
        """A pack that no segment names says itself what it holds. One that does not open is nobody's."""
        try:
            table, _ = self._contents(place)
        except Refused:
            return
        for row in table:
            self._where.setdefault(row["chunk"], []).append(place)

    def _contents(self, place: tuple[str, str]) -> tuple[list[dict[str, Any]], bytes]:
        folder, pack = place
        name = f"projects/{self._project}/{folder}/{pack[:2]}/{pack}"
        if name not in self._objects:
            raise Refused(f"{name} is gone")
        plain = self._open(name, folder)
        length = int.from_bytes(plain[-8:-4], "little")
        if plain[-4:] != b"SRTC" or not 8 <= length <= len(plain):
            raise Refused(f"{name} has no table of contents")
        try:
            return pq.read_table(pa.BufferReader(plain[-length:-8])).to_pylist(), plain
        except pa.ArrowException as error:
            raise Refused(f"{name} has a broken table of contents") from error

    def _pack(self, place: tuple[str, str]) -> dict[bytes, bytes]:
        if place not in self._packs:
            table, plain = self._contents(place)
            found = self._packs[place] = {}
            for row in sorted(table, key=lambda row: row["dictionary"] is not None):  # dictionaries may lie in the same pack
                taught = None if row["dictionary"] is None else zstandard.ZstdCompressionDict(self._chunk(row["dictionary"]))
                frame = plain[row["offset"] : row["offset"] + row["stored"]]
                data = _expanded(frame, taught, row["plain"])
                if blake3(data, key=self._chunk_key).digest() != row["chunk"]:
                    del self._packs[place]
                    raise Refused(f"a chunk in {place[1]} is not what its id says")
                found[row["chunk"]] = data
        return self._packs[place]

    def _chunk(self, chunk: bytes) -> bytes:
        why = "no pack has it"
        for place in self._where.get(chunk, ()):
            try:
                return self._pack(place)[chunk]
            except (Refused, KeyError, zstandard.ZstdError) as error:
                why = str(error)
        raise Refused(f"chunk {chunk.hex()}: {why}")

    def _tree(self, root: dict[str, Any]) -> bytes:
        references = [name for name, _ in root["chunks"]]
        for _ in range(root["depth"]):
            lines = b"".join(self._chunk(bytes.fromhex(name)) for name in references).decode().splitlines()
            references = [line.split()[0] for line in lines]
        return b"".join(self._chunk(bytes.fromhex(name)) for name in references)

    def _snapshot(self, record: dict[str, Any]) -> None:
        try:
            items = pq.read_table(pa.BufferReader(self._tree(record["manifest"]))).to_pylist()
        except (Refused, pa.ArrowException) as error:
            self._given.refused.append(f"snapshot {record['id']}: {error}")
            return
        self._given.taken[record["id"]] = record["taken_at"]
        contents = self._given.snapshots[record["id"]] = {}
        for item in items:
            if item["type"] != "file":
                continue
            path = item["path"].decode()
            try:
                parts = [
                    bytes(part["length"]) if part["id"] is None else self._chunk(part["id"]) for part in item["chunks"] or []
                ]
            except Refused as error:
                self._given.refused.append(f"{path} of {record['id']}: {error}")
                continue
            data = b"".join(parts)
            if blake3(data).digest() != item["blake3"]:
                self._given.refused.append(f"{path} of {record['id']} is another content")
                continue
            contents[path] = data


def _expanded(frame: bytes, dictionary: zstandard.ZstdCompressionDict | None, size: int) -> bytes:
    """The content of a chunk's frame, or of the empty skippable frame and the one behind it that hold its inflated form."""
    zstd = zstandard.ZstdDecompressor(dict_data=dictionary)
    if frame[:8] != bytes.fromhex("522a4d1800000000"):
        return zstd.decompress(frame, max_output_size=size)
    form = zstd.decompress(frame[8:], max_output_size=16 << 20)
    at, data = 4 + 5 * int.from_bytes(form[:4], "little"), b""
    for head in (form[start : start + 5] for start in range(4, at, 5)):
        part = form[at : (at := at + int.from_bytes(head[1:], "little"))]
        if head[0]:
            made = zlib.compressobj(head[0], zlib.DEFLATED, -15, 8)
            part = made.compress(part) + made.flush()
        data += part
    if at != len(form) or len(data) != size:
        raise Refused("an inflated form is not of its length")
    return data
