"""The published JSON Schemas: every command that has `--json` has one, they refuse what is not theirs, and a wheel has them."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from strongroom import schemas
from tests.docs.generated import all_errors, commands, option_names
from tests.docs.pages import DOCS, ROOT
from tests.support.desk import Desk, refusal
from tests.support.json_documents import validate

PRINTED = re.compile(r"""(?:output|run)\.document\(\s*"([a-z-]+/\d+)"(?: if \w+ else "([a-z-]+/\d+)")?""")


def printed() -> set[str]:
    """The schemas of all documents that the commands print, as their sources name them."""
    sources = [file.read_text("utf-8") for file in sorted((ROOT / "cli").rglob("*.py"))]
    return {name for text in sources for found in PRINTED.findall(text) for name in found if name}


def objects(schema: Any) -> Iterator[dict[str, Any]]:
    """Every object that a schema describes, at any depth."""
    if isinstance(schema, dict):
        if schema.get("type") == "object":
            yield schema
        for one in schema.values():
            yield from objects(one)
    elif isinstance(schema, list):
        for one in schema:
            yield from objects(one)


def test_every_document_that_is_printed_has_a_schema_and_every_schema_is_printed() -> None:
    assert printed() | {"progress/1", "restore-report/1"} == set(schemas.names())


def test_every_command_with_json_has_a_schema() -> None:
    with_json = {words for words, command in commands().items() if "--json" in option_names(command)}
    described = {one for name in schemas.names() for one in schemas.load(name)["description"].split(", ")}
    named = {re.sub(r" --.*", "", one).removeprefix("strongroom ") for one in described if one.startswith("strongroom ")}
    assert len(with_json) > 20 and named == with_json


@pytest.mark.parametrize("name", schemas.names())
def test_a_schema_is_valid_strict_and_named_like_its_file(name: str) -> None:
    schema = schemas.load(name)
    Draft202012Validator.check_schema(schema)
    assert schema["properties"]["schema"] == {"const": schemas.identifier(name)} and "schema" in schema["required"]
    for one in objects(schema):
        listed = one.get("properties")
        if listed is None:  # a map: names that nobody knows before, values that are described
            assert one["additionalProperties"] not in ({}, True), one
        else:
            assert one["additionalProperties"] is False and one["required"] and set(one["required"]) <= set(listed), one


def test_what_several_schemas_share_is_the_same_in_all_of_them() -> None:
    seen: dict[str, Any] = {}
    for name in schemas.names():
        for part, found in schemas.load(name).get("$defs", {}).items():
            assert seen.setdefault(part, found) == found, f"{part} in {name}"
    assert {"problem", "error", "moment", "plan"} <= seen.keys()


def test_a_schema_refuses_a_document_without_a_key_and_one_with_a_key_too_many(used: Desk) -> None:
    for command in (("backup",), ("ls", "acme"), ("retention", "plan"), ("check",), ("restore", "acme", "--to", "out")):
        document = used.call(*command, "--json").document
        validate(document)
        for key in schemas.load(document["schema"])["required"]:
            with pytest.raises(AssertionError, match="schema" if key == "schema" else f"'{key}' is a required property"):
                validate({name: value for name, value in document.items() if name != key})
        with pytest.raises(AssertionError, match="unexpected"):
            validate(document | {"unheard_of": 1})


def test_a_refusal_is_a_document_with_a_code(used: Desk) -> None:
    document = used.call("restore", "acme", "nothing/*", "--to", "out", "--json", exits=1).document
    assert document["schema"] == "strongroom.error/1"
    assert document["error"]["what"] == "nothing-found" and document["error"]["exit_code"] == 1
    assert used.call("backup", "--jsn", exits=2).out == b""
    assert used.call("backup", "--nonsense", "--json", exits=2).document["error"]["what"] == "usage-error"


def test_every_error_has_a_code_that_the_schema_knows() -> None:
    known = schemas.load("error/1")["$defs"]["error"]["properties"]["what"]["enum"]
    assert {one("").what for one in all_errors()} == set(known)


def test_schemas_are_printed_and_listed(desk: Desk) -> None:
    names = desk.call("schema").text.split()
    assert names == [schemas.identifier(one) for one in schemas.names()]
    for form in ("strongroom.backup/1", "backup/1"):
        assert json.loads(desk.call("schema", form).out) == schemas.load("backup/1")
    assert "strongroom schema" in refusal(desk.call("schema", "backup/99", exits=1))


def test_a_wheel_has_the_schemas_and_the_page_names_each() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    patterns = settings["tool"]["setuptools"]["package-data"]["strongroom"]
    packed = {file.name for pattern in patterns for file in (ROOT / "strongroom").glob(pattern)}
    assert {Path(name.replace("/", "-") + ".json").name for name in schemas.names()} <= packed
    page = (DOCS / "json.md").read_text("utf-8")
    assert set(re.findall(r"`strongroom\.([a-z-]+/\d+)`", page)) == set(schemas.names())


def test_progress_as_json_lines_stands_beside_the_document(used: Desk) -> None:
    result = used.call("--progress", "json", "backup", "--json")
    lines = [json.loads(line) for line in result.err.splitlines() if line.startswith("{")]
    assert {one["project"] for one in lines} == {"acme"} and len(lines) >= 2
    for one in lines:
        validate(one)


TWO_THINGS = {
    "items": "how many, or each of them",
    "rows": "how many, or each of them",
    "snapshots": "how many an event spans, or each of them",
    "skipped": "how many, each of them, or why a source was not backed up",
    "projects": "by name, or with what is said of each",
    "sources": "by name, or with what is said of each",
    "inconsistent": "by path, or with the snapshot where several are looked at",
    "missing": "by id, with a code, or as problems",
    "notes": "notes of forgotten snapshots, or sentences about settings",
    "plan": "of a restore, or of a prune",
    "period": "as text, or of a hold with its ends",
    "problem": "a problem, or why there is no copy of the settings",
    "repository": "its id, or what a check found outside of projects",
    "settings": "the file, or each setting",
    "compared": "how many files, or whether rows were",
    "before": "a snapshot, or a cell",
    "after": "a snapshot, or a cell",
    "why": "rules that keep or forget a snapshot, or a sentence",
    "key": "the parts of a setting's name, or of a row",
}
"""Names that several documents use in more than one way; no further ones may come."""


def kind_of(schema: dict[str, Any]) -> str:
    """A value's type, whether it may be null or not."""
    if "$ref" in schema:
        part = schema["$ref"].rsplit("/", 1)[1]
        return "text" if part in ("moment", "snapshot", "id") else str(part)
    if "anyOf" in schema:
        return "|".join(sorted({kind_of(one) for one in schema["anyOf"]} - {""}))
    if "enum" in schema or "const" in schema:
        return "text"
    names = schema.get("type", "any")
    kinds = [one for one in ([names] if isinstance(names, str) else names) if one != "null"]
    if kinds == ["array"]:
        return f"[{kind_of(schema['items'])}]"
    return "|".join({"string": "text", "integer": "number"}.get(one, one) for one in kinds)


def test_one_name_means_one_thing_in_all_documents() -> None:
    kinds: dict[str, set[str]] = {}
    for name in schemas.names():
        for one in objects(schemas.load(name)):
            for key, value in one.get("properties", {}).items():
                if not value.get("deprecated"):
                    kinds.setdefault(key, set()).add(kind_of(value))
    assert {key for key, found in kinds.items() if len(found) > 1} == TWO_THINGS.keys()
