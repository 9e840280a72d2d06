"""The interface for scripts: what the pages do, with the same rights; whatever is sent, errors are JSON and nothing leaks.

The fuzz reads the OpenAPI document and knows nothing else: a new operation is tried as soon as it is described.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import jsonschema
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from console.access.rights import Role
from console.api.openapi import document
from console.api.operations import OPERATIONS
from tests.support.console import ConsoleClient, console_of, person
from tests.support.desk import Desk, Place
from tests.support.tree_facts import write_files
from vault.clock import SystemClock

API = json.loads(document())
PREFIX = "/api/v1"
SECRET = "zarya-secret"
TEXTS = st.one_of(
    st.sampled_from(
        [
            *(
                "acme",
                SECRET,
                "reports/2024-05.csv",
                "latest",
                "now",
                "2024-05",
                "../../etc/passwd",
                "\0",
                "%00",
                "' or 1=1 --",
            ),
            *(
                "select * from reports",
                "select * from duckdb_views()",
                "backup reports",
                "csv",
                "-1",
                "1e9",
                "\u202e",
                "9" * 30,
                "*",
            ),
        ]
    ),
    st.text(max_size=40),
)


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    made = Desk(tmp_path_factory.mktemp("api") / "desk", Place("repository"))
    write_files(made.folder / "reports", {"2024-05.csv": b"agent,calls\nolena,17\n", "note.txt": b"hello"})
    write_files(made.folder / "hidden", {f"{SECRET}.csv": b"agent\nsecret-agent\n"})
    made.init()
    made.add("acme", f"reports={made.folder / 'reports'}")
    made.add(SECRET, f"reports={made.folder / 'hidden'}")
    made.call("backup", "acme")
    made.call("backup", SECRET)
    return made


@pytest.fixture(scope="module")
def console(desk: Desk) -> Iterator[ConsoleClient]:
    everything = person("ira", Role.EXPORTER, Role.OPERATOR, Role.AUDITOR, projects=["acme"])
    with console_of(desk, everything, person("anna", Role.VIEWER)) as made:
        yield made


def test_the_document_describes_every_operation_and_is_valid(console: ConsoleClient) -> None:
    found = console.call("/openapi.json").json()
    assert found == API and found["openapi"] == "3.1.0"
    described = {(path, method) for path, methods in found["paths"].items() for method in methods}
    assert described == {(PREFIX + one.path, one.method.lower()) for one in OPERATIONS}
    names = [one["operationId"] for methods in found["paths"].values() for one in methods.values()]
    assert len(set(names)) == len(names)
    for schema in found["components"]["schemas"].values():
        jsonschema.Draft202012Validator.check_schema(schema)


def test_a_script_does_what_the_pages_do(console: ConsoleClient) -> None:
    console.person = "ira"
    assert [one["name"] for one in console.call("/projects").json()["projects"]] == ["acme"]
    shown = console.call(f"/projects/acme/item/preview?path={quote('reports/2024-05.csv', safe='')}").json()
    assert shown["table"]["rows"] == [["olena", "17"]] and shown["sort"] == "table"
    answer = console.call("/projects/acme/ask", {"sql": "select calls from reports"}).json()
    assert answer["rows"] == [["17"]]
    assert console.call("/projects/acme/ask/file", {"sql": "select calls from reports", "format": "csv"}).text == "calls\n17\n"
    held = console.call("/projects/acme/holds", {"reason": "a case", "kind": "reports"}).json()
    assert held["items"] == 2
    assert [one["who"] for one in console.call("/projects/acme/holds").json()["holds"]] == ["ira (console)"]
    assert console.call("/projects/acme/log/verify", {}).json()["sound"] is True
    assert {"view", "query", "hold-add"} <= {one["action"] for one in console.call("/projects/acme/log").json()["lines"]}
    kept = console.call("/projects/acme/questions", {"title": "One", "sql": "select 1"}).json()["question"]
    assert [one["id"] for one in console.call("/projects/acme/questions").json()["questions"]] == [kept]
    assert console.call("/watch").json()["projects"] == ["acme"]
    assert console.call("/projects/acme/watch").json()["details"]["snapshots"] == 1


def test_a_script_finds_and_gets_back_what_was_deleted(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "desk", Place("repository"))
    desk.init()
    write_files(desk.folder / "gone", {"2024/05.csv": b"agent,calls\nolena,17\n", "2024/06.csv": b"agent,calls\nolena,18\n"})
    desk.add("client", f"reports={desk.folder / 'gone'}")
    desk.call("backup", "client")
    (desk.folder / "gone/2024/05.csv").write_bytes(b"agent,calls\nolena,19\n")
    (desk.folder / "gone/2024/06.csv").unlink()
    desk.call("backup", "client")
    manager = person("maria", Role.VIEWER, Role.RESTORER, Role.EXPORTER, projects=["client"])
    where = "/projects/client"
    with console_of(desk, manager) as console:
        assert [one["name"] for one in console.call(f"{where}/items?folder=reports").json()["folders"]] == ["2024"]
        assert len(console.call(f"{where}/snapshots").json()["snapshots"]) == 2
        assert [one["folder"] for one in console.call(f"{where}/vanished").json()["groups"]] == ["reports/2024"]
        (found,) = console.call(f"{where}/search?q=06&state=deleted").json()["results"]
        assert found["name"] == "06.csv" and found["missing_since"]
        item = console.call(f"{where}/item?path=reports/2024/05.csv").json()
        newer, older = [one["at"] for one in item["events"] if one["what"] in ("created", "changed", "content changed")][:2]
        changes = console.call(f"{where}/item/differences?path=reports/2024/05.csv&since={older}&until={newer}").json()
        assert [cell["text"] for cell in changes["tables"][0]["changed"][0]["after"]] == ["olena", "19"]
        assert console.call(f"{where}/periods").json()["parts"][0]["period"] == "2024"
        basket = console.call(f"{where}/basket", {"folders": ["reports/2024"], "deleted": "only"}).json()["entries"]
        assert [one["name"] for one in basket] == ["reports/2024"]
        planned = console.call(f"{where}/plan", {"goal": "place"}).json()
        assert (planned["possible"], planned["files"], planned["replacing"]) == (True, 1, 0)
        task = console.call(f"{where}/get-back", {"goal": "place", "moment": planned["moment"]}).json()["id"]
        done = wait_for(console, f"/tasks/{task}")
        assert (done["state"], done["outcome"]["files"]) == ("done", 1), done
    assert (desk.folder / "gone/2024/06.csv").read_bytes() == b"agent,calls\nolena,18\n"


def wait_for(console: ConsoleClient, path: str) -> dict[str, Any]:
    """A task once it is over."""
    clock = SystemClock()
    for _ in range(600):
        found: dict[str, Any] = console.call(path).json()
        if found["state"] in ("done", "partly", "failed", "cancelled"):
            return found
        clock.sleep(0.1)
    raise AssertionError(found)


def test_who_brings_no_token_changes_nothing(console: ConsoleClient) -> None:
    console.person = "ira"
    refused = console.call("/projects/acme/holds", {"reason": "x"}, by="session")
    assert refused.status_code == 403 and refused.json()["error"]["hint"].startswith("bring a token")
    console.person = "nobody"
    unknown = console.call("/projects")
    assert (unknown.status_code, unknown.headers["www-authenticate"]) == (401, "Bearer")


def test_what_is_not_there_and_what_may_not_be_known_are_answered_alike(console: ConsoleClient) -> None:
    console.person = "ira"
    for one in OPERATIONS:
        if "{project}" not in one.path:
            continue
        body = (
            None
            if one.body is None and one.upload is None
            else {"sql": "select 1", "title": "x", "period": "2024", "reason": "x", "job": "x", "snapshots": ["x"], "hold": "x"}
            | {"step": "ask", "confirm": "x", "folder": "x", "name": "x", "question": "x"}
        )
        if body is not None and one.upload is None:
            named = API["paths"][PREFIX + one.path][one.method.lower()]["requestBody"]["content"]["application/json"]["schema"]
            known = API["components"]["schemas"][named["$ref"].rpartition("/")[2]]["properties"]
            body = {name: value for name, value in body.items() if name in known}
        asked = "?path=reports%2Fx" if any(each.required for each in one.parameters) else ""
        hidden, missing = (console.call(one.path.replace("{project}", name) + asked, body) for name in (SECRET, "nothing"))
        assert hidden.status_code == missing.status_code == 404, (one.name, hidden.text)
        assert hidden.content == missing.content, one.name


def test_errors_are_json_everywhere(console: ConsoleClient) -> None:
    console.person = "ira"
    for path, body, status in (
        ("/nothing", None, 404),
        ("/projects/acme/log?unknown=1", None, 400),
        ("/projects/acme/log?last=many", None, 400),
        ("/projects/acme/item/preview", None, 400),
        ("/projects/acme/ask", b"{", 400),
        ("/projects/acme/ask", b"[" * 100_000, 400),
        ("/projects/acme/ask", {"sql": 1}, 400),
        ("/projects/acme/ask", {"sql": "select 1", "more": 1}, 400),
        ("/projects/acme/ask", b'"' + b"x" * (2 << 20) + b'"', 413),
    ):
        found = console.call(path, body)
        assert found.status_code == status, (path, found.text)
        assert set(found.json()["error"]) == {"what", "message", "hint"}


@st.composite
def requests(draw: st.DrawFn) -> tuple[str, str, str, bytes | None]:
    """An operation, with parameters and a body that may be anything."""
    path, method = draw(st.sampled_from([(path, method) for path in API["paths"] for method in API["paths"][path]]))
    described = API["paths"][path][method]
    named = path.removeprefix(PREFIX).replace("{task}", quote(draw(TEXTS.filter(bool)), safe=""))
    named = named.replace("{request}", quote(draw(TEXTS.filter(bool)), safe=""))
    where = named.replace("{project}", quote(draw(st.one_of(st.just("acme"), TEXTS.filter(bool))), safe=""))
    asked = []
    for one in described["parameters"]:
        if one["in"] == "query" and draw(st.booleans() if not one["required"] else st.sampled_from([True, True, False])):
            value = (
                str(draw(st.integers(-5, 10**12)))
                if one["schema"]["type"] == "integer" and draw(st.booleans())
                else draw(TEXTS)
            )
            asked.append(f"{quote(one['name'])}={quote(value, safe='')}")
    body = None
    if "requestBody" in described and "application/json" not in described["requestBody"]["content"]:
        body = draw(st.binary(max_size=60))
    elif "requestBody" in described:
        named = described["requestBody"]["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
        schema = API["components"]["schemas"][named]
        body = draw(st.one_of(_bodies(schema), _bodies(schema), st.binary(max_size=30), _garbage()))
    return path, method, f"{where}?{'&'.join(asked)}" if asked else where, body


def _bodies(schema: dict[str, Any]) -> st.SearchStrategy[bytes]:
    fields = {}
    for name, own in schema.get("properties", {}).items():
        kind = own.get("type")
        fields[name] = {"boolean": st.booleans(), "array": st.lists(TEXTS, max_size=3)}.get(kind, TEXTS)
        if "enum" in own:
            fields[name] = st.sampled_from(own["enum"])
    required = {name: one for name, one in fields.items() if name in schema.get("required", ())}
    others = {name: one for name, one in fields.items() if name not in required}
    return st.fixed_dictionaries(required, optional=others).map(lambda value: json.dumps(value).encode())


def _garbage() -> st.SearchStrategy[bytes]:
    values = st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(max_size=5),
        lambda own: st.lists(own) | st.dictionaries(st.text(max_size=5), own),
        max_leaves=8,
    )
    return values.map(lambda value: json.dumps(value).encode())


def _fuzz(console: ConsoleClient, request: tuple[str, str, str, bytes | None]) -> None:
    path, method, where, body = request
    console.person = "ira"
    found = console.call(where, body)
    described = API["paths"][path][method]["responses"]
    assert str(found.status_code) in described, (where, body, found.status_code, found.text[:500])
    assert found.status_code < 500, (where, body, found.text[:500])
    assert b"secret-agent" not in found.content and b"Traceback" not in found.content
    assert found.headers["x-content-type-options"] == "nosniff"
    if found.headers["content-type"] == "application/json":
        schema = described[str(found.status_code)].get("content", {}).get("application/json", {}).get("schema")
        if schema is not None:
            whole = schema | {"components": API["components"]}
            jsonschema.Draft202012Validator(whole).validate(found.json())


_QUIET = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large]


@settings(
    max_examples=60, deadline=None, derandomize=True, database=None, suppress_health_check=_QUIET, phases=[Phase.generate]
)
@given(request=requests())
def test_no_request_breaks_anything_or_tells_what_it_may_not(
    console: ConsoleClient, request: tuple[str, str, str, bytes | None]
) -> None:
    _fuzz(console, request)


@pytest.mark.slow
@settings(max_examples=3000, deadline=None, derandomize=True, database=None, suppress_health_check=_QUIET)
@given(request=requests())
def test_no_request_breaks_anything_at_length(console: ConsoleClient, request: tuple[str, str, str, bytes | None]) -> None:
    _fuzz(console, request)
