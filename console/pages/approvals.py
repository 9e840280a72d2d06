"""Requests for a second person's approval: mine, and those that wait for me."""

from __future__ import annotations

from starlette.responses import Response

from console.gateway import approvals, approved
from console.routing import page
from console.visit import Visit
from vault.errors import UsageError


def requests(visit: Visit) -> Response:
    """Both."""
    return visit.render(
        "getting_back/requests.html",
        waiting=approvals.for_me(visit),
        mine=approvals.mine(visit),
        decided=approvals.decided_by_me(visit),
    )


def request(visit: Visit) -> Response:
    """One, with its reason, and what becomes of it."""
    found = approvals.get(visit, visit.value("request"))
    return visit.render(
        "getting_back/request.html",
        request=found,
        hold=approved.hold_of(visit, found),
        rules=approved.rules_of(found),
        may_decide=approvals.may_decide(visit, found),
        may_do=approved.by_hand(visit, found),
    )


def decide_request(visit: Visit) -> Response:
    """`decision`: approve or refuse · `note`: words for whoever asked."""
    decision = visit.sent("decision")
    if decision not in ("approve", "refuse"):
        raise UsageError("the decision is missing", hint="choose whether to approve or to refuse")
    found = approvals.decide(visit, visit.value("request"), approve=decision == "approve", note=visit.sent("note"))
    return visit.redirect(visit.path_to("approvals", found.id))


def withdraw_request(visit: Visit) -> Response:
    """Take back my own."""
    found = approvals.withdraw(visit, visit.value("request"))
    return visit.redirect(visit.path_to("approvals", found.id))


def do_approved(visit: Visit) -> Response:
    """Do what was approved."""
    return visit.redirect(visit.path_to(*approved.carry_out(visit, visit.value("request"))))


ROUTES = (
    page("GET", "/approvals", requests),
    page("GET", "/approvals/{request}", request),
    page("POST", "/approvals/{request}/decide", decide_request),
    page("POST", "/approvals/{request}/withdraw", withdraw_request),
    page("POST", "/approvals/{request}/carry-out", do_approved),
)
