"""From a wish to files again.

    select      which items of which moment are meant           columns of manifests
    plan        what would be written, read, and is in the way  nothing is written
    apply       fetch -> open -> verify -> write                one reading of each pack, into a `target`
    stream      one file to a stream
    history     what there ever was, what became of it, what differs between two moments

Nobody needs a snapshot's id. A plan is a value that is shown first; missing data or an unsafe path stops the run before the
first byte is written, and a damaged chunk costs its own items alone.
"""
