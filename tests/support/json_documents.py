"""Every document that a test sees with `--json` follows its published schema."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

from jsonschema import Draft202012Validator

from strongroom import schemas


@cache
def validator(name: str) -> Draft202012Validator:
    """Of a schema. name: as a document has it in `schema`."""
    schema = schemas.load(name)
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


def validate(document: Any) -> None:
    """Fails where a document names no schema, or is not what it says."""
    assert isinstance(document, dict) and "schema" in document, f"a document without a schema: {document}"
    found = sorted(validator(document["schema"]).iter_errors(document), key=lambda one: len(one.path))
    assert not found, "\n".join(f"{one.json_path}: {one.message}"[:600] for one in found[:5])


def validate_output(arguments: tuple[str, ...], out: bytes) -> None:
    """What a command has printed. That which gives contents to standard output (`--to -`) prints no document."""
    if "--json" in arguments and out and "-" not in arguments:
        validate(json.loads(out))
