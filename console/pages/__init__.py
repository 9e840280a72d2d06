"""One module an area; each has its pages as `ROUTES`.

home    my projects
basket  what was ticked, and the plan of getting it back
tasks   how far it is, downloads
approvals   requests for a second person
"""

from __future__ import annotations

from console.pages import approvals, basket, home, tasks
from console.routing import Page

PAGES: tuple[Page, ...] = (*home.ROUTES, *basket.ROUTES, *tasks.ROUTES, *approvals.ROUTES)
