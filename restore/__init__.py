"""From a wish to files again.

    select      which items of which moment are meant           columns of manifests
    plan        what would be written, read, and is in the way  nothing is written
    apply       fetch -> open -> verify -> write                one reading of each pack, into a `target`
    in_place    the same, below the folders of the sources
    forecast    counts by kind and period, and about how long it will take
    ordered     contents in the order of the items, for everything that is written from front to back
    stream      one file to a stream
    giving      in another shape: tables converted or merged, archives, objects of a bucket
    older       the versions before the selected ones, beside them
    files       a past moment as a file system, read by ranges
    query       questions to it in SQL
    history     what there ever was, what became of it, what differs between two moments

Nobody needs a snapshot's id. A plan is a value that is shown first; missing data or an unsafe path stops the run before the
first byte is written, and a damaged chunk costs its own items alone.
"""
