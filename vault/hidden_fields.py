"""Values of which a message shows a name at most."""

from __future__ import annotations

from typing import Any

from msgspec import Struct


class HidesFields(Struct, frozen=True):
    """A value with secret fields: neither its `repr` nor what rich makes of it shows them. A class may name what is none."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return []
