"""Signing in and out: password and second factor, passkeys, OpenID Connect; the language before anybody is known."""

from __future__ import annotations

import hmac
import re
from collections.abc import Callable

from starlette.responses import Response

from console import texts
from console.accounts import cookies
from console.accounts.account_log import SIGN_OUT
from console.accounts.login import Answer, Client
from console.accounts.passkeys import HOLDS, CounterWentBack, Site, site_of
from console.accounts.tables import words
from console.errors import ForgedRequest, LoginRefused, TooManyTries
from console.letters import passkey_is_doubted
from console.routing import page
from console.texts import marked
from console.visit import Visit

_OWN_PATH = re.compile(r"/(?![/\\])[\x21-\x7e]*")
LONGEST_BACK = 2000
LANGUAGE_HOLDS = 365 * 86400
_WRONG = marked("The name or the password is wrong.")
_WRONG_CODE = marked("The code is wrong, or was used before. Wait for the next one.")
_BEGIN_AGAIN = marked("That took too long, or too many codes were wrong. Please begin again.")
_WRONG_PASSKEY = marked("The passkey was not accepted. Try again, or sign in with the password.")
_COPIED = marked(
    "This passkey may have been copied, and signs nobody in any more. Sign in without it, and remove it on your account."
)
_LATE = marked("That took too long. Please try again.")
_WAIT = marked("Too many wrong answers. Please wait for %(time)s, and try again.")


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


def check_passkey(visit: Visit) -> Response:
    """A passkey in the place of both steps."""
    back, login = own_path(visit.sent("back")), visit.console.accounts.login
    _require_own_form(visit)
    try:
        answer = login.passkey(visit.sent("answer"), site(visit), visit.sent("form"), back, client(visit))
    except LoginRefused as error:
        return _form(visit, back, _refused_passkey(visit, error), 401)
    except TooManyTries as error:
        return _form(visit, back, _WAIT, 429, error.wait)
    return begun(visit, answer)


def code(visit: Visit) -> Response:
    """The second step is asked for."""
    return _second_step(visit)


def check_code(visit: Visit) -> Response:
    """The second step, with a one-time password."""
    return _second(visit, lambda step: visit.console.accounts.login.code(step, visit.sent("code"), client(visit)))


def check_second_passkey(visit: Visit) -> Response:
    """The second step, with a passkey."""
    login = visit.console.accounts.login
    return _second(visit, lambda step: login.second_passkey(step, visit.sent("answer"), site(visit), client(visit)))


def _second(visit: Visit, answered: Callable[[str], Answer]) -> Response:
    try:
        answer = answered(_step(visit))
    except LoginRefused as error:
        if visit.console.accounts.login.awaited(_step(visit)) is None:
            return _form(visit, "/", _BEGIN_AGAIN, 401)
        return _second_step(visit, _WRONG_CODE if visit.form.get("code") is not None else _refused_passkey(visit, error), 401)
    except TooManyTries as error:
        return _second_step(visit, _WAIT, 429, error.wait)
    return begun(visit, answer)


def _second_step(visit: Visit, refused: str = "", status: int = 200, seconds: float = 0) -> Response:
    accounts, step, place = visit.console.accounts, _step(visit), site(visit)
    account = accounts.login.awaited(step)
    options = ""
    if account is not None and account.passkeys and place is not None:
        options = accounts.passkeys.to_second_factor(place, step, account.name)
    return visit.render(
        "accounts/code.html",
        status,
        refused=refused,
        seconds=max(1, round(seconds)),
        has_code=account is None or account.has_totp,
        has_passkey=account is not None and account.passkeys > 0,
        passkey_options=options,
        passkey_holds=HOLDS,
    )


def _step(visit: Visit) -> str:
    return visit.request.cookies.get(cookies.name(cookies.STEP, secure=visit.console.secure), "")


def _refused_passkey(visit: Visit, error: LoginRefused) -> str:
    if isinstance(error, CounterWentBack):
        if error.passkey.doubted is None:  # it was not known before
            visit.console.post.tell(error.passkey.name, passkey_is_doubted(error.passkey))
        return _COPIED
    return _LATE if error.again else _WRONG_PASSKEY


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
    try:
        identity, back = accounts.openid.finish(dict(visit.request.query_params), cookie)
    except LoginRefused:
        accounts.log.refused(None, visit.address)
        raise
    return begun(visit, accounts.login.begin(identity, own_path(back), client(visit), "OpenID Connect"))


def logout(visit: Visit) -> Response:
    """The session ends, here and for whoever has its cookie."""
    if visit.is_signed_in and visit.caller.session:
        visit.console.accounts.sessions.end(visit.caller.session, action=SIGN_OUT)
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


def site(visit: Visit) -> Site | None:
    """What passkeys are bound to here; None where the console is asked for by a number."""
    return site_of(visit.console.accounts.settings().url, str(visit.request.base_url))


def own_path(text: str) -> str:
    """A path of this console; the first page for whatever is none, such as an address elsewhere."""
    return text if len(text) <= LONGEST_BACK and _OWN_PATH.fullmatch(text) else "/"


def _form(visit: Visit, back: str, refused: str = "", status: int = 200, seconds: float = 0) -> Response:
    secure = visit.console.secure
    token = visit.request.cookies.get(cookies.name(cookies.FORM, secure=secure), "") or words(
        visit.console.randomness.token(32)
    )
    openid, place, passkeys = visit.console.accounts.settings().openid, site(visit), visit.console.accounts.passkeys
    page = visit.render(
        "accounts/login.html",
        status,
        back=back,
        refused=refused,
        seconds=max(1, round(seconds)),
        form_token=token,
        name=visit.sent("name"),
        openid=None if openid is None else openid.title,
        passkey_options=passkeys.to_sign_in(place, token) if place is not None and passkeys.any() else "",
        passkey_holds=HOLDS,
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
    page("POST", "/login/passkey", check_passkey, public=True),
    page("POST", "/login/code/passkey", check_second_passkey, public=True),
    page("GET", "/login/openid", to_provider, public=True),
    page("GET", "/login/openid/back", from_provider, public=True),
    page("POST", "/logout", logout, public=True),
    page("POST", "/language", language, public=True),
)
