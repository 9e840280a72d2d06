"""Sources: where items come from.

contract          what a backup may assume of a source, in prose
scan_columns      the table of items that a scan gives
item_list         the same for sources that are no folders
streams           contents that come in one piece after another

folder            a folder of this machine: `scan` lists it, `reader` reads what the caller has picked from it, `patterns` say
                  what is left out, `folder_descent` reaches folders without following links, `attributes` are extended ones
command           the output of a command
bucket            objects of a bucket; `vault.storage.s3_objects` reaches them
sql               databases: tables as Parquet files
webdav            WebDAV servers
remote            files on servers of other protocols: SFTP and its like

All read what others wrote: links are never followed, sizes are bounded, and what changes under the reader's hands is seen. On a
platform without `openat` (Windows) everything imports, and `SourceError` says that folders cannot be backed up.
"""
