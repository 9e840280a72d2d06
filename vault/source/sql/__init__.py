"""Databases as sources: a table, or a period of one, is a Parquet file.

layout            names of items: tables, periods
parquet_stream    rows as a Parquet file, piece by piece; equal rows give equal bytes
sqlite            SQLite files; `sqlite_catalog` knows their tables, `sqlite_values` their dynamic types, `sqlite_rows` reads,
                  `sqlite_stop` ends what takes long
postgresql        servers; `postgresql_catalog` knows their tables, `postgresql_schema` writes their definitions,
                  `postgresql_tokens` tells whether rows changed, `postgresql_rows` and `postgresql_text` make Arrow of them
read_ahead        iterators in threads of their own
"""
