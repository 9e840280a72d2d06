"""A page's function as a route of the application.

    ROUTES = (page("GET", "/projects/{project}", project_page), page("POST", "/basket", put_into_basket))

A function takes a `Visit`, gives a response, and runs in a thread. Before it runs, what was sent is bounded and read, and a
request that changes something must come from a page of the same session: it brings back the session's token in a field or a
header, and where the browser says from which site it comes, it must be this one.
"""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import nullcontext
from typing import Literal
from zoneinfo import ZoneInfo

from msgspec import Struct
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData
from starlette.formparsers import FormParser, MultiPartException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from console import files, texts, uploads
from console.access.rights import Action
from console.accounts.account_log import acting_as
from console.errors import ForgedRequest, TooLarge
from console.gateway import checks
from console.responses import session_over_page
from console.visit import Caller, Console, Visit

Method = Literal["GET", "POST"]
PageFunction = Callable[[Visit], Response]

LARGEST_FORM = 4 << 20
"""Bytes: a basket of 20,000 ticked items with long names is 2 MB."""

FORM_WITHIN = 60.0
"""Seconds in which all of a form has come: whoever sends slower costs nothing after that."""

MOST_FIELDS = 50_000
LARGEST_OF_STRANGERS, FIELDS_OF_STRANGERS = 64 << 10, 100
"""Whoever has not signed in sends a name and a password, no baskets."""
CSRF_FIELD, CSRF_HEADER = "csrf", "x-csrf-token"
SECRET = ("/account", "/people", "/login")
"""Where passwords and codes are typed: what was sent there is never put into a page again."""


class Page(Struct, frozen=True):
    """A page's function, and where it is. public: also for those who have not signed in · forms: whether what is sent is a form
    of this console; of something else, such as JSON, the function reads the body, and the token comes in the header ·
    upload: the form may bring a file, from whoever may do this in the project of the path."""

    method: Method
    path: str
    function: PageFunction
    public: bool = False
    forms: bool = True
    upload: Action | None = None


def page(
    method: Method,
    path: str,
    function: PageFunction,
    *,
    public: bool = False,
    forms: bool = True,
    upload: Action | None = None,
) -> Page:
    """See `Page`."""
    return Page(method, path, function, public, forms, upload)


def route(console: Console, one: Page) -> Route:
    """The route of a page."""
    return Route(one.path, _endpoint(console, one), methods=[one.method], name=one.function.__name__)


def _endpoint(console: Console, one: Page) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        caller = await run_in_threadpool(console.authenticator.caller, request)
        if one.upload is not None and uploads.is_form(request):
            return await _with_file(console, one, one.upload, request, caller)
        form = await _form(request, caller) if one.method == "POST" and one.forms else FormData()
        visit = Visit(console, request, caller, texts_of(console, request, caller), form)
        if one.method == "POST":
            _refuse_other_sites(visit)
        is_late = (one.method == "POST" and not _has_token(visit, caller)) or (caller is None and not one.public)
        function = _sent_too_late(visit, one) if is_late else one.function
        return await _run(console, visit, function, caller)

    return endpoint


async def _run(console: Console, visit: Visit, function: PageFunction, caller: Caller | None) -> Response:
    """In a thread, in turn, under the caller's name."""
    async with console.turns.of(visit.who):
        with acting_as(caller.person.name, "console") if caller is not None else nullcontext():
            return await run_in_threadpool(function, visit)


async def _with_file(console: Console, one: Page, action: Action, request: Request, caller: Caller | None) -> Response:
    """Rights and where the request comes from are looked at before anything of it is read."""
    visit = Visit(console, request, caller, texts_of(console, request, caller), FormData())
    _refuse_other_sites(visit)
    await run_in_threadpool(checks.allowed, visit, action, visit.value("project"))
    csrf = "" if caller is None else caller.csrf
    form, upload = await uploads.received_form(console, request, csrf)
    visit = Visit(console, request, caller, visit.texts, form)
    visit.upload = upload
    if not _has_token(visit, caller):
        if upload is not None:
            await run_in_threadpool(files.drop, console, upload.task)
        raise ForgedRequest("the page is from a session that is over", hint="open it anew, and send it again")
    return await _run(console, visit, one.function, caller)


def texts_of(console: Console, request: Request, caller: Caller | None) -> texts.Texts:
    """The language for whoever asks."""
    wanted = caller.person.language if caller is not None else request.cookies.get("language", "")
    language = texts.chosen(wanted, request.headers.get("accept-language", ""), console.accounts.settings().language)
    return texts.Texts(language, ZoneInfo(console.zone))


async def _form(request: Request, caller: Caller | None) -> FormData:
    """Raises `TooLarge`, `ForgedRequest` for what is no form."""
    largest, most = (LARGEST_FORM, MOST_FIELDS) if caller is not None else (LARGEST_OF_STRANGERS, FIELDS_OF_STRANGERS)
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in ("", "application/x-www-form-urlencoded"):
        raise ForgedRequest("what was sent is no form of this console", hint="open the page anew, and send it again")
    size = 0

    async def bounded() -> AsyncGenerator[bytes, None]:
        nonlocal size
        async for piece in request.stream():
            size += len(piece)
            if size > largest:
                raise TooLarge("more was sent than a form holds", hint="choose whole folders in place of many files")
            yield piece

    try:
        async with asyncio.timeout(FORM_WITHIN):
            parser = FormParser(request.headers, bounded(), max_fields=most, max_part_size=largest)
            form = await parser.parse()
    except TimeoutError as error:
        raise ForgedRequest("the form came too slowly", hint="open the page anew, and send it again") from error
    except MultiPartException as error:
        raise TooLarge(error.message, hint="choose whole folders in place of many files") from error
    except ClientDisconnect as error:
        raise ForgedRequest("the form was not sent to its end") from error
    return form


def _refuse_other_sites(visit: Visit) -> None:
    """Raises `ForgedRequest` for what a browser says another site has sent."""
    headers = visit.request.headers
    site = headers.get("sec-fetch-site", "same-origin")
    origin = headers.get("origin")
    own = (visit.console.accounts.settings().url or "").rstrip("/")
    expected = {f"http://{headers.get('host')}", f"https://{headers.get('host')}", own}
    if site not in ("same-origin", "none") or (origin is not None and origin not in expected):
        raise ForgedRequest("this was sent by a page of another site", hint="open the console itself, and do it there")


def _has_token(visit: Visit, caller: Caller | None) -> bool:
    """Whether what was sent brings back the session's token, where there is one."""
    if caller is None or not caller.csrf:
        return True
    brought = visit.sent(CSRF_FIELD) or visit.request.headers.get(CSRF_HEADER, "")
    return hmac.compare_digest(brought.encode(), caller.csrf.encode())


def _sent_too_late(visit: Visit, one: Page) -> PageFunction:
    """For what a page of a session that is over has sent: what somebody typed is not lost, they look at it and send it once
    more. Only where the browser itself says that the page was one of ours, and nothing secret is typed there. Raises
    `NotSignedIn`, `ForgedRequest`."""
    headers = visit.request.headers
    is_form = one.method == "POST" and one.forms and not one.public and not one.path.startswith(SECRET)
    if is_form and (headers.get("sec-fetch-site") == "same-origin" or headers.get("origin") is not None):
        return session_over_page
    _ = visit.caller
    raise ForgedRequest("the page is from a session that is over", hint="open it anew, and send it again")
