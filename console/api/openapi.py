"""The document that describes the interface for scripts, in OpenAPI 3.1, made of the declarations of its operations."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

import msgspec

from console.api.operations import OPERATIONS
from console.api.routing import LARGEST_BODY, LONGEST_PARAMETER, PREFIX, Operation, Parameter

_ERRORS = {
    "400": "what was asked for is invalid",
    "401": "nobody is known to ask",
    "403": "this may not be done",
    "404": "there is no such thing, or you may not know",
    "409": "somebody else is at work there",
    "413": "more was asked for than can be given",
    "429": "more at once than is worked on for one person",
    "500": "stored data is damaged, or something went wrong",
    "503": "the store does not answer",
    "507": "there is no room",
}
_ERROR = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["what", "message", "hint"],
            "properties": {name: {"type": "string"} for name in ("what", "message", "hint")},
        }
    },
}


@cache
def document() -> bytes:
    """As JSON."""
    types = [one for operation in OPERATIONS for one in (operation.body, operation.answer) if one is not None]
    schemas, components = msgspec.json.schema_components(types, ref_template="#/components/schemas/{name}")
    by_type = dict(zip(types, schemas, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for one in OPERATIONS:
        paths.setdefault(PREFIX + one.path, {})[one.method.lower()] = _operation(one, by_type)
    whole = {
        "openapi": "3.1.0",
        "info": {"title": "Strongroom", "version": "1", "description": "What the console can do, for scripts."},
        "paths": paths,
        "components": {
            "schemas": components | {"Error": _ERROR},
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer"},
                "host": {"type": "http", "scheme": "bearer", "description": "the token of a host"},
            },
        },
        "security": [{"token": []}],
    }
    return msgspec.json.encode(whole)


def _operation(one: Operation, schemas: dict[Any, dict[str, Any]]) -> dict[str, Any]:
    is_json = one.media_types == ("application/json",)
    answer = (
        schemas[one.answer]
        if one.answer is not None
        else {"type": "object"}
        if is_json
        else {"type": "string", "format": "binary"}
    )
    responses: dict[str, Any] = {
        "200": {"description": one.about, "content": {name: {"schema": answer} for name in one.media_types}}
    }
    if one.name == "content":
        responses |= {"206": {"description": "a range of it"}, "416": {"description": "there is no such range"}}
    failed = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
    responses |= {status: {"description": about, "content": failed} for status, about in _ERRORS.items()}
    described: dict[str, Any] = {
        "operationId": one.name,
        "summary": one.about,
        "parameters": [*_of_path(one), *map(_parameter, one.parameters)],
        "responses": responses,
    }
    if one.by_host:
        described["security"] = [{"host": []}]
    if one.upload is not None:
        described["requestBody"] = {
            "required": True,
            "description": "a ZIP file",
            "content": {"application/zip": {"schema": {"type": "string", "format": "binary"}}},
        }
    if one.body is not None:
        described["requestBody"] = {
            "required": True,
            "description": f"at most {LARGEST_BODY} bytes",
            "content": {"application/json": {"schema": schemas[one.body]}},
        }
    return described


def _of_path(one: Operation) -> list[dict[str, Any]]:
    return [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}, "description": f"which {name}"}
        for name in re.findall(r"\{(\w+)\}", one.path)
    ]


def _parameter(one: Parameter) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": one.kind}
    if one.kind == "string":
        schema["maxLength"] = LONGEST_PARAMETER
    if one.kind == "integer":
        schema |= {"minimum": 0, "maximum": 999_999_999}
    return {"name": one.name, "in": "query", "required": one.required, "description": one.about, "schema": schema}
