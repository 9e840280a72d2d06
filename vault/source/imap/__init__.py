"""Mailboxes of an IMAP server (RFC 3501, RFC 9051) as a source; `restore/outputs/mail_sink.py` puts messages back.

address           how a server is reached, and who logs in
syntax            values of the protocol, read from lines with literals and written into commands
connection        one connection: TLS, login, commands and their responses, all of it bounded
client            several connections to one server, with patience
mailbox_names     names of mailboxes as paths of items, and back
messages          what a server tells of a message, and the name that a message has as an item
message_table     what is known of all messages: in a file that may be deleted at any time
listing           which mailboxes there are, and what tells whether they have changed
mailbox_sync      one mailbox: what is new, what is gone, whose flags changed
source            all mailboxes as a source
message_reader    the contents of messages
"""
