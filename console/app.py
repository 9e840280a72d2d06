"""The application: the pages of all areas, what answers a request before and after them, and files that never change."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Match, Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from console import basket, files, routing, texts
from console.api import routing as api_routing
from console.api.operations import OPERATIONS
from console.approvals import records as approval_records
from console.connections import RequestsByAddress
from console.errors import NotThere, TooManyAtOnce, WrongMethod
from console.gateway.approvals import expire
from console.gateway.looks import LookWriter
from console.gateway.working import carry_out
from console.hosts import records as host_records
from console.incidents import Unexpected, asked, noted
from console.pages import PAGES
from console.questions import records as question_records
from console.responses import Headers, Hosts, error_page
from console.tasks import records as task_records
from console.tasks.runner import TaskRunner
from console.visit import Caller, Console, Visit
from vault.errors import StrongroomError, UsageError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

_HERE = Path(__file__).parent
ASSETS_FOR = 300
"""Seconds: so soon a new version's style sheet is everybody's."""


def application(console: Console) -> Starlette:
    """The console as an ASGI application."""
    for area in (basket, task_records, approval_records, host_records, question_records):
        console.state.migrate(area.AREA, area.TABLES)
    return Starlette(
        routes=[
            *(routing.route(console, one) for one in PAGES),
            *(api_routing.route(console, one) for one in OPERATIONS),
            Mount("/static", _Assets(directory=_HERE / "static"), name="static"),
        ],
        middleware=[
            Middleware(Headers, secure=console.secure),
            Middleware(Hosts, hosts=console.hosts),
            Middleware(RequestsByAddress, settings=console.accounts.settings, refused=_crowded),
        ],
        exception_handlers={one: _handler(console) for one in (StrongroomError, HTTPException, Exception)},
        lifespan=_closing(console),
    )


class _Assets(StaticFiles):
    """The style sheet and the script, which a browser need not ask for with every page."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        """See `StaticFiles`."""
        found = await super().get_response(path, scope)
        found.headers["cache-control"] = f"public, max-age={ASSETS_FOR}"
        return found


def templates() -> Mapping[str, Environment]:
    """An environment for each language: everything is escaped, and a name that is not there is an error."""
    found = {}
    for language in texts.LANGUAGES:
        environment = Environment(
            loader=FileSystemLoader(_HERE / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            extensions=["jinja2.ext.i18n", "jinja2.ext.loopcontrols"],
            trim_blocks=True,
            lstrip_blocks=True,
        )
        environment.install_gettext_translations(texts.translations(language), newstyle=True)  # type: ignore[attr-defined]
        environment.filters["with_code"] = texts.with_code
        environment.globals["LANGUAGES"] = texts.LANGUAGES
        found[language] = environment
    return found


def _closing(console: Console) -> Callable[[Starlette], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        try:
            async with parts():
                yield
        except Exception as error:
            app.state.failure = error  # the server raises it, which hears of it as text only
            raise

    @asynccontextmanager
    async def parts() -> AsyncIterator[None]:
        await run_in_threadpool(files.sweep, console)
        console.known.warm_up(console.repositories)
        runner = TaskRunner(console, carry_out, expire)
        runner.start()
        looks = LookWriter(console)
        looks.start()
        yield
        await run_in_threadpool(runner.stop)
        await run_in_threadpool(looks.stop)
        await run_in_threadpool(console.known.close)
        await run_in_threadpool(console.repositories.close)
        await run_in_threadpool(console.previews.close)
        await run_in_threadpool(console.state.close)

    return lifespan


def _handler(console: Console) -> Callable[..., Awaitable[Response]]:
    def answer(request: Request, error: Exception) -> Response:
        caller = _caller_anyhow(console, request)
        visit = Visit(console, request, caller, routing.texts_of(console, request, caller), FormData())
        shown = _shown(visit, error)
        return api_routing.refused(shown) if api_routing.is_below(request.url.path) else error_page(visit, shown)

    async def handler(request: Request, error: Exception) -> Response:
        found = await run_in_threadpool(answer, request, error)
        if found.status_code == 405:
            found.headers["allow"] = ", ".join(_methods(request))
        return found

    return handler


def _methods(request: Request) -> list[str]:
    """Those in which what was asked for can be asked for."""
    routes = [one for one in request.app.routes if isinstance(one, Route) and one.matches(request.scope)[0] is not Match.NONE]
    return sorted({method for one in routes for method in one.methods or ()})


def _caller_anyhow(console: Console, request: Request) -> Caller | None:
    """Nobody, where even that cannot be found out."""
    try:
        return console.authenticator.caller(request)
    except StrongroomError:
        return None


def _crowded(request: Request) -> Response:
    """To whoever has too many requests here already: before it is known who asks, or in which language."""
    error = TooManyAtOnce("too many requests from your address are being worked on", hint="try again in some seconds")
    if api_routing.is_below(request.url.path):
        return api_routing.refused(error)
    return PlainTextResponse(f"{error}: {error.hint}\n", 429)


def _shown(visit: Visit, error: Exception) -> StrongroomError:
    """The error that is shown; what nobody expected is written into the log first."""
    if isinstance(error, StrongroomError):
        return error
    if isinstance(error, HTTPException):
        return _of_http(error)
    if isinstance(error.__cause__, StrongroomError):  # met by an answer that had begun, and breaks off
        return error.__cause__
    return Unexpected(noted(error, asked(visit.request, visit.known_as), visit.console.randomness))


def _of_http(error: HTTPException) -> StrongroomError:
    """What the framework itself refuses, as an error of the tree."""
    if error.status_code == 404:
        return NotThere("there is no such page", hint="go back to the beginning")
    if error.status_code == 405:
        return WrongMethod("this page is not asked for in this way", hint="go back to the beginning")
    return UsageError(str(error.detail))
