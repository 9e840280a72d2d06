"""The passkeys of my account: registered and removed by whoever knows the password."""

from __future__ import annotations

from starlette.responses import Response

from console.accounts.passkeys import HOLDS
from console.errors import LoginRefused, NotThere
from console.pages.account import account_page, own_local
from console.pages.login import client, site
from console.routing import page
from console.texts import marked
from console.visit import Visit

_WRONG = marked("The password is wrong.")
_NOT_MADE = marked("The passkey was not registered. Please try again.")


def begin(visit: Visit) -> Response:
    """The password again; then the question for the device, which is bound to this session."""
    name, place, accounts = own_local(visit), site(visit), visit.console.accounts
    account = accounts.local.get(name)
    if place is None or account is None or not visit.caller.session:
        raise NotThere("passkeys need a name in the address", hint="open the console by its name, or as localhost")
    if not _has_password(visit, name):
        return account_page(visit, _WRONG, 401)
    options = accounts.passkeys.to_register(place, visit.caller.session, name, account.title, account.created)
    return visit.render("accounts/passkey.html", passkey_options=options, passkey_holds=HOLDS)


def register(visit: Visit) -> Response:
    """What the device has answered. All other sessions end."""
    name, accounts = own_local(visit), visit.console.accounts
    accounts.login.require_patience(name, client(visit))
    try:
        accounts.passkeys.register(visit.sent("answer"), name, visit.sent("label"), site(visit), visit.caller.session)
    except LoginRefused as error:
        if not error.again:
            accounts.login.refused(name, client(visit))
        return account_page(visit, _NOT_MADE, 401)
    accounts.sessions.end_all(name, visit.caller.session)
    return account_page(visit, marked("The passkey signs you in from now on. All other sessions have ended."))


def remove(visit: Visit) -> Response:
    """One of mine, with the password. All other sessions end."""
    name, accounts = own_local(visit), visit.console.accounts
    if not _has_password(visit, name):
        return account_page(visit, _WRONG, 401)
    if accounts.passkeys.remove(name, visit.sent("passkey")) is not None:
        accounts.sessions.end_all(name, visit.caller.session)
    return visit.redirect("/account")


def _has_password(visit: Visit, name: str) -> bool:
    """Whether it was typed. Raises `TooManyTries`."""
    login = visit.console.accounts.login
    login.require_patience(name, client(visit))
    if visit.console.accounts.local.has_password(name, visit.sent("password")):
        return True
    login.refused(name, client(visit))
    return False


ROUTES = (
    page("POST", "/account/passkeys/begin", begin),
    page("POST", "/account/passkeys", register),
    page("POST", "/account/passkeys/remove", remove),
)
