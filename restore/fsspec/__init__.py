"""Past moments as a file system: read by ranges, nothing restored, nothing written to this machine's disk.

    tree           folders and items, by bisection of the manifest's sorted paths
    chunk_cache    a bounded cache of chunks that threads share; misses are fetched in joined ranges
    file_contents  which chunks a file is made of, and bytes of it
    file           one item, open
    filesystem     the same for fsspec: pandas, Polars, DuckDB, pyarrow and Dask

The class behind `strongroom://` is `strongroom.filesystem`: nothing on this floor knows settings files.
"""
