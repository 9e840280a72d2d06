"""Schemathesis reads the OpenAPI document and asks every operation, as somebody with a token who may everything in
one project: whatever is sent, the answer is one that the document describes. In the normal run `test_api` does the same, with
fewer requests of its own making."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from console.access.rights import Role
from console.api.openapi import document
from console.api.operations import OPERATIONS
from console.api.routing import PREFIX, Operation
from tests.e2e.console.conftest import PIXEL
from tests.support.console import ConsoleClient, console_of, person
from tests.support.desk import Desk, Place
from tests.support.tree_facts import write_files

CHECKS = (
    *("not_a_server_error", "status_code_conformance", "content_type_conformance"),
    *("response_headers_conformance", "response_schema_conformance"),
)
DIRECTED = {"project": "acme", "path": "reports%2Flogo.png", "sql": "select * from reports"}
"""Values that lead to something, in every other request: of words by lot none would. sql: within a body."""

FRUITFUL = {"projects", "tasks", "basket", "requests", "overview", "document"}


@pytest.fixture(scope="module")
def console(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ConsoleClient]:
    desk = Desk(tmp_path_factory.mktemp("fuzz") / "desk", Place("repository"))
    write_files(desk.folder / "reports", {"2024-05.csv": b"agent,calls\nolena,17\n", "logo.png": PIXEL})
    desk.init()
    desk.add("acme", f"reports={desk.folder / 'reports'}")
    desk.call("backup", "acme")
    with console_of(desk, person("ira", *Role, projects=["acme"])) as made:
        yield made


@pytest.fixture(scope="module")
def described() -> Any:
    """What there is to ask, as schemathesis understands it."""
    import schemathesis

    @schemathesis.serializer("application/zip")
    def as_it_is(_: Any, value: Any) -> bytes:
        return value if isinstance(value, bytes) else str(value).encode()

    return schemathesis.openapi.from_dict(_without_tuples(json.loads(document())))


def _without_tuples(value: Any) -> Any:
    """The document with arrays of any members where it names each: schemathesis makes an invalid schema of `prefixItems`;
    `test_api` checks them."""
    if isinstance(value, dict):
        left_out = ("prefixItems", "items", "minItems", "maxItems") if "prefixItems" in value else ()
        return {name: _without_tuples(inner) for name, inner in value.items() if name not in left_out}
    return [_without_tuples(inner) for inner in value] if isinstance(value, list) else value


def ask(console: ConsoleClient, described: Any, one: Operation, examples: int) -> int:
    """Ask one operation so often; gives how many answers were good ones. Raises what schemathesis finds wrong."""
    from schemathesis.checks import CHECKS as KNOWN

    checks = [KNOWN.get_one(name) for name in CHECKS]
    operation = described[PREFIX + one.path][one.method]
    asked, good = 0, 0

    def check(case: Any) -> None:
        nonlocal asked, good
        asked += 1
        if asked % 2:
            case.path_parameters = {name: DIRECTED.get(name, value) for name, value in (case.path_parameters or {}).items()}
            case.query = {name: DIRECTED.get(name, value) for name, value in (case.query or {}).items()}
            if isinstance(case.body, dict):
                case.body = {name: DIRECTED.get(name, value) for name, value in case.body.items()}
        answer = console.send(**case.as_transport_kwargs(base_url=""))
        good += answer.status_code < 300
        case.validate_response(answer, checks=checks)

    quiet = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]
    bounds = settings(
        max_examples=examples,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=quiet,
        phases=[Phase.generate],
    )
    bounds(given(case=operation.as_strategy())(check))()
    return good


@pytest.mark.slow
@pytest.mark.parametrize("one", OPERATIONS, ids=lambda one: one.name)
def test_an_operation_answers_as_it_is_described_at_length(
    console: ConsoleClient,
    described: Any,
    one: Operation,
) -> None:
    good = ask(console, described, one, 60)
    assert good or one.name not in FRUITFUL, "what leads somewhere is asked, too"
