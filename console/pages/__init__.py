"""One module an area; each has its pages as `ROUTES`.

account    my account: password, second factor, sessions, tokens
browse     a project: folders, periods, snapshots, what vanished
home       my projects
item       one item: versions, and how two of them differ
login      signing in and out
people     the accounts of others
search     in a project
"""

from __future__ import annotations

from console.pages import account, browse, home, item, login, people, search
from console.routing import Page

PAGES: tuple[Page, ...] = (
    *home.ROUTES,
    *login.ROUTES,
    *account.ROUTES,
    *people.ROUTES,
    *browse.ROUTES,
    *search.ROUTES,
    *item.ROUTES,
)
