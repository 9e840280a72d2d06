"""Past moments as a file system: read by ranges, nothing restored, nothing written to this machine's disk.

    tree         folders and items, by bisection of the manifest's sorted paths
    chunks       a bounded cache of chunks that threads share; misses are fetched in joined ranges
    contents     which chunks a file is made of, and bytes of it
    file         one item, open
    filesystem   the same for fsspec: pandas, Polars, DuckDB, pyarrow and Dask

The class behind `strongroom://` lives in `strongroom.filesystem`, since only `cli` knows settings files.
"""
