"""Databases as sources: a table, or a period of one, is a Parquet file.

layout            names of items: tables, periods
parquet_stream    rows as a Parquet file, piece by piece; equal rows give equal bytes
schema_statements a schema as statements, each with a line that says what it makes
table_reader      what the readers of all databases have in common
mariadb           MariaDB and MySQL servers; `mariadb_connection` says how they are reached, `mariadb_session` speaks to
                  them, `mariadb_catalog` knows tables and rights, `mariadb_periods` periods in time zones,
                  `mariadb_rows` types, `mariadb_results` streams over one session, `mariadb_schema` statements
sqlite            SQLite files; `sqlite_catalog` knows their tables, `sqlite_values` their dynamic types, `sqlite_rows` reads,
                  `sqlite_stop` ends what takes long
postgresql        servers; `postgresql_catalog` knows their tables, `postgresql_schema` writes their definitions,
                  `postgresql_tokens` tells whether rows changed, `postgresql_rows` knows types, `postgresql_arrow` reads rows
"""
