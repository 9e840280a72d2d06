"""The history of one record: a line of JSON Lines, a row of a table, over all versions of the items that it may be in.

record_id        what identifies a record: its key, and the bytes to look for
chunk_lines      lines of JSON Lines out of chunks, each chunk read once, however many versions share it
table_rows       rows of other tables, each content read once
item_records     what each version of an item has of the record
fields           what differs between two versions, field by field
changed_lines    lines that one version has and its neighbour in time has not, out of the chunks that differ
gone_records     records that are gone from items which are still there; deleted_rows: as rows of tables
timeline         what happened to it, and between which snapshots
"""
