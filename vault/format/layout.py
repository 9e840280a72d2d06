"""Names of stored objects, and the ids in them. Leaves have one fixed length per folder; no object has the name of a folder."""

from __future__ import annotations

import re
from datetime import UTC, datetime

DESCRIPTOR = "strongroom.json"

_ID = re.compile(r"[0-9a-f]{32}\Z")
_KEY = re.compile(r"[0-9a-f]{32}\.age\Z")
_SHA256 = re.compile(r"[0-9a-f]{64}\Z")
_MOMENT_ID = re.compile(r"[0-9]{8}t[0-9]{6}z-[0-9a-f]{16}\Z")
_ENTRY_ID = re.compile(r"[0-9]{12}-[0-9a-f]{16}\Z")

LAST_SEQUENCE = 999_999_999_999
"""The greatest number of an entry of the log."""

CONTENT_TIER = 0
META_TIER = 1
TIERS = {CONTENT_TIER: "packs", META_TIER: "meta"}
"""The folder of each tier of packs."""


def keys_folder(scope: str = "") -> str:
    """Where the wrapped secrets of a project lie; of all projects without one."""
    return f"keys/{scope}" if scope else "keys"


def key_name(scope: str, key_id: str) -> str:
    """A capability wrapped to one principal. scope: a project id · key_id: 32 hex digits."""
    return f"keys/{scope}/{key_id}.age"


def second_keys_folder(project: str) -> str:
    """Where the same key objects lie a second time."""
    return f"projects/{project}/keys"


def second_key_name(project: str, key_id: str) -> str:
    """The second place of a capability wrapped to one principal."""
    return f"projects/{project}/keys/{key_id}.age"


def grant_name(project: str, grant: str) -> str:
    """A grant, a revocation, or the beginning of an epoch."""
    return f"projects/{project}/grants/{grant}"


def settings_folder(origin: str = "") -> str:
    """Where copies of settings files lie: of one machine and file, or all of them. origin: 32 hex digits."""
    return f"settings/{origin}" if origin else "settings"


def settings_name(origin: str, copy: str) -> str:
    """A copy of a settings file. copy: formed like a snapshot's id."""
    return f"settings/{origin}/{copy}"


def audit_folder(principal: str = "") -> str:
    """Where the entries of the log lie: of one principal, or all of them. principal: its id in the repository."""
    return f"audit/{principal}" if principal else "audit"


def audit_name(principal: str, entry: str) -> str:
    """An entry of the log. entry: its id, see `entry_id`."""
    return f"audit/{principal}/{entry}"


def stamp_name(principal: str, stamp: str) -> str:
    """The time stamp of an entry. stamp: formed like an entry's id."""
    return f"audit/{principal}/stamps/{stamp}"


def entry_id(sequence: int, token: str) -> str:
    """An entry's id: its number in the chain of its principal, and 16 hex digits of the run that it is about."""
    return f"{sequence:012d}-{token}"


def is_entry_id(text: str) -> bool:
    """Whether this is the id of an entry of the log."""
    return _ENTRY_ID.match(text) is not None and int(text[:12]) > 0


def erasures_folder(project: str = "") -> str:
    """Where lies what is said of the erasing of a project, or of all of them."""
    return f"erasures/{project}" if project else "erasures"


def erasure_name(project: str, statement: str) -> str:
    """A request to erase a project, an approval, the destruction, or its completion."""
    return f"erasures/{project}/{statement}"


def erased_project(name: str) -> str | None:
    """The id of the project that a statement about an erasure is of; None where the name is none of these."""
    parts = name.split("/")
    return parts[1] if parts[0] == "erasures" and is_ours(name) else None


def projects_folder() -> str:
    """Where everything of all projects lies."""
    return "projects"


def project_folder(project: str, folder: str = "") -> str:
    """A folder of a project: `packs`, `meta`, `index`, `rollups`, `records`, `heads`, `claims`, `snapshots`, `marks`,
    `holds`, `forgotten`, `grants`, `keys`; all of them without one."""
    return f"projects/{project}/{folder}" if folder else f"projects/{project}"


def pack_name(project: str, tier: int, sha256: bytes) -> str:
    """A pack of the content tier (`packs`) or of the catalogue (`meta`), named by the SHA-256 of its stored bytes."""
    digest = sha256.hex()
    return f"projects/{project}/{TIERS[tier]}/{digest[:2]}/{digest}"


def pack_sha256(name: str) -> bytes | None:
    """The SHA-256 that a pack's name states, or None where the name is no pack's."""
    leaf = name.rpartition("/")[2]
    return bytes.fromhex(leaf) if _SHA256.match(leaf) else None


def index_name(project: str, segment_id: bytes) -> str:
    """An index segment, named by the keyed BLAKE3 of its plain bytes (32 bytes)."""
    return f"projects/{project}/index/{segment_id.hex()}"


def rollup_name(project: str, rollup_id: bytes) -> str:
    """A roll-up, named by the keyed BLAKE3 of its plain bytes (32 bytes)."""
    return f"projects/{project}/rollups/{rollup_id.hex()}"


