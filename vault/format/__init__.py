"""Stored bytes to values and back: no input or output, no clock. `docs/format.md` is the norm that this follows.

layout      names of objects                    descriptor  the public description of a repository
chunks      cutting and naming content          capability  the secrets of a project, as a key file holds them
frames      zstd, one frame a chunk             pack        many frames and their table of contents in one object
index       which chunk lies where              manifest    the table of all items of a snapshot
envelope    JSON with a keyed tag               record      snapshot records, claims, evictions, marks
"""
