"""Writing into a folder so that nothing ever leaves it.

How a restore uses this package:

1. planning, nothing is written: `unsafe_reason` for every path, `Target.existing` and `Target.compare` for conflicts,
`FreeNames` where both are to be kept, `colliding` where the target is blind to case; 2. `Target.prepare` makes the root, proves
that it can be written to and finds out whether it is blind to case; 3. each thread takes its own `Writer`: files, links
and folders are finished under temporary names, and `Writer.commit` brings them to the disk with one `syncfs` a batch
before it renames them into place; 4. `Target.finish` sets modes and times of folders, deepest first, and makes the
renames durable.

Every folder is reached part by part from the root's descriptor and no link is ever passed (see `vault.source.folder_descent`).
Trouble with one item comes back as a `Problem`; trouble that would meet every item (a full disk, a read-only file system)
is a `TargetError`. One limit: whoever may move a folder out of the target *while* a restore writes to it moves what is
written with it.
"""

from restore.local_fs.inspect import Inspection, TargetItem
from restore.local_fs.metadata import Attributes
from restore.local_fs.names import FreeNames, colliding, unsafe_reason
from restore.local_fs.pending_file import PendingFile
from restore.local_fs.target import Target
from restore.local_fs.writer import Writer

__all__ = [
    "Attributes",
    "FreeNames",
    "Inspection",
    "PendingFile",
    "Target",
    "TargetItem",
    "Writer",
    "colliding",
    "unsafe_reason",
]
