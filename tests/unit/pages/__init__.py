"""Pages for people: nothing of a stranger's text is run, fetched or clicked, and all of it can be read."""
