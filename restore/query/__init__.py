"""Questions in SQL, answered from a past moment without restoring it.

    views      which files are one table, and what it is called
    served     the files as DuckDB sees them: through the chunk cache, with what is known of each in its name
    columns    which columns a table has, of which types, and the SQL that says so
    pruning    which files a question can need at all, before one of them is opened
    database   DuckDB, shut in: no network, no files but these, nothing on the disk
    questions  a question from its text to its answer

A Parquet file is read by column and row group, text files from front to back, neighbours in a pack together.
"""
