"""Examples of the group Keep."""

from __future__ import annotations

KEEP: dict[str, tuple[tuple[str, str], ...]] = {
    "retention": (
        ("retention plan", "what would go, and why"),
        ("retention apply acme", "show the plan, ask, and forget"),
    ),
    "retention plan": (
        ("retention plan", "what would go and what would stay, and why"),
        ("retention plan acme --all", "every snapshot of one project"),
        ("retention plan acme --on 2027-01-01", "what would still be there on that day"),
    ),
    "retention apply": (
        ("retention apply acme", "show the plan, ask, and forget"),
        ("retention apply --yes", "for a script: all projects, without a question"),
        ("retention apply acme --plan 3f9a1c --yes", "only if nothing has changed since that plan was shown"),
    ),
    "retention log": (
        ("retention log", "who forgot what, when and why"),
        ("retention log acme --all", "every snapshot by its id"),
    ),
    "retention accept-loss": (
        (
            "retention accept-loss acme 20261101t020000z-3f9a1c0b7d5e2a48 --reason 'disk lost in the fire'",
            "go on without a snapshot that is lost",
        ),
        (
            "retention accept-loss acme 20261101t020000z-3f9a1c0b7d5e2a48 --reason 'disk lost' --grace '30 days'",
            "and let no prune delete a pack for 30 days",
        ),
    ),
    "hold": (
        ("hold list", "the holds that bind"),
        ("hold add acme --period 2026-03 --reason 'case 17'", "nobody may forget anything about March"),
    ),
    "hold add": (
        ("hold add acme --period 2026-03 --reason 'case 17'", "nobody may forget anything about March"),
        ("hold add acme --kind raw --until 2027-12-31 --reason 'tax audit'", "raw data, until a day"),
        ("hold add acme --snapshot 20261101t020000z-3f9a1c0b7d5e2a48 --reason 'case 17'", "one snapshot as a whole"),
    ),
    "hold release": (
        ("hold release acme 3f9a1c --reason 'case 17 is closed'", "the hold whose id begins so"),
        ("hold release acme 3f9a1c --reason 'case 17 is closed' --json", "for a script"),
    ),
    "hold list": (
        ("hold list", "the holds that bind, of all projects"),
        ("hold list acme --all", "those that have ended too"),
    ),
    "forget": (
        ("forget acme 20261101t020000z-3f9a1c0b7d5e2a48 --reason 'taken of the wrong folder'", "one snapshot"),
        (
            "forget acme 20261101t020000z-3f9a1c0b7d5e2a48 --reason 'wrong folder' --newest-too --yes",
            "even if it is the newest",
        ),
    ),
    "prune": (
        ("prune --dry-run", "what would be deleted, and what it would free"),
        ("prune acme --yes", "one project, without a question"),
        ("prune --max-time 60 --max-bytes 50G", "at night: for an hour, and not more than 50 GiB"),
    ),
    "copy": (
        ("copy", "bring all copies that the settings name up to date"),
        ("copy offsite --dry-run", "what one of them lacks"),
        (
            "copy offsite --max-time 300 --max-bytes 200G",
            "the first time over a slow line: night after night, until it is done",
        ),
    ),
    "check": (
        ("check", "is everything there that a snapshot needs?"),
        ("check acme --read-data", "read every pack of a project, and compare every chunk"),
        ("check --read-data=10%", "read a share, so that run after run everything is read"),
    ),
    "repair": (
        ("repair --dry-run", "what is damaged, where the truth still is, and what nobody has"),
        ("repair acme --read-data", "read all packs of a project first, then mend"),
        ("repair acme --drop --reason 'the disk of May'", "give up what nobody has, so that the rest is sound"),
    ),
    "drill": (
        ("drill", "restore a sample of each project and compare every byte"),
        ("drill acme --json", "one project, for a script"),
    ),
    "audit": (
        ("audit show acme --since 7d", "what was done to the project acme in a week"),
        ("audit verify", "is the log whole?"),
    ),
    "audit show": (
        ("audit show acme", "the newest entries about the project acme"),
        ("audit show --action restore --action export --since 30d", "who took what out of the store"),
        ("audit show --result refused", "what was refused"),
    ),
    "audit verify": (
        ("audit verify", "every chain of the log"),
        ('audit verify --head "$HEAD"', "that the chain still has the entry which a message named"),
    ),
    "audit export": (
        ("audit export --to log.jsonl", "all of it, each entry with its signature"),
        ("audit export acme --since 2026-10-01 --until 2027-01-01 --to log.csv", "a quarter of one project, for people"),
    ),
    "audit heads": (
        ("audit heads", "the newest entry of every chain, to be kept elsewhere"),
        ("audit heads --json", "the same for a script"),
    ),
    "audit stamp": (
        ("audit stamp", "have the newest entries stamped by the authority of the settings"),
        ("audit stamp acme", "the same, for the auditors of one project to read"),
    ),
    "evidence": (
        ("evidence --period last-quarter --to evidence.zip", "everything about all projects, of the last quarter"),
        ("evidence acme --period 2026-Q4 --to acme-q4.zip", "of one project"),
    ),
}
