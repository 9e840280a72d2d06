"""One module an area; each has its pages as `ROUTES`.

account    my account: password, second factor, sessions, tokens
home       my projects
login      signing in and out
people     the accounts of others
"""

from __future__ import annotations

from console.pages import account, home, login, people
from console.routing import Page

PAGES: tuple[Page, ...] = (*home.ROUTES, *login.ROUTES, *account.ROUTES, *people.ROUTES)
