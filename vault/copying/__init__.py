"""From one store to another: a second copy of a repository is brought up to date.

shared objects first, then for each project: claim -> what is missing -> packs -> index -> moved packs, notes -> records

run              one project, in batches      read_both         what the two stores have
plan             what a batch has to copy     moved_packs       packs whose content lies elsewhere by now
pack_transfer    packs from store to store    small_objects     what is copied as it is, whole
commit           what ends a batch            pair              the two stores, and what a copy may do
report           what a run came to

Deletions are not copied: what the second store forgets and prunes is its own affair, and what it has forgotten by itself is
not copied again. See docs/format.md, "Copying".
"""
