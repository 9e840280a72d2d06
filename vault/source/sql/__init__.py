"""Databases as sources: a table, or a period of one, is a Parquet file.

layout            names of items: tables, periods
parquet_stream    rows as a Parquet file, piece by piece; equal rows give equal bytes
schema_statements a schema as statements, each with a line that says what it makes
table_reader      what the readers of all databases have in common
sqlite            SQLite files; `sqlite_catalog` knows their tables, `sqlite_values` their dynamic types, `sqlite_rows` reads
"""
