"""Texts and names in SQL."""

from __future__ import annotations


def text(value: str) -> str:
    """A text."""
    return "'" + value.replace("'", "''") + "'"


def quoted(name: str) -> str:
    """A name of a column or a table."""
    return '"' + name.replace('"', '""') + '"'
