"""Records as pages for people to read: one HTML page a record, its comments, its files beside it, and an index.

safe_text       a text of a stranger as a text of a page; HTML of a stranger as a text
roles           which field is the title, the author, the body, the time
values          fields, in readable order
record_page     a record as a page
frame           what all pages begin and end with: style, printing, what a browser may do (nothing)
attached_files  the files of a record among the items, and links to them
register        names, index entries and people, in a private database: memory stays bounded
index_pages     the index, by date, by number, by subject
item_sorts      which items have records, and which are given as they are
lines           records out of items of JSON Lines
write_pages     all of it, into a sink
"""
