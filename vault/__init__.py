"""Sealed snapshots in an object store.

    source      folders: listed, and read as bytes
    backup      from a folder to a committed snapshot
    format      stored bytes to values and back: no input or output, no clock
    repository  open, claim, store, read, commit, check, forget and prune
    storage     where objects lie: a folder, S3, memory, and the wrappers that cache, retry, count and verify
    age         files sealed to recipients

`clock`, `process` and `randomness` are the only doors to what they are named after; `threads` has work in other threads;
`errors` has the one tree of errors, `problems` what goes wrong with one item, `wording` numbers and moments for people.
"""
