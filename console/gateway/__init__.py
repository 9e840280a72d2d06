"""The only way from a page to the library. Each function takes who asks, checks whether they may, records what shows or moves
content, and calls the library. A page never sees what its reader may not.

    checks      may they? As an error where not, that looks like nothing being there where they may not know
    scoped      rows of a table of items that are in somebody's scope
    listings    the items of a project as somebody sees them, at a moment
    home        a card for each project
    browsing    folders, periods, the timeline
    vanished    what the sources no longer have
    searching   items over all snapshots
    items       one item and its versions
    differences two versions of a table
    proofs      the log, evidence and holds, for auditors
    hosting     restores that hosts carry out
    planning    a restore as the library takes it
    asking      questions in SQL, within what somebody may see
    watching    how everything is, and what operators may do
    previews    the content of one item, for a browser
"""
