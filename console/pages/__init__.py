"""One module an area; each has its pages as `ROUTES`.

home    my projects
"""

from __future__ import annotations

from console.pages import home
from console.routing import Page

PAGES: tuple[Page, ...] = (*home.ROUTES,)
