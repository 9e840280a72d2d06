"""From a selection of past items to files again.

    selection   which items of which moment are meant: columns of manifests, nothing read of their content
    planning    what would be written, read, and is in the way: a value that is shown first, nothing written
    execution   fetch -> open -> verify -> write, with one reading of each pack
    local_fs    writing into a folder so that nothing ever leaves it
    outputs     in another shape: tables converted or merged, archives, objects of a bucket, a stream
    export      a bag with checksums and a report, for auditors
    tables      files as tables: readers, writers, conversion with its losses counted
    history     what there ever was, what became of it, what differs between two moments
    query       questions to a past moment in SQL
    fsspec      a past moment as a file system, read by ranges

Nobody needs a snapshot's id. Missing data or an unsafe path stops a restore before the first byte is written, and a damaged
chunk costs its own items alone.
"""
