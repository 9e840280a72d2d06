"""Signing in and out: password and one-time password, OpenID Connect; the language before anybody is known."""

from __future__ import annotations

import hmac
import re

from starlette.responses import Response

from console import texts
from console.accounts import cookies
from console.accounts.login import Answer, Client
from console.accounts.tables import words
from console.errors import ForgedRequest, LoginRefused, TooManyTries
from console.routing import page
from console.texts import marked
from console.visit import Visit

_OWN_PATH = re.compile(r"/(?![/\\])[\x21-\x7e]*")
LONGEST_BACK = 2000
LANGUAGE_HOLDS = 365 * 86400
_WRONG = marked("The name or the password is wrong.")
_WRONG_CODE = marked("The code is wrong, or was used before. Wait for the next one.")
_BEGIN_AGAIN = marked("That took too long, or too many codes were wrong. Please begin again.")
_WAIT = marked("Too many wrong answers. Please wait for %(seconds)s seconds, and try again.")


def login(visit: Visit) -> Response:
    """Name and password; or to whoever vouches for people."""
    back = own_path(visit.asked("back"))
    if visit.is_signed_in:
        return visit.redirect(back)
    return _form(visit, back)


def check_password(visit: Visit) -> Response:
    """The first step."""
    back = own_path(visit.sent("back"))
    _require_own_form(visit)
    try:
        answer = visit.console.accounts.login.password(visit.sent("name"), visit.sent("password"), back, client(visit))
    except LoginRefused:
        return _form(visit, back, _WRONG, 401)
    except TooManyTries as error:
        return _form(visit, back, _WAIT, 429, error.wait)
    if answer.session:
        return begun(visit, answer)
    page = visit.redirect("/login/code")
    cookies.put(page, cookies.STEP, answer.step, secure=visit.console.secure, seconds=300)
    return page


def code(visit: Visit) -> Response:
    """The second step is asked for."""
    return visit.render("accounts/code.html", refused="", seconds=0)


def check_code(visit: Visit) -> Response:
    """The second step."""
    secure = visit.console.secure
    step = visit.request.cookies.get(cookies.name(cookies.STEP, secure=secure), "")
    try:
        answer = visit.console.accounts.login.code(step, visit.sent("code"), client(visit))
    except LoginRefused as error:
        if error.again:
            return visit.render("accounts/code.html", 401, refused=_WRONG_CODE, seconds=0)
        return _form(visit, "/", _BEGIN_AGAIN, 401)
    except TooManyTries as error:
        return visit.render("accounts/code.html", 429, refused=_WAIT, seconds=max(1, round(error.wait)))
    return begun(visit, answer)


def to_provider(visit: Visit) -> Response:
    """Off to the provider."""
    begun_try = visit.console.accounts.openid.begin(own_path(visit.asked("back")))
    page = visit.redirect(begun_try.url)
    cookies.put(page, cookies.OPENID, begun_try.cookie, secure=visit.console.secure, seconds=600)
    return page


def from_provider(visit: Visit) -> Response:
    """Back from there."""
    secure = visit.console.secure
    cookie = visit.request.cookies.get(cookies.name(cookies.OPENID, secure=secure), "")
    accounts = visit.console.accounts
    identity, back = accounts.openid.finish(dict(visit.request.query_params), cookie)
    return begun(visit, accounts.login.begin(identity, own_path(back), client(visit)))


def logout(visit: Visit) -> Response:
    """The session ends, here and for whoever has its cookie."""
    if visit.is_signed_in and visit.caller.session:
        visit.console.accounts.sessions.end(visit.caller.session)
    page = visit.redirect("/login")
    cookies.drop(page, cookies.SESSION, secure=visit.console.secure)
    page.headers["clear-site-data"] = '"cache", "storage"'
    return page


def language(visit: Visit) -> Response:
    """Before anybody is known it stays in the browser, after that with the person."""
    wanted = visit.sent("language")
    chosen = wanted if wanted in texts.LANGUAGES else ""
    if visit.is_signed_in:
        visit.console.accounts.preferences.choose(visit.person.name, chosen)
    page = visit.redirect(own_path(visit.sent("back")))
    page.set_cookie(
        "language", chosen, max_age=LANGUAGE_HOLDS, secure=visit.console.secure, httponly=True, samesite="lax", path="/"
    )
    return page


def begun(visit: Visit, answer: Answer) -> Response:
    """A session has begun: what the browser had before ends."""
    if visit.is_signed_in and visit.caller.session:
        visit.console.accounts.sessions.end(visit.caller.session)
    secure = visit.console.secure
    page = visit.redirect(own_path(answer.back))
    cookies.put(page, cookies.SESSION, answer.session, secure=secure)
    for other in (cookies.STEP, cookies.OPENID, cookies.FORM):
        cookies.drop(page, other, secure=secure)
    return page


def client(visit: Visit) -> Client:
    """Who asks, as sessions remember it."""
    return Client(visit.address, visit.request.headers.get("user-agent", ""))


def own_path(text: str) -> str:
    """A path of this console; the first page for whatever is none, such as an address elsewhere."""
    return text if len(text) <= LONGEST_BACK and _OWN_PATH.fullmatch(text) else "/"


def _form(visit: Visit, back: str, refused: str = "", status: int = 200, seconds: float = 0) -> Response:
    secure = visit.console.secure
    token = visit.request.cookies.get(cookies.name(cookies.FORM, secure=secure), "") or words(
        visit.console.randomness.token(32)
    )
    openid = visit.console.accounts.settings().openid
    page = visit.render(
        "accounts/login.html",
        status,
        back=back,
        refused=refused,
        seconds=max(1, round(seconds)),
        form_token=token,
        name=visit.sent("name"),
        openid=None if openid is None else openid.title,
    )
    cookies.put(page, cookies.FORM, token, secure=secure)
    if status == 429:
        page.headers["retry-after"] = str(max(1, round(seconds)))
    return page


def _require_own_form(visit: Visit) -> None:
    """Nobody is signed in to an account of somebody else's by another site. Raises `ForgedRequest`."""
    expected = visit.request.cookies.get(cookies.name(cookies.FORM, secure=visit.console.secure), "")
    if not expected or not hmac.compare_digest(expected.encode(), visit.sent("form").encode()):
        raise ForgedRequest(
            "the login page is an old one, or the browser keeps no cookies", hint="open the login page anew, and sign in there"
        )


ROUTES = (
    page("GET", "/login", login, public=True),
    page("POST", "/login", check_password, public=True),
    page("GET", "/login/code", code, public=True),
    page("POST", "/login/code", check_code, public=True),
    page("GET", "/login/openid", to_provider, public=True),
    page("GET", "/login/openid/back", from_provider, public=True),
    page("POST", "/logout", logout, public=True),
    page("POST", "/language", language, public=True),
)
