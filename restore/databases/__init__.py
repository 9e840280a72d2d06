"""Rows back into databases.

staged_rows       the rows of selected items, out of Parquet files, in a private database, cut down by a condition
fetched_tables    the files, columns, statements and numbers among the items of a selection
row_plan          what putting them back would do, as a value
sqlite_target     compares them with a SQLite database, and puts them there in one transaction; `sqlite_whole_rows` compares
                  rows of tables without a key, `sqlite_schema` reads what made them
postgresql_target the same with a PostgreSQL database; `postgresql_rows` brings rows there, `postgresql_tables` compares them
mariadb_target    the same with a MariaDB or MySQL database; `mariadb_rows` and `mariadb_tables` likewise,
                  `mariadb_missing_tables` makes tables before the transaction, and takes them away where it fails

Nothing is written before the plan was made; what was found then is looked at again in the transaction that writes.
"""
