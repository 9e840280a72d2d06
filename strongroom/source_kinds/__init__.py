"""Kinds of sources beside folders, by the scheme of their URL; each module says what its URLs and options mean, and makes the
source of the vault.

registry          which kinds there are; checks of URLs and options
options           what options have in common: lists, durations, secrets out of files and commands
context           what sources get from the machine and the settings
command           `command:…`: the output of a command
sqlite            `sqlite:FILE`: a database in a file
postgresql        `postgresql://host/database`: a database of a PostgreSQL server
mariadb           `mariadb://host/database`, `mysql://…`: one of a MariaDB or MySQL server
bucket            `s3://bucket/prefix`: objects of a bucket
webdav            `webdavs://host/path`: a collection of a WebDAV server
rest              `rest:NAME`, `rest:FILE.toml`: records of a REST interface
sftp              `sftp://host/path`: a folder over SSH
ftp               `ftps://host/path`: a folder of an FTP server
smb               `smb://host/share/path`: a folder of a share
fsspec_files      `fsspec+PROTOCOL://…`: a file system that fsspec knows
file_servers      what kinds of files on servers have in common
imap              `imaps://host/mailbox`: mailboxes of an IMAP server

A module has `WHAT` (for people), `EXAMPLE` (a URL), `OPTIONS` (names and what they mean), `check` (raises `UsageError` for a
URL or an option that cannot be used) and `make` (the source). It is imported when its scheme is met.
"""
