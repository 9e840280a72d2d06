"""Sources: where items come from. Here: folders of a POSIX file system.

`scan` lists a folder as a table, `Reader` reads what the caller has picked from it, `Rules` say what is left out.
The parts read what others wrote: links are never followed, sizes are bounded, and what changes under the reader's
hands is seen. On a platform without `openat` (Windows) everything imports, and `SourceError` says that it cannot work.
"""
