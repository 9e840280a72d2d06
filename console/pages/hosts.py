"""Hosts that carry out restores, for administrators: their tokens."""

from __future__ import annotations

from datetime import timedelta

from starlette.responses import Response

from console.gateway import hosting
from console.pages.account import end_of_day
from console.routing import page
from console.visit import Visit


def hosts(visit: Visit) -> Response:
    """All of them."""
    return _page(visit)


def add_host(visit: Visit) -> Response:
    """A token for one, which is shown this once."""
    hosting.all_hosts(visit)  # whoever may not see them learns nothing of what is wrong with the form
    projects = [one.strip() for one in visit.sent("projects").split(",") if one.strip()]
    made = hosting.add_host(visit, visit.sent("name"), projects, end_of_day(visit, "until"))
    return _page(visit, visit.sent("name").strip(), made)


def end_host(visit: Visit) -> Response:
    """End the token of one."""
    hosting.end_host(visit, visit.sent("name"))
    return visit.redirect("/hosts")


def _page(visit: Visit, name: str = "", made: str = "") -> Response:
    return visit.render(
        "hosts/hosts.html",
        hosts=hosting.all_hosts(visit),
        name=name,
        made=made,
        first_day=(visit.now + timedelta(days=1)).date().isoformat(),
        last_day=(visit.now + timedelta(days=364)).date().isoformat(),
    )


ROUTES = (
    page("GET", "/hosts", hosts),
    page("POST", "/hosts", add_host),
    page("POST", "/hosts/end", end_host),
)
