"""From a folder to a committed snapshot.

scan -> compare with the last manifest (columns) -> read -> cut -> id -> known? -> compress -> pack -> seal -> store
     -> index -> manifest -> commit

run               the whole of it             comparison        what changed since the last manifest
file_reading      what is read, in which order large_files      large files, piece by piece
small_files       a batch of small files      worker_processes  where they are many
content_writer    chunks into packs           read_results      what reading said of each file
manifest_rows     rows of the new manifest    new_manifest      all rows of it, and what vanished
manifest_writer   the manifest as chunks      new_snapshot      commit it, with its record
"""
