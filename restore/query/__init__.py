"""Questions in SQL, answered from a past moment without restoring it.

    table_names             which files are one table, and what it is called
    duckdb_files        the files as DuckDB sees them: through the chunk cache, with what is known of each in its name
    columns            which columns a table has, of which types, and the SQL that says so
    partition_pruning  which files a question can need at all, before one of them is opened
    sheet_files        sheets of workbooks as files of their own
    database           DuckDB, shut in: no network, no files but these, nothing on the disk
    engine             a question from its text to its answer

A Parquet file is read by column and row group, text files from front to back, neighbours in a pack together.
"""
