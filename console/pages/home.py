"""My projects, as cards."""

from __future__ import annotations

from starlette.responses import Response

from console.gateway import home as cards
from console.routing import page
from console.visit import Visit


def home(visit: Visit) -> Response:
    """The first page."""
    return visit.render("home/home.html", cards=cards.cards(visit))


ROUTES = (page("GET", "/", home),)
