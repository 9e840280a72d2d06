"""People, for administrators: local accounts, who is signed in, tokens."""

from __future__ import annotations

from starlette.responses import Response

from console.access.rights import ACTION_TITLES
from console.accounts.tables import words
from console.gateway.checks import administering
from console.routing import page
from console.texts import marked
from console.visit import Visit


def people(visit: Visit) -> Response:
    """Everybody who is known here."""
    return _page(visit)


def add_person(visit: Visit) -> Response:
    """A local account with a password that is shown this once."""
    accounts = administering(visit)
    password = words(visit.console.randomness.token(15))
    accounts.local.add(visit.sent("name"), password, visit.sent("title"), _groups(visit))
    return _page(visit, visit.sent("name"), password)


def change_person(visit: Visit) -> Response:
    """What the pressed button says, for one account."""
    accounts = administering(visit)
    name, what = visit.sent("name"), visit.sent("what")
    if what == "password":
        password = words(visit.console.randomness.token(15))
        accounts.local.set_password(name, password)
        return _page(visit, name, password)
    if what == "groups":
        accounts.local.set_groups(name, _groups(visit))
    elif what == "second-factor":
        accounts.local.reset_totp(name)
    elif what == "remove":
        accounts.local.remove(name)
    elif what == "sessions":
        accounts.sessions.end_all(name)
    elif what == "token":
        accounts.tokens.end(visit.sent("token"))
    return visit.redirect("/people")


def _page(visit: Visit, name: str = "", password: str = "") -> Response:
    accounts = administering(visit)
    return visit.render(
        "accounts/people.html",
        local=accounts.local.all(),
        sessions=accounts.sessions.of(),
        tokens=accounts.tokens.of(),
        all_actions=ACTION_TITLES,
        ways={"local": marked("password"), "openid": marked("OpenID Connect"), "proxy": marked("proxy")},
        name=name,
        password=password,
    )


def _groups(visit: Visit) -> list[str]:
    return [one.strip() for one in visit.sent("groups").split(",") if one.strip()]


ROUTES = (
    page("GET", "/people", people),
    page("POST", "/people", add_person),
    page("POST", "/people/change", change_person),
)