def record_table_name(project: str, table_id: bytes) -> str:
    """A record table, named by the keyed BLAKE3 of its plain bytes (32 bytes)."""
    return f"projects/{project}/records/{table_id.hex()}"


def head_chunks_name(project: str, object_id: bytes) -> str:
    """An object of head chunks, named by the keyed BLAKE3 of its plain bytes (32 bytes)."""
    return f"projects/{project}/heads/{object_id.hex()}"


def snapshot_name(project: str, snapshot: str) -> str:
    """A snapshot's record."""
    return f"projects/{project}/snapshots/{snapshot}"


def claim_name(project: str, snapshot: str) -> str:
    """The claim of a snapshot that is being written; it bears the id of the snapshot to be."""
    return f"projects/{project}/claims/{snapshot}"


def hold_name(project: str, hold: str) -> str:
    """A hold, or the release of one; each under an id of its own."""
    return f"projects/{project}/holds/{hold}"


def mark_name(project: str, mark: str) -> str:
    """A mark: packs that a prune is about to delete."""
    return f"projects/{project}/marks/{mark}"


def forgotten_name(project: str, note: str) -> str:
    """A note of snapshots that were forgotten."""
    return f"projects/{project}/forgotten/{note}"


def new_id(token: bytes) -> str:
    """An opaque id (a repository's, a project's, a principal's key) from 16 random bytes."""
    return token.hex()


def snapshot_id(moment: datetime, token: bytes) -> str:
    """A snapshot's id from its moment (aware) and 8 random bytes: sorts by time for people, unique by chance."""
    return f"{moment.astimezone(UTC):%Y%m%dt%H%M%Sz}-{token.hex()}"


def moment_of(snapshot: str) -> datetime | None:
    """The moment, to the second, that a snapshot's id states; None where there is no such moment."""
    try:
        return datetime.strptime(snapshot[:16], "%Y%m%dt%H%M%Sz").replace(tzinfo=UTC)
    except ValueError:
        return None


def is_id(text: str) -> bool:
    """Whether this is an opaque id: 32 hex digits."""
    return _ID.match(text) is not None


def is_snapshot_id(text: str) -> bool:
    """Whether this is a snapshot's id."""
    return _MOMENT_ID.match(text) is not None


_LEAVES = {
    "packs": _SHA256,
    "meta": _SHA256,
    "index": _SHA256,
    "rollups": _SHA256,
    "records": _SHA256,
    "heads": _SHA256,
    "claims": _MOMENT_ID,
    "snapshots": _MOMENT_ID,
    "marks": _ID,
    "forgotten": _ID,
    "holds": _ID,
    "grants": _ID,
    "keys": _KEY,
}
"""What names of objects in each folder of a project end with."""

KINDS = (DESCRIPTOR, "keys", "settings", "audit", "audit/stamps", "erasures", *(f"projects/{folder}" for folder in _LEAVES))
"""Every kind of object, by where it lies."""


def folder_of(name: str, project: str) -> str | None:
    """The folder of a project that an object lies in (`packs`, `snapshots`, …); None where the name is none of that project's
    objects'."""
    if not name.startswith(f"{project_folder(project)}/") or not is_ours(name):
        return None
    return name.split("/")[2]


def is_ours(name: str) -> bool:
    """Whether an object of the format may have this name; what has another one is passed over by everybody."""
    return kind_of(name) is not None


def kind_of(name: str) -> str | None:
    """The kind of the object that may have this name, one of `KINDS`; None where none may."""
    parts = name.split("/")
    if name == DESCRIPTOR:
        return DESCRIPTOR
    kind = parts[0]
    if kind == "keys" and len(parts) == 3:
        fits = is_id(parts[1]) and _KEY.match(parts[2]) is not None
    elif kind == "erasures" and len(parts) == 3:
        fits = is_id(parts[1]) and is_id(parts[2])
    elif kind == "settings" and len(parts) == 3:
        fits = is_id(parts[1]) and is_snapshot_id(parts[2])
    elif kind == "audit" and len(parts) in (3, 4):
        kind = "audit" if len(parts) == 3 else "audit/stamps"
        fits = is_id(parts[1]) and parts[2:-1] in ([], ["stamps"]) and is_entry_id(parts[-1])
    elif kind == "projects" and len(parts) >= 4 and is_id(parts[1]) and parts[2] in _LEAVES:
        kind, fits = f"projects/{parts[2]}", _is_leaf(parts[2], parts[3:])
    else:
        fits = False
    return kind if fits else None


def _is_leaf(folder: str, inner: list[str]) -> bool:
    """Whether an object in a folder of a project may be called so. inner: the rest of its name."""
    if folder not in TIERS.values():
        return len(inner) == 1 and _LEAVES[folder].match(inner[0]) is not None
    hashed = len(inner) == 2 and _LEAVES[folder].match(inner[1]) is not None
    return hashed and inner[1].startswith(inner[0]) and len(inner[0]) == 2
