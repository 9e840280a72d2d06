"""What every key object says beside its keys: of which repository and project it is, what its holder may do, by which grant,
and what the descriptor is that belongs to it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from msgspec import Struct

from vault.errors import Damaged, Unstorable
from vault.format import rights, strict_json
from vault.format.layout import is_id
from vault.format.rights import Rights

LARGEST_KEY_OBJECT = 64 * 1024
LONGEST_NAME = 200
LONGEST_HOLDER = 100
MOST_DESCRIPTORS = 2
WHAT = "a project's key object"


class GrantReference(Struct, frozen=True):
    """Of the grant by which somebody holds keys. id: its own · name: of the holder · until: None where it has no end."""

    id: str
    name: str
    until: datetime | None = None

    def as_json(self) -> dict[str, Any]:
        """As a key object has it."""
        return {"id": self.id, "name": self.name, "until": self.until and strict_json.write_moment(self.until)}


def as_json(granted: Rights, grant: GrantReference | None, descriptors: tuple[bytes, ...]) -> dict[str, Any]:
    """Those of these fields that are there."""
    value: dict[str, Any] = {}
    if granted:
        value["rights"] = list(granted)
    if grant is not None:
        value["grant"] = grant.as_json()
    if descriptors:
        value["descriptor"] = [one.hex() for one in descriptors]
    return value


def rights_of(value: dict[str, Any]) -> Rights:
    """None of them where nothing was granted yet. Raises `Damaged`."""
    if value.get("rights") is None:
        return ()
    found = strict_json.texts(value, "rights", WHAT, most=len(rights.RIGHTS))
    if any(one not in rights.RIGHTS for one in found):
        raise Damaged(f"{WHAT} grants a right that this version does not know")
    return found


def grant_of(value: dict[str, Any]) -> GrantReference | None:
    """Raises `Damaged`."""
    found = strict_json.optional(value, "grant", dict, WHAT)
    if found is None:
        return None
    until = None if found.get("until") is None else strict_json.moment(found, "until", WHAT)
    grant = GrantReference(strict_json.field(found, "id", str, WHAT), strict_json.field(found, "name", str, WHAT), until)
    if not is_id(grant.id) or len(grant.name) > LONGEST_HOLDER:
        raise Damaged(f"{WHAT} holds an invalid grant")
    return grant


def descriptors_of(value: dict[str, Any]) -> tuple[bytes, ...]:
    """SHA-256 of the descriptors that are right. Raises `Damaged`."""
    if value.get("descriptor") is None:
        return ()
    found = strict_json.texts(value, "descriptor", WHAT, most=MOST_DESCRIPTORS)
    return tuple(strict_json.from_hex(one, 32, f"{WHAT}: 'descriptor'") for one in found)


def refuse_unfit(repository: str, project: str, name: str) -> None:
    """Raises `Damaged` where these are no ids, or no name."""
    if not is_id(project) or not is_id(repository) or len(name) > LONGEST_NAME:
        raise Damaged(f"{WHAT} holds an invalid value")


def dumped(value: dict[str, Any], name: str) -> bytes:
    """As stored. name: of the project. Raises `Unstorable` where no reader would take it."""
    try:
        data = strict_json.dump(value)
    except ValueError as error:
        raise Unstorable(f"{WHAT} cannot be written: {error}") from error
    if len(name) > LONGEST_NAME:
        raise Unstorable(f"{WHAT} cannot be written: the project's name has more than {LONGEST_NAME} characters")
    if len(data) > LARGEST_KEY_OBJECT:
        raise Unstorable(
            f"{WHAT} cannot be written: it would be {len(data)} bytes long",
            hint="a project has room for some hundred epochs of keys; begin a new project",
        )
    return data
