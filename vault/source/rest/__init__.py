"""REST interfaces as sources, by description: help desks and whatever else answers JSON.

description         what a TOML file says about an interface, checked; `descriptions/` has some that come with the package
description_faults  what may be wrong in one, and how it is said
creation            how records are created: the sections `create`, checked
templates           names in braces, filled in
exact_json          JSON as it was sent: digits kept, bounded, written the same for the same values
connections         requests and answers of one host, bounded
credentials         what requests are authorised with, OAuth 2 included
patience            pace, and how long a server that is busy is waited for
client              requests with all of these, redirects refused
writing             requests that change something, each sent once
paging              the pages of a listing, read with suspicion
times               moments as interfaces write them; periods
mirror              records as they were last read, in a SQLite file
attachments         files of records
file_streams        bytes from the interface, or from other hosts
attachment_reader   the bytes of attachments
interface_check     whether an interface minds what its description relies on
whole_records       a record with its own page and its children
listing_pass        one pass over a listing: its pages, and their records into the mirror
reading             one resource, until what was read is a state that it really had
source              scan and reader
"""
