"""Who may what, as a table: each route of the console, and the action that it needs. A route without a line fails the tests.

For pages of one item, `kind` says how the query names an item of one kind: whoever has another kind alone does not find it.
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct, field

from console.access.rights import Action

PUBLIC = "public"
"""Also for those who have not signed in."""
SIGNED_IN = "signed-in"
"""For everybody who has signed in; it is about what is their own."""


class Line(Struct, frozen=True):
    """needs: an action, in the project of the path where there is one · query: what makes sense of the path · kinds: queries
    that name an item, by its kind · form: what is sent."""

    needs: Action | str
    query: str = ""
    kinds: Mapping[str, str] = field(default_factory=dict)
    form: Mapping[str, str] = field(default_factory=dict)


_ITEM = {"reports": "path=reports%2F2024-05.csv", "tickets": "path=tickets%2F2024-05.jsonl"}

LINES: Mapping[str, Line] = {
    "GET /": Line(SIGNED_IN),
    "GET /login": Line(PUBLIC),
    "POST /login": Line(PUBLIC),
    "GET /login/code": Line(PUBLIC),
    "POST /login/code": Line(PUBLIC),
    "GET /login/openid": Line(PUBLIC),
    "GET /login/openid/back": Line(PUBLIC),
    "POST /logout": Line(PUBLIC),
    "POST /language": Line(PUBLIC),
    "GET /account": Line(SIGNED_IN),
    "POST /account/password": Line(SIGNED_IN),
    "GET /account/second-factor": Line(SIGNED_IN),
    "POST /account/second-factor": Line(SIGNED_IN),
    "POST /account/sessions/end": Line(SIGNED_IN, form={"session": "none"}),
    "POST /account/tokens": Line(SIGNED_IN),
    "POST /account/tokens/end": Line(SIGNED_IN, form={"token": "none"}),
    "GET /people": Line(Action.ADMINISTER),
    "POST /people": Line(Action.ADMINISTER),
    "POST /people/change": Line(Action.ADMINISTER, form={"name": "x", "what": "nothing"}),
}
