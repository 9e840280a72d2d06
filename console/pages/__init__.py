"""One module an area; each has its pages as `ROUTES`.

ask       questions in SQL
home      my projects
previews  what is in an item
prove     the log, evidence, holds
watch     how everything is, runs, drills, storage, retention
"""

from __future__ import annotations

from console.pages import ask, home, previews, prove, watch
from console.routing import Page

PAGES: tuple[Page, ...] = (*ask.ROUTES, *home.ROUTES, *previews.ROUTES, *prove.ROUTES, *watch.ROUTES)
