"""Fields as a part of a page: all of them, in the order of the record, what is empty as a dash."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping

from restore.history.records.fields import is_empty, plain
from restore.pages.roles import number_text
from restore.pages.safe_text import escaped, is_html, text_of_html
from restore.tables.model import Value

DEEPEST = 6
"""Levels that are laid out; what lies deeper is shown as JSON."""

NOTHING = '<span class="none">—</span>'
Naming = Callable[[str, Value], str]
"""Says who or what a number is, by the name of its field; "" where nobody knows."""


def nobody(_name: str, _value: Value) -> str:
    """No number is known."""
    return ""


def fields_table(
    record: Mapping[str, Value], without: Collection[str] = (), named: Naming = nobody, *, all_: bool = True
) -> str:
    """A table of fields. without: names that are shown elsewhere · named: says what numbers are · all_: with empty fields."""
    rows = [
        f'<tr><th scope="row">{escaped(name)}</th><td>{value_cell(value, named, name)}</td></tr>\n'
        for name, value in record.items()
        if name not in without and (all_ or not is_empty(value))
    ]
    return f'<table class="fields">\n{"".join(rows)}</table>\n' if rows else ""


def value_cell(value: Value, named: Naming = nobody, name: str = "", depth: int = 0) -> str:
    """A value."""
    if is_empty(value):
        return NOTHING
    if isinstance(value, dict | list) and depth >= DEEPEST:
        return f"<pre>{escaped(json.dumps(plain(value), ensure_ascii=False, indent=1))}</pre>"
    if isinstance(value, dict):
        rows = "".join(
            f'<tr><th scope="row">{escaped(inner)}</th><td>{value_cell(one, named, inner, depth + 1)}</td></tr>'
            for inner, one in value.items()
        )
        return f'<table class="fields">{rows}</table>'
    if isinstance(value, list):
        if any(isinstance(one, dict | list) for one in value):
            return f"<ol>{''.join(f'<li>{value_cell(one, named, name, depth + 1)}</li>' for one in value)}</ol>"
        return ", ".join(plain_cell(one, named, name) for one in value)
    return plain_cell(value, named, name)


def plain_cell(value: Value, named: Naming = nobody, name: str = "") -> str:
    """A value that is no list and no object."""
    if is_empty(value):
        return NOTHING
    known = named(name, value)
    shown = f'<span class="text" dir="auto">{escaped(number_text(value))}</span>'
    return f'<span class="text" dir="auto">{escaped(known)}</span> ({shown})' if known else shown


def body_text(value: Value) -> str:
    """What somebody wrote, as a part of a page; HTML as the text that it says, and what was sent behind it."""
    text = _document_text(value) if isinstance(value, dict | list) else number_text(value)
    if not is_html(text):
        return f'<div class="text" dir="auto">{escaped(text)}</div>\n'
    said = escaped(text_of_html(text)) or NOTHING
    return (
        f'<div class="text" dir="auto">{said}</div>\n'
        f'<details class="sent"><summary>The HTML that was sent</summary><pre>{escaped(text)}</pre></details>\n'
    )


def _document_text(value: Value) -> str:
    """Documents that are trees of nodes, as Jira has them: the texts of their nodes, a line a paragraph. What is none of these
    is JSON."""
    if isinstance(value, dict) and value.get("type") == "doc":
        return "\n".join("".join(_texts(node)) for node in _nodes(value)).strip()
    return json.dumps(plain(value), ensure_ascii=False, indent=1)


def _nodes(value: Mapping[str, Value]) -> list[Value]:
    found = value.get("content")
    return found if isinstance(found, list) else []


def _texts(node: Value) -> list[str]:
    if not isinstance(node, dict):
        return []
    if node.get("type") == "hardBreak":
        return ["\n"]
    own = node.get("text")
    parts = [own] if isinstance(own, str) else []
    for inner in _nodes(node):
        parts += _texts(inner)
    return [*parts, "\n"] if node.get("type") in ("paragraph", "listItem", "heading") else parts
