"""The commands; `cli.registry` says which module has which.

Most modules have one. `listing` has list and ls, `history` has find and history, `retention` also forget.
"""
