"""An operation of the interface for scripts as a route of the application.

What is asked for is checked against what the operation declares, before its function runs in a thread. Errors are of the one
tree, as JSON: `{"error": {"what": …, "message": …, "hint": …}}`, with the status that a page would have.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Literal

import msgspec
from msgspec import Struct
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from console import routing, uploads
from console.access.rights import Action
from console.errors import ForgedRequest, NotAllowed, NotSignedIn, TooLarge
from console.gateway import checks
from console.hosts.records import Host, Hosts
from console.incidents import Unexpected
from console.responses import status_of
from console.visit import Caller, Console, Visit
from vault.errors import StrongroomError, UsageError

_log = logging.getLogger("strongroom.console")

PREFIX = "/api/v1"
PROJECT = "/projects/{project}"
LARGEST_BODY = 1 << 20
LONGEST_PARAMETER = 16_384
"""Characters: a path of the system has 4,096 bytes, quoted three times as many characters."""

Method = Literal["GET", "POST"]
Kind = Literal["string", "integer", "boolean"]


class Parameter(Struct, frozen=True):
    """Of the query. kind: what it holds."""

    name: str
    about: str
    kind: Kind = "string"
    required: bool = False


class Call(Struct, frozen=True):
    """What an operation's function is given. values: of the parameters that were sent · body: as declared; None without one ·
    by: the host that asks, of an operation for hosts."""

    visit: Visit
    values: dict[str, Any]
    body: Any
    by: Host | None = None

    @property
    def host(self) -> Host:
        """That asks. Raises `NotSignedIn`."""
        if self.by is None:
            raise NotSignedIn("no host is known to ask", hint="bring the token of a host: `Authorization: Bearer …`")
        return self.by

    @property
    def project(self) -> str:
        """The project of the path."""
        return self.visit.value("project")

    def text(self, name: str) -> str:
        """A parameter; "" where it was not sent."""
        return str(self.values.get(name, ""))

    def number(self, name: str, default: int = 0) -> int:
        """A parameter."""
        return int(self.values.get(name, default))


class Operation(Struct, frozen=True):
    """method, path: below `PREFIX` · name: unique · function: gives a value to write, or a response of its own · answer: its
    type, where it is one that a schema can be made of · body: the type of what is sent · media_types: of the answer · by_host:
    only for hosts, with a token of theirs, which is good for nothing else · upload: a file is sent, by whoever may do this in
    the project of the path; `Call.body` is a `console.uploads.Upload` then."""

    method: Method
    path: str
    name: str
    about: str
    function: Callable[[Call], object]
    parameters: tuple[Parameter, ...] = ()
    answer: Any = None
    body: type[Struct] | None = None
    media_types: tuple[str, ...] = ("application/json",)
    by_host: bool = False
    upload: Action | None = None


def route(console: Console, one: Operation) -> Route:
    """The route of an operation."""
    return Route(PREFIX + one.path, _endpoint(console, one), methods=[one.method], name=f"api_{one.name}")


def answered(value: object) -> Response:
    """A value as JSON."""
    return Response(msgspec.json.encode(value, enc_hook=_plain), media_type="application/json")


def is_below(path: str) -> bool:
    """Whether a path is one of this interface, also where there is no such operation."""
    return path == PREFIX or path.startswith(f"{PREFIX}/")


def refused(error: StrongroomError) -> Response:
    """An error as JSON."""
    status = status_of(error)
    if status >= 500 and not isinstance(error, Unexpected):
        _log.error("%s", error)
    document = {"error": {"what": error.what, "message": str(error), "hint": error.hint or ""}}
    headers = {"www-authenticate": "Bearer"} if status == 401 else {}
    return Response(msgspec.json.encode(document), status, headers, media_type="application/json")


def _endpoint(console: Console, one: Operation) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        caller = await run_in_threadpool(console.authenticator.caller, request)
        host = await run_in_threadpool(_host, console, request) if one.by_host else None
        if one.by_host:
            _require_host(host, caller)
        else:
            _require(one, caller)
        visit = Visit(console, request, caller, routing.texts_of(console, request, caller), FormData())
        if one.upload is None:
            body = await _body(request, one)
        else:
            await run_in_threadpool(checks.allowed, visit, one.upload, visit.value("project"))
            body = await uploads.received_file(console, request)
        async with console.turns.of(visit.who):
            return await run_in_threadpool(_answer, one, Call(visit, _values(visit, one.parameters), body, host))

    return endpoint


def _require(one: Operation, caller: Caller | None) -> None:
    """Raises `NotSignedIn`; `ForgedRequest` for a change without a token: a page of another site could have sent it."""
    if caller is None:
        raise NotSignedIn("nobody is known to ask", hint="bring a token: `Authorization: Bearer …`")
    if one.method == "POST" and caller.by != "token":
        raise ForgedRequest("a session changes nothing here", hint="bring a token: `Authorization: Bearer …`")


def _host(console: Console, request: Request) -> Host | None:
    sent = request.headers.get("authorization", "")
    if not sent.lower().startswith("bearer "):
        return None
    return Hosts(console.state).find(sent[7:].strip(), console.clock.now())


def _require_host(host: Host | None, caller: Caller | None) -> None:
    """Raises `NotSignedIn`; `NotAllowed` for persons, whatever they may."""
    if host is not None:
        return
    if caller is not None:
        raise NotAllowed("this is for hosts", hint="an administrator makes a token for a host")
    raise NotSignedIn("no host is known to ask", hint="bring the token of a host, and see that its time is not over")


def _answer(one: Operation, call: Call) -> Response:
    found = one.function(call)
    return found if isinstance(found, Response) else answered(found)


async def _body(request: Request, one: Operation) -> Any:  # noqa: ANN401 (of the operation's type)
    """Raises `TooLarge`, `UsageError` for what is no such JSON."""
    if one.body is None:
        return None
    read = bytearray()
    try:
        async with asyncio.timeout(routing.FORM_WITHIN):
            async for piece in request.stream():
                read += piece
                if len(read) > LARGEST_BODY:
                    raise TooLarge(f"more was sent than {LARGEST_BODY >> 20} MiB", hint="send less at once")
    except TimeoutError as error:
        raise UsageError("the body came too slowly", hint="send it again") from error
    except ClientDisconnect as error:
        raise UsageError("the body was not sent to its end") from error
    try:
        return msgspec.json.decode(bytes(read), type=one.body)
    except (msgspec.DecodeError, RecursionError) as error:
        raise UsageError(f"the body is not what this operation takes: {error}", hint=f"see {PREFIX}/openapi.json") from error


def _values(visit: Visit, parameters: Sequence[Parameter]) -> dict[str, Any]:
    """Raises `UsageError` for a parameter that is missing, unknown, or of another kind."""
    known = {one.name for one in parameters}
    unknown = sorted(set(visit.request.query_params) - known)
    if unknown:
        raise UsageError(f"there is no parameter {unknown[0][:100]!r}", hint=f"there are: {', '.join(sorted(known)) or 'none'}")
    found: dict[str, Any] = {}
    for one in parameters:
        if one.name in visit.request.query_params:
            found[one.name] = _value(visit, one)
        elif one.required:
            raise UsageError(f"the parameter {one.name!r} is missing", hint=one.about)
    return found


def _value(visit: Visit, one: Parameter) -> str | int | bool:
    text = visit.asked(one.name)
    if len(text) > LONGEST_PARAMETER:
        raise UsageError(f"the parameter {one.name!r} is too long", hint=one.about)
    if one.kind == "integer":
        if not (text.isascii() and text.isdigit() and len(text) < 10):
            raise UsageError(f"the parameter {one.name!r} is no number", hint=one.about)
        return int(text)
    if one.kind == "boolean":
        if text not in ("true", "false"):
            raise UsageError(f"the parameter {one.name!r} is neither true nor false", hint=one.about)
        return text == "true"
    return text


def _plain(value: object) -> object:
    """What JSON has no form for."""
    raise NotImplementedError(type(value).__name__)
