"""The console's cookies: out of scripts' reach, of this host alone, and not sent with what other sites start."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.responses import Response

SESSION, STEP, OPENID, FORM = "session", "login-step", "login-openid", "login-form"


def name(plain: str, *, secure: bool) -> str:
    """With HTTPS in a form that browsers take from this very host alone."""
    return f"__Host-{plain}" if secure else plain


def put(response: Response, plain: str, value: str, *, secure: bool, seconds: int | None = None) -> None:
    """Set one. seconds: how long the browser keeps it; None: to its end."""
    response.set_cookie(
        name(plain, secure=secure), value, max_age=seconds, path="/", secure=secure, httponly=True, samesite="lax"
    )


def drop(response: Response, plain: str, *, secure: bool) -> None:
    """Take one back."""
    response.delete_cookie(name(plain, secure=secure), path="/", secure=secure, httponly=True, samesite="lax")
