"""The public library: open a repository by its settings, then verbs as typed functions."""
