"""What a page's function is given: who asks, in which language, for what; and how it answers."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Literal, Protocol
from urllib.parse import quote, unquote_to_bytes

from msgspec import Struct, field
from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from console.access.rights import Action, Person
from console.accounts import proxy
from console.accounts.sessions import Way
from console.errors import NotSignedIn
from console.known_items import KnownItems
from console.live_settings import ConsoleRules
from console.post import NoPost, Post
from console.previews.workers import PreviewWorkers
from console.tasks.signals import TaskSignals
from console.turns import Room, Turns
from console.words import Words
from strongroom.view_log import ViewLog
from vault.clock import SystemClock
from vault.errors import StrongroomError

if TYPE_CHECKING:
    from pathlib import Path

    from jinja2 import Environment

    from console.accounts.accounts import Accounts
    from console.limits import ConsoleLimits
    from console.repositories import RepositoryPool
    from console.state import ConsoleState
    from console.texts import Texts
    from console.uploads import Upload
    from vault.clock import Clock
    from vault.randomness import Randomness


MOST_ASKING = 2
"""Questions in SQL at once, of different people: each may take half a GiB."""

MOST_UPLOADS = 2
"""Bags that are received at once."""


class Caller(Struct, frozen=True):
    """Who asks, and how that is known. address: of the client · csrf: what a form must bring back; "" where the request cannot
    be forged by another site, as with a token in a header · session: the id of the session, "" where there is none · way: who
    vouches for them."""

    person: Person
    by: Literal["session", "token", "proxy"]
    address: str = ""
    csrf: str = ""
    session: str = ""
    way: Way = "local"


class Authenticator(Protocol):
    """Who asks: sessions, tokens, a proxy's header."""

    def caller(self, request: Request) -> Caller | None:
        """None where nobody is known to ask. Never raises for what is wrong in a request."""
        ...


def nobody_known(name: str) -> Person | None:
    """Of nobody is known what they may do now."""
    return None


class Console(Struct, frozen=True):
    """The parts of one console, made when it starts.

    state: its own memory · accounts: who people are · templates: by language · rules: what the settings say now · secure:
    whether it is reached by HTTPS · hosts: the names by which it may be asked; empty for any · known: what stays in memory of
    projects · previews: processes that open what others wrote · views: which looks at content are in the log already · turns:
    whose requests are worked on · asking: room for questions in SQL · uploads: room for bags that come · tasks: of this process
    · post: tells people outside of the console's pages · people: somebody as they are now, by name, for what goes on while they
    are away; None where nobody can say
    """

    repositories: RepositoryPool
    state: ConsoleState
    accounts: Accounts
    authenticator: Authenticator
    templates: Mapping[str, Environment]
    clock: Clock
    randomness: Randomness
    rules: Callable[[], ConsoleRules] = ConsoleRules
    secure: bool = False
    hosts: frozenset[str] = frozenset()
    known: KnownItems = field(default_factory=KnownItems)
    previews: PreviewWorkers = field(default_factory=PreviewWorkers)
    views: ViewLog = field(default_factory=lambda: ViewLog(SystemClock()))
    turns: Turns = field(default_factory=Turns)
    asking: Room = field(default_factory=lambda: Room(MOST_ASKING))
    uploads: threading.BoundedSemaphore = field(default_factory=lambda: threading.BoundedSemaphore(MOST_UPLOADS))
    tasks: TaskSignals = field(default_factory=TaskSignals)
    post: Post = field(default_factory=NoPost)
    people: Callable[[str], Person | None] = nobody_known

    @property
    def zone(self) -> str:
        """See `ConsoleRules`, as for all of these: as it is now."""
        return self.rules().zone

    @property
    def masked(self) -> tuple[str, ...]:
        """Columns that previews do not show."""
        return self.rules().masked

    @property
    def limits(self) -> ConsoleLimits:
        """Of what people ask for."""
        return self.rules().limits

    @property
    def folders(self) -> Mapping[str, Path]:
        """Into which it may be restored."""
        return self.rules().folders

    @property
    def bag_folders(self) -> Mapping[str, Path]:
        """In which bags lie that can be verified, by the names that people see."""
        return self.rules().bag_folders

    @property
    def approvals(self) -> frozenset[Action]:
        """What a second person must approve."""
        return self.rules().approvals


