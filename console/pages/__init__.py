"""One module an area; each has its pages as `ROUTES`.

home      my projects
previews  what is in an item
prove     the log, evidence, holds
"""

from __future__ import annotations

from console.pages import home, previews, prove
from console.routing import Page

PAGES: tuple[Page, ...] = (*home.ROUTES, *previews.ROUTES, *prove.ROUTES)
