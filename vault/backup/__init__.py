"""From a folder to a committed snapshot.

scan -> compare with the last manifest (columns) -> read -> cut -> id -> known? -> compress -> pack -> seal -> store
     -> index -> manifest -> commit

run               the whole of it             comparison        what changed since the last manifest
file_reading      small files read in batches large_files       large ones, piece by piece
content_writer    cut, name, compress, pack   read_results      what reading said of each file
manifest_rows     rows of the new manifest    new_manifest      all rows of it, and what vanished
manifest_writer   the manifest as chunks      new_snapshot      commit it, with its record
"""