class Visit:
    """One request to one page. form: what was sent; empty for GET."""

    upload: Upload | None = None
    """What was brought with the form."""

    def __init__(self, console: Console, request: Request, caller: Caller | None, texts: Texts, form: FormData) -> None:
        self.console = console
        self.request = request
        self._caller = caller
        self.texts = texts
        self.form = form
        self.now: datetime = console.clock.now()

    @property
    def caller(self) -> Caller:
        """Who asks. Raises `NotSignedIn`."""
        if self._caller is None:
            raise NotSignedIn("nobody is signed in", hint="sign in, and try again")
        return self._caller

    @property
    def is_signed_in(self) -> bool:
        """Whether anybody is known to ask."""
        return self._caller is not None

    @property
    def person(self) -> Person:
        """Who asks. Raises `NotSignedIn`."""
        return self.caller.person

    @property
    def known_as(self) -> str:
        """The name of who asks; "" where nobody has signed in."""
        return self._caller.person.name if self._caller is not None else ""

    @property
    def who(self) -> str:
        """Whose turn it is to be worked for: a person, or an address where nobody has signed in."""
        return self._caller.person.name if self._caller is not None else f"at {proxy.counted_as(self.address)}"

    @property
    def path(self) -> str:
        """Of the page that was asked for, quoted as it came."""
        return bytes(self.request.scope["raw_path"]).decode("ascii", "replace")

    @property
    def address(self) -> str:
        """Of the client, also where nobody has signed in."""
        return proxy.address(self.console.accounts.settings().proxy, self.request)

    @property
    def is_fragment(self) -> bool:
        """Whether htmx asks for a part of a page; never relied on: without scripts the whole page is asked for."""
        headers = self.request.headers
        return headers.get("hx-request") == "true" and headers.get("hx-history-restore-request") != "true"

    def value(self, name: str) -> str:
        """A part of the path."""
        return str(self.request.path_params[name])

    def asked(self, name: str, default: str = "") -> str:
        """A parameter of the query."""
        return self.request.query_params.get(name, default)

    def asked_bytes(self, name: str) -> bytes:
        """A parameter of the query as its bytes: a path need not be text."""
        wanted = quote(name, safe="").encode()
        for part in self.request.scope["query_string"].split(b"&"):
            key, _, value = part.partition(b"=")
            if key == wanted:
                return unquote_to_bytes(value.replace(b"+", b" "))
        return b""

    def sent(self, name: str, default: str = "") -> str:
        """A field of the form; a file that was sent in its place counts for nothing."""
        found = self.form.get(name, default)
        return found if isinstance(found, str) else default

    @property
    def news(self) -> int:
        """How many tasks of whoever asks are over that they have not looked at; 0 where that cannot be found out."""
        from console.tasks.records import Tasks

        try:
            return Tasks(self.console.state).unseen(self.person.name) if self._caller is not None else 0
        except StrongroomError:
            return 0

    def may(self, action: Action, project: str | None = None) -> bool:
        """For what is shown at all; what is done is checked by the gateway."""
        return self._caller is not None and self.person.may(action, self.now, project)

    def render(self, template: str, status: int = 200, **values: object) -> HTMLResponse:
        """A page, or a part of one."""
        environment = self.console.templates[self.texts.language]
        texts = self.texts
        given = {"visit": self, "texts": texts, "counted": texts.ngettext, "words": Words(texts)}
        page = environment.get_template(template).render(**given, **values)
        return HTMLResponse(page, status)

    def redirect(self, path: str) -> Response:
        """To another page of the console, after a form was sent. path: as `path_to` gives it."""
        return RedirectResponse(path, 303)

    def path_to(self, *parts: str | bytes, **query: str | bytes) -> str:
        """The path of a page: parts are quoted, names with strange bytes survive."""
        path = "/" + "/".join(quote(part, safe="") for part in parts)
        asked = "&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in query.items() if value)
        return f"{path}?{asked}" if asked else path
