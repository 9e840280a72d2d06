"""One module an area; each has its pages as `ROUTES`.

home    my projects
browse  a project: folders, periods, snapshots, what vanished
search  in a project
item    one item: versions, and how two of them differ
"""

from __future__ import annotations

from console.pages import browse, home, item, search
from console.routing import Page

PAGES: tuple[Page, ...] = (
    *home.ROUTES,
    *browse.ROUTES,
    *search.ROUTES,
    *item.ROUTES,
)
