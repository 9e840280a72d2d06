"""Names in braces, filled in: `tickets/{key}/comments`."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote

_PLACEHOLDER = re.compile(r"\{([A-Za-z0-9_.]+)\}")
Fill = Callable[[str], str]
"""Gives the text for a name."""


def path(template: str, fill: Fill) -> str:
    """Of a URL; what is filled in is a part of it, and no slash makes it several."""
    return _PLACEHOLDER.sub(lambda found: quote(fill(found[1]), safe=""), template)


def values(template: Any, fill: Fill) -> Any:  # noqa: ANN401 (whatever TOML has)
    """In every text of a parsed value."""
    if isinstance(template, str):
        return _PLACEHOLDER.sub(lambda found: fill(found[1]), template)
    if isinstance(template, Mapping):
        return {name: values(one, fill) for name, one in template.items()}
    if isinstance(template, list):
        return [values(one, fill) for one in template]
    return template
