"""One module an area; each has its pages as `ROUTES`.

account     my account: password, second factor, sessions, tokens
approvals   requests for a second person
ask         questions in SQL
basket      what was ticked, and the plan of getting it back
browse      a project: folders, periods, snapshots, what vanished
exports     items with proof, and whether a bag is what it says
home        my projects
hosts       hosts that carry out restores, and their tokens
item        one item: versions, and how two of them differ
keeping     how long things are kept: retention, placing and releasing holds, erasing
login       signing in and out
passkeys    registering and removing one's own
people      the accounts of others
previews    what is in an item
prove       the log, evidence, holds
search      in a project
tasks       how far it is, downloads
watch       how everything is, runs, drills, storage
"""

from __future__ import annotations

from console.pages import (
    account,
    approvals,
    ask,
    basket,
    browse,
    exports,
    home,
    hosts,
    item,
    keeping,
    login,
    passkeys,
    people,
    previews,
    prove,
    search,
    tasks,
    watch,
)
from console.routing import Page

PAGES: tuple[Page, ...] = (
    *account.ROUTES,
    *approvals.ROUTES,
    *ask.ROUTES,
    *basket.ROUTES,
    *browse.ROUTES,
    *exports.ROUTES,
    *home.ROUTES,
    *hosts.ROUTES,
    *item.ROUTES,
    *keeping.ROUTES,
    *login.ROUTES,
    *passkeys.ROUTES,
    *people.ROUTES,
    *previews.ROUTES,
    *prove.ROUTES,
    *search.ROUTES,
    *tasks.ROUTES,
    *watch.ROUTES,
)
