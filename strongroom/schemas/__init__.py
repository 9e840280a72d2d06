"""The JSON Schemas of all documents that commands print with `--json`, by name: that of `restore/1` is `restore-1.json` here.

A document says in `schema` which one it follows, as `strongroom.restore/1`. What may change within a version, and what a new
version means, is in docs/json.md.
"""

from __future__ import annotations

import json
from typing import Any

from vault.errors import NothingFound


def identifier(name: str) -> str:
    """What a document of this schema says in `schema`. name: as `restore/1`."""
    return f"strongroom.{name}"


def names() -> list[str]:
    """Of every schema, sorted."""
    from importlib import resources  # half of a hundredth of a second, which only these three pay

    files = [one.name for one in resources.files(__name__).iterdir() if one.name.endswith(".json")]
    return sorted("/".join(file.removesuffix(".json").rsplit("-", 1)) for file in files)


def text(name: str) -> str:
    """A schema as it is published. name: as `restore/1` or `strongroom.restore/1`. Raises `NothingFound`."""
    from importlib import resources

    known = name.removeprefix("strongroom.")
    if known not in names():
        raise NothingFound(f"no JSON document has the schema {name!r}", hint="`strongroom schema` lists the names of all")
    return resources.files(__name__).joinpath(f"{known.replace('/', '-')}.json").read_text(encoding="utf-8")


def load(name: str) -> Any:  # noqa: ANN401 (any JSON)
    """A schema as values. Raises `NothingFound`."""
    return json.loads(text(name))
