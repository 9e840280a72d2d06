"""The console: pages in a browser for people who find, restore and prove without a command line.

    app          the application: routes, sessions before them, headers after them
    visit        what a page's function is given: who asks, in which language, for what
    routing      a page's function as a route: forms bounded, forged requests refused, work in threads
    access/      who may what, as values: roles, assignments, scopes
    gateway/     the only way to the library: rights are checked there, and what is done is recorded
    api/         the same for scripts: operations, OpenAPI document
    previews/    what is in an item, for a browser, whoever wrote it
    questions/   questions in SQL that people keep
    hosts/       hosts that carry out restores where this console cannot read content, as it sees them
    agent/       the other end: what such a host does
    charts       lines over time
    pages/       one module an area: home, browsing, …
    state        the console's own memory, one SQLite file: accounts, sessions, baskets, tasks
    repositories open repositories, lent one at a time
    responses    headers that keep browsers from doing harm; errors as pages
    texts        languages: catalogues, dates, numbers
    templates/, static/, locale/

A page knows nothing of snapshots or rights: it asks the gateway, which asks the library. See ADR 26.
"""
