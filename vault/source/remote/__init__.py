"""Files on a server of another protocol than WebDAV: one source over a narrow protocol of ours, with an adapter for each.

files             what an adapter offers: the protocol, and what all of them share
patience          how long a server that is away is waited for, and how often it is asked
walk              folders listed several at a time
source            the source: what was listed is read, small files several at once
sftp              SFTP, by asyncssh; `sftp_session` is its connection, in a thread of its own
smb               SMB, by smbprotocol
fsspec_files      whatever fsspec knows
ftp               FTP, by the standard library; `ftp_connections` are its connections
"""
