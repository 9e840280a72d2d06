"""Who may what, as a table: each route of the console, and the action that it needs. A route without a line fails the tests.

For pages of one item, `kinds` says how the query names an item of each kind: whoever has another kind alone does not find it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from msgspec import Struct, field

from console.access.rights import Action


class Line(Struct, frozen=True):
    """needs: one of these actions, in the project of the path where there is one; without any: see `who` · who: `public`, also
    those who have not signed in; `signed-in`, everybody else, as it is about what is their own; `host`, no person at all ·
    whole: only for those who may it in all of the project · query, form, body: of a request that makes sense · kinds: queries
    that name an item, by its kind · empty: what is said to whoever may it, and finds nothing there in these tests."""

    needs: tuple[Action, ...] = ()
    who: Literal["public", "signed-in", "host", ""] = ""
    whole: bool = False
    query: str = ""
    kinds: Mapping[str, str] = field(default_factory=dict)
    form: Mapping[str, str] = field(default_factory=dict)
    body: str = "{}"
    empty: str = ""


PUBLIC, SIGNED_IN = Line(who="public"), Line(who="signed-in")
NO_SUCH_WORK = '{"lease": "none", "result": "failed"}'
ITEM = {"reports": "path=reports%2F2024-05.csv", "tickets": "path=tickets%2F2024-05.jsonl"}
PICTURE = {"reports": "path=reports%2Flogo.png", "tickets": "path=tickets%2Flogo.png"}
VERSIONS = {kind: f"{one}&since=x&until=y" for kind, one in ITEM.items()}
SEE, READ, ASK, WATCH = Line((Action.SEE,)), Line((Action.READ,)), Line((Action.ASK,)), Line((Action.WATCH,), whole=True)
AUDIT = Line((Action.AUDIT,), whole=True)
HOLDS = Line((Action.AUDIT, Action.HOLD), whole=True)
ERASE = Line((Action.ERASE,), whole=True)
ACT = Line((Action.ERASE, Action.AUDIT), whole=True, empty="this project was not erased")
BAG = Line((Action.EXPORT_BAG,))
QUESTION = '{"sql": "select 1 as one"}'

LINES: Mapping[str, Line] = {
    "GET /": SIGNED_IN,
    # signing in and out
    "GET /login": PUBLIC,
    "POST /login": PUBLIC,
    "GET /login/code": PUBLIC,
    "POST /login/code": PUBLIC,
    "POST /login/passkey": PUBLIC,
    "POST /login/code/passkey": PUBLIC,
    "GET /login/openid": PUBLIC,
    "GET /login/openid/back": PUBLIC,
    "POST /logout": PUBLIC,
    "POST /language": PUBLIC,
    # my account, and those of others
    "GET /account": SIGNED_IN,
    "POST /account/password": SIGNED_IN,
    "GET /account/second-factor": SIGNED_IN,
    "POST /account/second-factor": SIGNED_IN,
    "POST /account/passkeys/begin": SIGNED_IN,
    "POST /account/passkeys": SIGNED_IN,
    "POST /account/passkeys/remove": SIGNED_IN,
    "POST /account/sessions/end": Line(who="signed-in", form={"session": "none"}),
    "POST /account/tokens": SIGNED_IN,
    "POST /account/tokens/end": Line(who="signed-in", form={"token": "none"}),
    "GET /people": Line((Action.ADMINISTER,)),
    "POST /people": Line((Action.ADMINISTER,)),
    "POST /people/change": Line((Action.ADMINISTER,), form={"name": "x", "what": "nothing"}),
    "GET /hosts": Line((Action.ADMINISTER,)),
    "POST /hosts": Line((Action.ADMINISTER,), form={"name": "backup1"}),
    "POST /hosts/end": Line((Action.ADMINISTER,), form={"name": "none"}),
    # browsing
    "GET /projects/{project}": SEE,
    "GET /projects/{project}/periods": SEE,
    "GET /projects/{project}/timeline": SEE,
    "GET /projects/{project}/vanished": SEE,
    "GET /projects/{project}/search": Line((Action.SEE,), query="q=2024"),
    "GET /projects/{project}/item": Line((Action.SEE,), kinds=ITEM),
    "GET /projects/{project}/item/differences": Line((Action.READ,), kinds=VERSIONS),
    "GET /projects/{project}/item/preview": Line((Action.READ,), kinds=ITEM),
    "GET /projects/{project}/item/content": Line((Action.READ,), kinds=PICTURE),
    # getting back
    "GET /projects/{project}/basket": SEE,
    "POST /projects/{project}/basket": Line((Action.SEE,), form={"number": "0"}),
    "POST /projects/{project}/basket/remove": Line((Action.SEE,), form={"number": "0"}),
    "GET /projects/{project}/get-back": Line((Action.RESTORE_IN_PLACE,), query="goal=place", empty="the basket is empty"),
    "POST /projects/{project}/get-back": Line(
        (Action.DOWNLOAD, Action.EXPORT_PROJECT), form={"goal": "download"}, empty="the basket is empty"
    ),
    "GET /tasks": SIGNED_IN,
    "GET /tasks/{task}": SIGNED_IN,
    "POST /tasks/{task}/cancel": SIGNED_IN,
    "POST /tasks/{task}/confirm": SIGNED_IN,
    "POST /tasks/{task}/again": SIGNED_IN,
    "GET /downloads/{task}/{name}": SIGNED_IN,
    "GET /approvals": SIGNED_IN,
    "GET /approvals/{request}": SIGNED_IN,
    "POST /approvals/{request}/decide": Line(who="signed-in", form={"decision": "approve"}),
    "POST /approvals/{request}/withdraw": SIGNED_IN,
    # questions
    "GET /projects/{project}/ask": ASK,
    "POST /projects/{project}/ask": Line((Action.ASK,), form={"sql": "select 1 as one"}),
    "POST /projects/{project}/ask/remove": Line((Action.ASK,), form={"question": "0"}, empty="you keep no such question"),
    # watching
    "GET /watch": SIGNED_IN,  # the projects that one may watch; of others nothing
    "GET /projects/{project}/watch": WATCH,
    "GET /projects/{project}/runs": WATCH,
    "POST /projects/{project}/runs": Line((Action.OPERATE,), whole=True, form={"job": "nothing"}),
    "GET /projects/{project}/flagged": WATCH,
    "POST /projects/{project}/flagged": Line((Action.OPERATE,), whole=True),
    "GET /projects/{project}/retention": WATCH,
    "POST /projects/{project}/holds": Line((Action.HOLD,), whole=True),
    "POST /projects/{project}/holds/release": Line((Action.RELEASE_HOLD,), whole=True, form={"hold": "none", "reason": "x"}),
    # keeping
    "POST /projects/{project}/retention": Line((Action.SHORTEN_RETENTION,), whole=True, form={"reason": "x"}),
    "GET /copies/{copy}/retention": SIGNED_IN,  # for operators of all projects: test_copy_retention.py
    "POST /copies/{copy}/retention": SIGNED_IN,  # likewise
    "GET /projects/{project}/erase": ERASE,
    "POST /projects/{project}/erase": Line((Action.ERASE,), whole=True, form={"step": "ask", "confirm": "no", "reason": "x"}),
    "GET /projects/{project}/erasure": ACT,
    "GET /projects/{project}/erasure/file": ACT,
    "POST /approvals/{request}/carry-out": SIGNED_IN,
    # proving
    "GET /prove": SIGNED_IN,  # the projects whose log one may read
    "GET /prove/accounts": SIGNED_IN,  # for auditors of everything: test_account_log.py
    "GET /projects/{project}/log": AUDIT,
    "POST /projects/{project}/log/file": AUDIT,
    "POST /projects/{project}/log/verify": AUDIT,
    "POST /projects/{project}/evidence": Line((Action.AUDIT,), whole=True, form={"period": "nothing"}),
    "GET /projects/{project}/holds": HOLDS,
    "GET /projects/{project}/export": BAG,
    "POST /projects/{project}/export": Line((Action.EXPORT_BAG,), form={"reason": ""}),
    "GET /projects/{project}/bags": BAG,
    "POST /projects/{project}/bags/verify": BAG,
    # hosts that carry out restores
    "POST /api/v1/host/work": Line(who="host", body='{"machine": "backup1", "projects": {}}'),
    "POST /api/v1/host/progress": Line(who="host", body='{"lease": "none"}'),
    "POST /api/v1/host/outcome": Line(who="host", body=NO_SUCH_WORK),
    # scripts
    "GET /api/v1/openapi.json": SIGNED_IN,
    "GET /api/v1/projects": SIGNED_IN,
    "GET /api/v1/projects/{project}/item/preview": Line((Action.READ,), kinds=ITEM),
    "GET /api/v1/projects/{project}/item/content": Line((Action.READ,), kinds=PICTURE),
    "GET /api/v1/accounts/log": SIGNED_IN,
    "GET /api/v1/projects/{project}/log": AUDIT,
    "POST /api/v1/projects/{project}/log/file": AUDIT,
    "POST /api/v1/projects/{project}/log/verify": AUDIT,
    "POST /api/v1/projects/{project}/evidence": Line((Action.AUDIT,), whole=True, body='{"period": "nothing"}'),
    "POST /api/v1/projects/{project}/export/plan": BAG,
    "POST /api/v1/projects/{project}/export": BAG,
    "GET /api/v1/projects/{project}/bags": BAG,
    "POST /api/v1/projects/{project}/bags/verify": BAG,
    "POST /api/v1/projects/{project}/bags/verify-listed": Line(
        (Action.EXPORT_BAG,), body='{"folder": "", "name": ""}', empty="there is no such bag"
    ),
    "GET /api/v1/projects/{project}/holds": HOLDS,
    "POST /api/v1/projects/{project}/holds": Line((Action.HOLD,), whole=True, body='{"reason": ""}'),
    "POST /api/v1/projects/{project}/holds/release": Line(
        (Action.RELEASE_HOLD,), whole=True, body='{"hold": "none", "reason": "x"}'
    ),
    "POST /api/v1/projects/{project}/retention/try": WATCH,
    "POST /api/v1/projects/{project}/retention": Line((Action.SHORTEN_RETENTION,), whole=True, body='{"reason": "x"}'),
    "GET /api/v1/copies": SIGNED_IN,  # for operators of all projects; for others it is empty
    "GET /api/v1/copies/{copy}/retention": SIGNED_IN,  # for operators of all projects: test_copy_retention.py
    "POST /api/v1/copies/{copy}/retention/try": Line(who="signed-in", body='{"own": false}'),
    "POST /api/v1/copies/{copy}/retention": Line(who="signed-in", body='{"own": false, "reason": "x"}'),
    "GET /api/v1/projects/{project}/erase": ERASE,
    "POST /api/v1/projects/{project}/erase": Line((Action.ERASE,), whole=True, body='{"step": "ask", "confirm": "no"}'),
    "GET /api/v1/projects/{project}/erasure": ACT,
    "GET /api/v1/projects/{project}/erasure/file": ACT,
    "POST /api/v1/approvals/{request}/carry-out": SIGNED_IN,
    "GET /api/v1/projects/{project}/items": SEE,
    "GET /api/v1/projects/{project}/periods": SEE,
    "GET /api/v1/projects/{project}/snapshots": SEE,
    "GET /api/v1/projects/{project}/vanished": SEE,
    "GET /api/v1/projects/{project}/search": Line((Action.SEE,), query="q=2024"),
    "GET /api/v1/projects/{project}/item": Line((Action.SEE,), kinds=ITEM),
    "GET /api/v1/projects/{project}/item/differences": Line((Action.READ,), kinds=VERSIONS),
    "GET /api/v1/projects/{project}/basket": SEE,
    "POST /api/v1/projects/{project}/basket": SEE,
    "POST /api/v1/projects/{project}/basket/remove": SEE,
    "POST /api/v1/projects/{project}/plan": Line(
        (Action.RESTORE_IN_PLACE,), body='{"goal": "place"}', empty="the basket is empty"
    ),
    "POST /api/v1/projects/{project}/get-back": Line(
        (Action.DOWNLOAD, Action.EXPORT_PROJECT), body='{"goal": "download"}', empty="the basket is empty"
    ),
    "GET /api/v1/tasks": SIGNED_IN,
    "GET /api/v1/tasks/{task}": SIGNED_IN,
    "POST /api/v1/tasks/{task}/cancel": SIGNED_IN,
    "POST /api/v1/tasks/{task}/confirm": Line(who="signed-in", body='{"replacing": 0}'),
    "POST /api/v1/tasks/{task}/again": SIGNED_IN,
    "GET /api/v1/approvals": SIGNED_IN,
    "POST /api/v1/approvals/{request}/decide": Line(who="signed-in", body='{"decision": "approve"}'),
    "POST /api/v1/approvals/{request}/withdraw": SIGNED_IN,
    "GET /api/v1/watch": SIGNED_IN,
    "GET /api/v1/projects/{project}/watch": WATCH,
    "GET /api/v1/projects/{project}/runs": WATCH,
    "POST /api/v1/projects/{project}/runs": Line((Action.OPERATE,), whole=True, body='{"job": "nothing"}'),
    "GET /api/v1/projects/{project}/flagged": WATCH,
    "POST /api/v1/projects/{project}/flagged": Line((Action.OPERATE,), whole=True, body='{"snapshots": [], "reason": ""}'),
    "GET /api/v1/projects/{project}/retention": WATCH,
    "POST /api/v1/projects/{project}/ask": Line((Action.ASK,), body=QUESTION),
    "POST /api/v1/projects/{project}/ask/file": Line((Action.DOWNLOAD,), body=QUESTION),
    "GET /api/v1/projects/{project}/tables": ASK,
    "GET /api/v1/projects/{project}/questions": ASK,
    "POST /api/v1/projects/{project}/questions/remove": Line(
        (Action.ASK,), body='{"question": "0"}', empty="you keep no such question"
    ),
    "POST /api/v1/projects/{project}/questions": Line((Action.ASK,), body='{"sql": "", "title": ""}'),
}
