"""My account: who I am and what I may, language, password, second factor, sessions, tokens."""

from __future__ import annotations

import base64
import io
from datetime import datetime, time, timedelta
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from starlette.responses import Response

from console.access.rights import ACTION_TITLES, ROLE_TITLES, Action
from console.accounts import totp
from console.accounts.sessions import Identity
from console.errors import NotAllowed, NotThere
from console.pages.login import client, site
from console.routing import page
from console.texts import marked
from console.visit import Visit
from vault.errors import UsageError


def account(visit: Visit) -> Response:
    """All of it."""
    return account_page(visit)


def change_password(visit: Visit) -> Response:
    """With the old one; all other sessions end."""
    name = own_local(visit)
    accounts = visit.console.accounts
    accounts.login.require_patience(name, client(visit))
    if not accounts.local.has_password(name, visit.sent("old")):
        accounts.login.refused(name, client(visit))
        return account_page(visit, marked("The old password is wrong."), 401)
    if visit.sent("new") != visit.sent("again"):
        return account_page(visit, marked("The new password was typed in two ways."), 400)
    accounts.local.set_password(name, visit.sent("new"), keep_session=visit.caller.session)
    return account_page(visit, marked("The password is changed. All other sessions have ended."))


def second_factor(visit: Visit) -> Response:
    """A QR code for an app that makes one-time passwords."""
    return _second_factor(visit, "")


def confirm_second_factor(visit: Visit) -> Response:
    """Counts from the first code on."""
    name = own_local(visit)
    accounts = visit.console.accounts
    accounts.login.require_patience(name, client(visit))
    found = accounts.local.get(name)
    if found is not None and found.has_totp and not accounts.local.has_password(name, visit.sent("password")):
        accounts.login.refused(name, client(visit))
        return _second_factor(visit, marked("The password is wrong."), 401)
    if not accounts.local.confirm_totp(name, visit.sent("code")):
        accounts.login.refused(name, client(visit))
        return _second_factor(visit, marked("The code is wrong. Is the clock of the telephone right?"), 401)
    accounts.sessions.end_all(name, visit.caller.session)
    return visit.redirect("/account")


def end_session(visit: Visit) -> Response:
    """One of mine, or all others."""
    by_person(visit)
    sessions = visit.console.accounts.sessions
    if visit.sent("session") == "others":
        sessions.end_all(visit.person.name, visit.caller.session)
    else:
        sessions.end(visit.sent("session"), visit.person.name)
    return visit.redirect("/account")


def make_token(visit: Visit) -> Response:
    """It is shown this once."""
    by_person(visit)
    allowed = _allowed(visit)
    chosen = [one for one in allowed if one in visit.form.getlist("action")]
    projects = [one.strip() for one in visit.sent("projects").split(",") if one.strip()]
    identity = Identity(visit.person.name, visit.person.title, visit.person.groups, visit.caller.way)
    made = visit.console.accounts.tokens.make(identity, visit.sent("label"), chosen, projects, end_of_day(visit, "until"))
    return account_page(visit, made=made)


def end_token(visit: Visit) -> Response:
    """One of mine."""
    by_person(visit)
    visit.console.accounts.tokens.end(visit.sent("token"), visit.person.name)
    return visit.redirect("/account")


def account_page(visit: Visit, said: str = "", status: int = 200, made: str = "") -> Response:
    """All of it. said: what has come of a form · made: a new token."""
    by_person(visit)
    accounts, name = visit.console.accounts, visit.person.name
    return visit.render(
        "accounts/account.html",
        status,
        said=said,
        made=made,
        local=accounts.local.get(name) if visit.caller.way == "local" else None,
        sessions=accounts.sessions.of(name),
        tokens=accounts.tokens.of(name),
        assignments=visit.person.assignments,
        roles=ROLE_TITLES,
        actions={one: ACTION_TITLES[one] for one in _allowed(visit)},
        all_actions=ACTION_TITLES,
        first_day=(visit.now + timedelta(days=1)).date().isoformat(),
        last_day=(visit.now + timedelta(days=364)).date().isoformat(),
        needs_second_factor=accounts.settings().second_factor,
        passkeys=accounts.passkeys.of(name),
        has_name=site(visit) is not None,
    )


def _second_factor(visit: Visit, refused: str, status: int = 200) -> Response:
    import segno

    name = own_local(visit)
    secret = visit.console.accounts.local.new_totp(name)
    host = urlsplit(str(visit.request.base_url)).hostname or "console"
    drawn = io.BytesIO()
    segno.make(totp.address(secret, name, host), error="m").save(drawn, kind="svg", scale=4, dark="#000", light="#fff")
    found = visit.console.accounts.local.get(name)
    return visit.render(
        "accounts/second_factor.html",
        status,
        refused=refused,
        picture="data:image/svg+xml;base64," + base64.b64encode(drawn.getvalue()).decode(),
        secret=totp.text(secret),
        needs_password=found is not None and found.has_totp,
    )


def _allowed(visit: Visit) -> list[Action]:
    """What a token of theirs may be for: no administering, which needs a person at a browser."""
    return [one for one in Action if one != Action.ADMINISTER and visit.may(one)]


def by_person(visit: Visit) -> None:
    """No token makes or ends others. Raises `NotAllowed`."""
    if visit.caller.by == "token":
        raise NotAllowed("a token cannot do this", hint="sign in with a browser")


def own_local(visit: Visit) -> str:
    """The name of the local account that asks. Raises `NotAllowed`, `NotThere`."""
    by_person(visit)
    if visit.caller.way != "local" or visit.console.accounts.local.get(visit.person.name) is None:
        raise NotThere("this is done where you sign in, not here", hint="ask whoever administers your account")
    return visit.person.name


def end_of_day(visit: Visit, name: str) -> datetime:
    """The end of a day that was sent. Raises `UsageError`."""
    try:
        day = datetime.fromisoformat(visit.sent(name)).date()
    except ValueError as error:
        raise UsageError("the last day is missing, or is no day", hint="write it as 2026-12-31") from error
    return datetime.combine(day + timedelta(days=1), time(), ZoneInfo(visit.console.zone))


ROUTES = (
    page("GET", "/account", account),
    page("POST", "/account/password", change_password),
    page("GET", "/account/second-factor", second_factor),
    page("POST", "/account/second-factor", confirm_second_factor),
    page("POST", "/account/sessions/end", end_session),
    page("POST", "/account/tokens", make_token),
    page("POST", "/account/tokens/end", end_token),
)
