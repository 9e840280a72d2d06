"""Examples of the groups Everyday and Look, and of `strongroom` itself."""

from __future__ import annotations

EVERYDAY_AND_LOOK: dict[str, tuple[tuple[str, str], ...]] = {
    "": (
        ("status", "is everything backed up?"),
        ("restore acme --period last-month --to /tmp/acme", "last month's files of the project acme, to a folder"),
        ("help restore", "the help of a command, with examples"),
    ),
    "snapshot": (
        ("snapshot show acme latest", "everything about the newest snapshot"),
        ("snapshot accept acme --reason 'they moved the archive'", "retention goes on after a flagged snapshot"),
    ),
    "snapshot show": (
        ("snapshot show acme latest", "when, what is in it, what changed, why it is kept"),
        ("snapshot show acme '3 days ago' --json", "the newest one of that moment, for a script"),
    ),
    "snapshot accept": (
        ("snapshot accept acme --reason 'they moved the archive'", "show what changed, ask, and let retention go on"),
        ("snapshot accept acme --reason 'they moved the archive' --yes", "without a question, for a script"),
    ),
    "backup": (
        ("backup", "every source of every project"),
        ("backup acme --source reports", "one source of one project"),
        ("backup --quiet --json", "for a script: one JSON document, no progress"),
    ),
    "list": (
        ("list", "the snapshots of all projects"),
        ("list acme --json", "those of one project, for a script"),
    ),
    "ls": (
        ("ls acme --kind reports --period 2026-03", "the reports about March, as they are in the newest snapshots"),
        ("ls acme reports/daily --at '3 days ago'", "a folder as it was three days ago"),
        ("ls acme --deleted", "what the source no longer has"),
    ),
    "find": (
        ("find acme invoice", "every item that ever had `invoice` in its path"),
        ("find acme '*.xlsx' --deleted", "workbooks that are gone from the source"),
        ("find acme --kind reports --since 2026-01-01 --until 2026-03-31", "what the snapshots of three months had"),
        ("find acme --record c-1f09 --key call_id", "where a call is: its record, and its recordings by their names"),
    ),
    "history": (
        ("history acme reports/2026/summary.csv", "every version of a file: when, how large, in which snapshot"),
        ("history acme 'reports/**/summary_*.csv' --since '30 days ago'", "of several files, what happened in the last days"),
        ("history acme tickets --record 4711", "every version of a ticket with its comments, field by field"),
    ),
    "diff": (
        ("diff acme --since '7 days ago'", "what was created, changed and deleted in the last week"),
        ("diff acme --since yesterday --live", "compare yesterday's state with the folder as it is now"),
        ("diff acme reports/calls.csv --since 2026-11-01 --rows --key call_id", "which rows and cells of a table changed"),
    ),
    "restore": (
        ("restore acme --period 2026-03 --to /tmp/march", "everything about March, to a folder"),
        (
            "restore acme --kind reports --deleted --in-place --dry-run",
            "show what would bring deleted reports back to where they were",
        ),
        ("restore acme reports/calls.csv --at '3 days ago' --to -", "one file as it was three days ago, to stdout"),
        (
            "restore acme --kind reports --period 2026-Q3 --as xlsx --to q3.zip",
            "a quarter's tables as workbooks, in an archive",
        ),
    ),
    "query": (
        ("query acme --tables", "which tables there are, and their columns"),
        ("query acme 'select count(*) from calls' --period 2026-03", "a question to what is about March"),
        (
            "query acme 'select * from calls' --at 2026-10-31 --as parquet --to calls.parquet",
            "all rows of a past state, to a file",
        ),
    ),
    "export": (
        ("export acme --period 2026-Q3 --to /srv/audit.zip --reason 'audit 17'", "a quarter in a bag with checksums"),
        ("export acme --kind reports --as xlsx --to /srv/audit", "reports as workbooks, in a folder"),
        ("export acme --period 2026 --to /srv/audit --dry-run", "show what would be in it"),
    ),
    "publish": (
        ("publish acme --kind tickets --as parquet --to /srv/bi", "tables of the current state, for Power BI"),
        ("publish acme --kind raw --as csv --to s3://bi/acme --include-deleted", "to a bucket, with rows of deleted items"),
        ("publish acme --name bi --dry-run", "what would be done for a publication of the settings"),
    ),
    "status": (
        ("status", "every source: its last snapshot, its age, what is wrong"),
        ("status --json", "the same for a program; exit code 3 where something is wrong"),
        ("status --all", "with a table of every source and project"),
    ),
    "export verify": (
        ("export verify audit.zip", "checksums and signature, and the content by the repository at hand"),
        ("export verify audit.zip --offline --allowed-signers signers", "the bag alone, by a list of who may have signed it"),
    ),
}
