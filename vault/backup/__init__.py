"""From a folder to a committed snapshot.

scan -> compare with the last manifest (columns) -> read -> cut -> id -> known? -> compress -> pack -> seal -> store
     -> index -> manifest -> commit

run       the whole of it            compare   what changed since the last manifest
content   read, cut, name, compress  items     rows of the new manifest
"""
