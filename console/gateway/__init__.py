"""The only way from a page to the library. Each function takes who asks, checks whether they may, records what shows or moves
content, and calls the library. A page never sees what its reader may not.

    checks      may they? As an error where not, that looks like nothing being there where they may not know
    scoped      rows of a table of items that are in somebody's scope
    projects    the projects that somebody sees
"""
