"""Items written in other shapes than files in a folder: as tables of another format, in an archive, as objects of a bucket.

conversion      what is asked for of tables: format, profile, rows of a period
output_item     one thing to write, and what became of an item
convert_items   contents in the order of the items -> things to write, converted where they are tables
merge_items     contents of many items -> one table
report          what was converted, lost, left as it is: for people beside the export
scratch_dir     a private folder for plain contents on their way

sink            where things go: folder_sink, tar_sink, zip_sink, object_sink, stream_sink, dav_sink, mail_sink
mail_place      what a mail server has of the messages that are to go back
archive_file    an archive under a temporary name until it is whole
conflict_guard  what to do with a converted table where something stands at its place
write_items     a plan's items into a sink
"""
