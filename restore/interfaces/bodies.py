"""Requests as an interface wants them: a step of the description, filled in, with files where it has some."""

from __future__ import annotations

import fnmatch
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from blake3 import blake3

from restore.interfaces.attached import AttachedFile
from restore.interfaces.scope import MISSING, Scope, as_text
from vault.source.rest import exact_json, templates
from vault.source.rest.client import parameters
from vault.source.rest.creation import Step, Upload
from vault.source.rest.writing import WriteRequest


def body_of(step: Step, scope: Scope) -> dict[str, Any]:
    """The values of a step by name: what is copied, where it is not empty, then what its body says."""
    root = "child" if "child" in scope.roots else "record"
    source = scope.roots.get(root)
    found: dict[str, Any] = {}
    for name in sorted(source) if isinstance(source, dict) and step.fields else ():
        if any(fnmatch.fnmatchcase(name, pattern) for pattern in step.fields):
            value = scope.value(f"{root}.{name}")
            if value is not MISSING and value not in ("", [], {}):
                found[name] = value
    made = scope.filled(step.body)
    return found | (made if isinstance(made, dict) else {})


def request_of(
    step: Step, scope: Scope, values: Mapping[str, Any], files: Sequence[AttachedFile] = (), field: str = "file"
) -> WriteRequest:
    """A step as a request. values: of `body_of`, or some of them · files: of a multipart body, each as `field`."""
    path = templates.path(step.path, lambda name: as_text(scope.value(name)))
    query = _query(step.parameters, scope)
    own: Mapping[str, Any] = {step.inside: values} if step.inside else values
    if step.format == "json":
        return WriteRequest(step.method, path, query, exact_json.dump(_plain(own)))
    pairs = list(_pairs(own))
    if step.format == "form":
        body = urlencode(pairs, encoding="utf-8", errors="replace").encode()
        return WriteRequest(step.method, path, query, body, "application/x-www-form-urlencoded")
    body, kind = _multipart(pairs, files, field)
    return WriteRequest(step.method, path, query, body, kind)


def upload_of(upload: Upload, scope: Scope, file: AttachedFile) -> WriteRequest:
    """One file, sent as it is."""
    own = scope.with_roots(file={"name": file.name, "type": file.type})
    path = templates.path(upload.path, lambda name: as_text(own.value(name)))
    return WriteRequest(upload.method, path, _query(upload.parameters, own), file.content, file.type)


def _query(template: Mapping[str, Any], scope: Scope) -> str:
    return parameters({name: one for name, one in scope.filled(dict(template)).items() if one is not MISSING})


def _plain(value: Any) -> Any:  # noqa: ANN401
    """What TOML has beside JSON: numbers, as digits."""
    if isinstance(value, Mapping):
        return {str(name): _plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if isinstance(value, int | float) and not isinstance(value, bool):
        return exact_json.Number(repr(value))
    return value


def _pairs(values: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """Of a form: what lies deeper as `name[inner]`, lists as the same name again with `[]`."""
    found: list[tuple[str, str]] = []
    for name, value in values.items():
        label = f"{prefix}[{name}]" if prefix else str(name)
        if isinstance(value, Mapping):
            found += _pairs(value, label)
        elif isinstance(value, list):
            found += [(f"{label}[]", _form_text(one)) for one in value]
        else:
            found.append((label, _form_text(value)))
    return found


def _form_text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int | float) else as_text(value)


def _multipart(pairs: Sequence[tuple[str, str]], files: Sequence[AttachedFile], field: str) -> tuple[bytes, str]:
    """A body and its content type. The boundary follows from the content, so that it is not in it."""
    hasher = blake3()
    for _, text in pairs:
        hasher.update(text.encode("utf-8", "replace"))
    for file in files:
        hasher.update(file.content)
    boundary = f"strongroom-{hasher.hexdigest(length=16)}"
    parts = [_part(boundary, f'name="{_quoted(name)}"', "", text.encode("utf-8", "replace")) for name, text in pairs]
    for file in files:
        about = f'name="{_quoted(field)}"; filename="{_quoted(file.name)}"'
        parts.append(_part(boundary, about, file.type, file.content))
    return b"".join([*parts, f"--{boundary}--\r\n".encode()]), f"multipart/form-data; boundary={boundary}"


def _part(boundary: str, about: str, kind: str, content: bytes) -> bytes:
    shown = "".join(char for char in kind if char.isprintable())
    line = f"Content-Type: {shown}\r\n" if shown else ""
    return f"--{boundary}\r\nContent-Disposition: form-data; {about}\r\n{line}\r\n".encode() + content + b"\r\n"


def _quoted(text: str) -> str:
    """As browsers write names."""
    shown = text.replace("\r", "%0D").replace("\n", "%0A").replace('"', "%22")
    return shown.encode("utf-8", "replace").decode()
